#include "analysis/load.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <cmath>
#include <future>
#include <limits>

#include "base/error.h"
#include "base/open_file.h"
#include "results/attainment.h"
#include "results/window.h"

namespace cotenant {
namespace {

namespace fs = std::filesystem;

constexpr double missing = std::numeric_limits<double>::quiet_NaN();

// A column stays empty until an iteration has it.
void push(std::vector<double>& column, size_t already, const std::optional<double>& value) {
  if (column.empty()) {
    if (!value) return;
    column.reserve(already + 1);
    column.assign(already, missing);
  }
  column.push_back(value.value_or(missing));
}

void append(LoadedTenant& tenant, const Iteration& iteration, const std::optional<WindowRecord>& window) {
  tenant.tally.add(iteration);
  if (iteration.status != IterationStatus::ok) return;
  Samples& samples = tenant.samples;
  const size_t already = samples.latency_ms.size();
  samples.latency_ms.push_back(iteration.latency_ms);
  push(samples.start_s, already, iteration.start_s);
  push(samples.end_s, already, iteration.end_s);
  push(samples.gpu_ms, already, iteration.gpu_ms);
  push(samples.ttft_ms, already, iteration.ttft_ms);
  push(samples.tpot_ms, already, iteration.tpot_ms);
  push(samples.queue_ms, already, iteration.queue_ms);
  const bool inside = counts(iteration, window);
  samples.counts.push_back(inside);
  tenant.outside_window += !inside;
  if (inside)
    for (size_t i = 1; i < iteration.token_s.size(); ++i)
      samples.itl_ms.push_back((iteration.token_s[i] - iteration.token_s[i - 1]) * 1e3);
}

Work work_of(const TenantRecord& record) {
  const StressSpec* stress = record.stressor();
  return {stress ? std::string(to_string(stress->kind)) : record.model,
          record.batch_size,
          record.seq_len,
          record.task == Task::generate ? record.max_new_tokens : 0,
          record.task,
          stress ? std::optional(stress->service_ms) : std::nullopt,
          record.stress ? std::optional(record.stress->intensity) : std::nullopt,
          record.stress ? record.stress->footprint_sms : std::nullopt};
}

Work work_of(const RunStart& start) {
  return {start.model_name, start.batch_size, start.seq_len, 0,
          Task::forward,    std::nullopt,     std::nullopt,  std::nullopt};
}

// `window`: what counts. nullopt: everything.
LoadedTenant load_tenant(const fs::path& experiment, LoadedTenant tenant, const std::optional<WindowRecord>& window) {
  tenant.tally = Tally(window);
  const Objectives slo = tenant.record ? tenant.record->slo : Objectives{};
  AttainmentTally attained(slo, window, tenant.generates());
  tenant.events = read_events(experiment / tenant.directory / "events.jsonl", [&](Iteration& iteration) {
    if (!iteration.tokens_in && !iteration.tokens_out)  // the study's
      iteration.tokens_in = int64_t{tenant.work.batch_size} * tenant.work.seq_len;
    append(tenant, iteration, window);
    if (slo.any()) attained.add(iteration);
  });
  const std::optional<double> completion_s = tenant.tally.completion_s();
  tenant.completion_s = completion_s ? completion_s : tenant.events.elapsed_s;
  tenant.duration_s = window ? window->duration_s() : tenant.completion_s.value_or(tenant.tally.duration_s());
  if (slo.any()) tenant.attainment = attained.over(tenant.duration_s);
  return tenant;
}

// One after another, or at once where files are large.
void load_tenants(LoadedExperiment& experiment, const std::optional<WindowRecord>& window) {
  const auto load = [&](LoadedTenant& tenant) {
    tenant = load_tenant(experiment.directory, std::move(tenant), window);
  };
  constexpr uintmax_t large_bytes = uintmax_t{32} << 20;
  std::vector<std::future<void>> loading;
  for (LoadedTenant& tenant : experiment.tenants) {
    std::error_code error;
    const auto bytes = fs::file_size(experiment.directory / tenant.directory / "events.jsonl", error);
    const auto policy = !error && bytes > large_bytes ? std::launch::async : std::launch::deferred;
    loading.push_back(std::async(policy, load, std::ref(tenant)));
  }
  for (auto& done : loading) done.get();
}

std::vector<std::string> tenant_directories(const fs::path& directory) {
  std::vector<std::string> names;
  for (const fs::path& tenant : real_directories_in(directory)) {
    const std::string name = tenant.filename().string();
    if (name == "baselines" || name == "repeats") continue;
    if (is_real_file(tenant / "events.jsonl")) names.push_back(name);
  }
  std::sort(names.begin(), names.end(), natural_less);
  return names;
}

[[noreturn]] void refuse_without_events(const fs::path& directory) {
  std::error_code error;
  if (!fs::exists(directory, error))
    throw usage_error(directory.string(), "there is no such file or directory",
                      "Give an experiment's directory, for example data/<experiment_name>.");
  if (fs::is_regular_file(directory / "events.jsonl", error))
    throw usage_error(directory.string(), "is one tenant's directory, not an experiment's",
                      fmt::format("Give {} instead.", directory.parent_path().string()));
  fs::directory_iterator(directory, error);
  if (error)
    throw usage_error(directory.string(), "cannot be read: " + error.message(), "Check the path and its permissions.");
  throw usage_error(directory.string(), "has no <tenant>/events.jsonl: it is no experiment's directory",
                    "Give the directory that `cotenant run` wrote, or one of the study's.");
}

std::string name_of_directory(const fs::path& directory) {
  const fs::path clean = directory.lexically_normal();
  const std::string name =
      clean.filename().empty() ? clean.parent_path().filename().string() : clean.filename().string();
  return name.empty() || name == "." || name == ".." ? fs::weakly_canonical(clean).filename().string() : name;
}

}  // namespace

std::string describe(const Work& work) {
  std::string text = work.model.empty() ? "unknown model" : work.model;
  if (work.service_ms) text += fmt::format(" of {} ms", *work.service_ms);
  if (work.intensity.value_or(1) < 1) text += fmt::format(" at intensity {:g}", *work.intensity);
  text += fmt::format(", batch {} x {}", work.batch_size, work.seq_len);
  if (work.task != Task::forward) text += fmt::format(", {} {} tokens", to_string(work.task), work.max_new_tokens);
  return text;
}

std::optional<double> LoadedTenant::tokens_per_s() const {
  const double tokens = generates() ? tally.tokens_out : tally.tokens_in;
  return duration_s > 0 && tokens > 0 ? std::optional(tokens / duration_s) : std::nullopt;
}

bool is_experiment(const fs::path& directory) {
  std::error_code error;
  return fs::is_directory(directory, error) &&
         (fs::exists(directory / "experiment.json", error) || !tenant_directories(directory).empty());
}

LoadedExperiment open_experiment(const fs::path& directory) {
  LoadedExperiment experiment;
  experiment.directory = directory;
  experiment.name = name_of_directory(directory);
  experiment.record = read_record(directory);
  if (experiment.record) {
    const ExperimentRecord& record = *experiment.record;
    if (!record.settings.experiment_name.empty()) experiment.name = record.settings.experiment_name;
    experiment.fixed = record.settings.corun == Corun::fixed;
    experiment.window = record.window;
    std::error_code error;
    for (const TenantRecord& tenant : record.tenants) {
      const fs::path files = directory / tenant.directory;
      if (tenant.directory.empty() || !fs::exists(files / "events.jsonl", error)) continue;
      if (!is_real_directory(files))
        throw usage_error(files.string(), "is a symbolic link; links in results are not followed",
                          "Put the directory itself there.");
      LoadedTenant& loaded = experiment.tenants.emplace_back();
      loaded.name = tenant.name;
      loaded.directory = tenant.directory;
      loaded.work = work_of(tenant);
      loaded.record = tenant;
    }
  } else {
    for (const std::string& name : tenant_directories(directory)) {
      LoadedTenant& loaded = experiment.tenants.emplace_back();
      loaded.name = loaded.directory = name;
      if (const auto start = peek_run_start(directory / name / "events.jsonl")) loaded.work = work_of(*start);
    }
  }
  if (experiment.tenants.empty()) refuse_without_events(directory);
  return experiment;
}

LoadedExperiment load_experiment(const fs::path& directory) {
  LoadedExperiment experiment = open_experiment(directory);
  load_tenants(experiment, counting_window(experiment));
  return experiment;
}

std::optional<WindowRecord> counting_window(const LoadedExperiment& experiment) {
  return experiment.fixed ? std::nullopt : experiment.window;
}

std::vector<Work> peek_works(const fs::path& directory) {
  std::vector<Work> works;
  if (const auto record = read_record(directory)) {
    for (const TenantRecord& tenant : record->tenants) works.push_back(work_of(tenant));
    return works;
  }
  for (const std::string& name : tenant_directories(directory))
    if (const auto start = peek_run_start(directory / name / "events.jsonl")) works.push_back(work_of(*start));
  return works;
}

std::vector<double> counted(const Samples& samples, Metric metric) {
  if (metric == Metric::itl) return samples.itl_ms;
  const std::span<const double> all = column(samples, metric);
  std::vector<double> values;
  values.reserve(all.size());
  for (size_t i = 0; i < all.size(); ++i)
    if (samples.counts[i] && !std::isnan(all[i])) values.push_back(all[i]);
  return values;
}

bool natural_less(std::string_view a, std::string_view b) {
  const auto digit = [](char c) { return std::isdigit(static_cast<unsigned char>(c)) != 0; };
  const auto number_at = [&](std::string_view text, size_t at) {  // without leading zeros
    size_t end = at;
    while (end < text.size() && digit(text[end])) ++end;
    while (at + 1 < end && text[at] == '0') ++at;
    return text.substr(at, end - at);
  };
  size_t i = 0, j = 0;
  while (i < a.size() && j < b.size()) {
    if (digit(a[i]) && digit(b[j])) {
      const std::string_view x = number_at(a, i), y = number_at(b, j);
      if (x.size() != y.size()) return x.size() < y.size();
      if (x != y) return x < y;
      i = static_cast<size_t>(x.data() - a.data()) + x.size();
      j = static_cast<size_t>(y.data() - b.data()) + y.size();
    } else {
      if (a[i] != b[j]) return a[i] < b[j];
      ++i, ++j;
    }
  }
  return a.size() - i < b.size() - j;
}

}  // namespace cotenant
