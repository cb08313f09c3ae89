#include "results/tenant_files.h"

#include <fmt/format.h>

#include <limits>
#include <nlohmann/json.hpp>

#include "base/clock.h"
#include "base/directory.h"
#include "base/path_component.h"
#include "results/event_json.h"

namespace cotenant {
namespace {

namespace fs = std::filesystem;

fs::path made_directory(const fs::path& path) {
  make_directory(path);
  return path;
}

// A model's name as part of a file's name; of a directory only the last part is kept.
std::string file_part(const std::string& model) {
  constexpr size_t longest = 100;  // beside a tenant's name of as many, and what follows
  const bool is_path = model.starts_with('/') || model.starts_with('.') || std::ranges::count(model, '/') > 1;
  fs::path path = fs::path(model).lexically_normal();
  if (!path.has_filename()) path = path.parent_path();  // a slash at the end
  return path_component(is_path ? path.filename().string() : model, longest);
}

nlohmann::ordered_json config_of(const SettingsRecord& settings, const TenantRecord& tenant) {
  nlohmann::ordered_json config;
  config["model_name"] = tenant.model;
  config["batch_size"] = tenant.batch_size;
  config["seq_len"] = tenant.seq_len;
  config["num_warmup"] = tenant.num_warmup;
  config["num_iters"] = tenant.num_iters;
  config["device"] = tenant.device;
  config["tag"] = tenant.tag;
  config["name"] = tenant.name;
  config["engine"] = tenant.engine_name();
  if (const auto dtype = tenant.dtype()) config["dtype"] = to_string(*dtype);
  config["task"] = to_string(tenant.task);
  if (tenant.task == Task::generate) config["max_new_tokens"] = tenant.max_new_tokens;
  config["threads"] = tenant.threads.value_or(1);
  config["sharing"] = to_string(settings.sharing);
  config["seed"] = settings.seed;
  return config;
}

RunStart run_start(const TenantRecord& tenant, const std::string& config) {
  RunStart event;
  event.timestamp = wall_clock_s();
  event.model_name = tenant.model;
  event.tag = tenant.tag;
  event.device = tenant.device;
  event.batch_size = tenant.batch_size;
  event.seq_len = tenant.seq_len;
  event.num_iters = tenant.num_iters;
  event.num_warmup = tenant.num_warmup;
  event.config_json = config;
  return event;
}

std::string summary_text(const RunEnd& end, const std::vector<std::pair<std::string, std::string>>& config) {
  std::string text =
      fmt::format("avg_ms={}\np50_ms={}\np90_ms={}\np95_ms={}\np99_ms={}\nthroughput_tokens_per_s={}\n", end.avg_ms,
                  end.p50_ms, end.p90_ms, end.p95_ms, end.p99_ms, end.throughput_tokens_per_s);
  for (const auto& [key, value] : config) text += fmt::format("config_{}={}\n", key, value);
  return text;
}

}  // namespace

std::string file_stem(const TenantRecord& tenant) {
  const std::string name = fs::path(tenant.directory).filename().string();
  return fmt::format("{}_{}_b{}_L{}", name, file_part(tenant.model), tenant.batch_size, tenant.seq_len);
}

TenantFiles::TenantFiles(const fs::path& experiment, const SettingsRecord& settings, const TenantRecord& tenant,
                         std::shared_ptr<IterationStore> store)
    : generates_(tenant.task == Task::generate),
      events_(made_directory(experiment / tenant.directory) / "events.jsonl"),
      iterations_(std::move(store)) {
  directory_ = tenant.directory;
  stem_ = file_stem(tenant);
  prefix_ = experiment / directory_ / stem_;
  const nlohmann::ordered_json config = config_of(settings, tenant);
  for (const auto& [key, value] : config.items())
    config_.emplace_back(key, value.is_string() ? value.get<std::string>() : value.dump());
  fmt::memory_buffer line;
  append_json(line, run_start(tenant, config.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace)));
  events_.write({line.data(), line.size()});
}

void TenantFiles::append(const Iteration& iteration) {
  fmt::memory_buffer line;
  append_json(line, iteration);
  events_.write({line.data(), line.size()});
  iterations_.append(iteration);
  if (iteration.status == IterationStatus::ok)
    tokens_processed_ += (generates_ ? iteration.tokens_out : iteration.tokens_in).value_or(0);
}

void TenantFiles::move_to(const fs::path& experiment) {
  events_.move_to(made_directory(experiment / directory_) / "events.jsonl");
  prefix_ = experiment / directory_ / stem_;
}

void TenantFiles::flush() {
  events_.flush();
}

void TenantFiles::finish(const TenantSummary& whole_run) {
  const double nothing = std::numeric_limits<double>::quiet_NaN();
  RunEnd end;
  end.timestamp = wall_clock_s();
  end.avg_ms = whole_run.latency.mean_ms.value_or(nothing);
  end.p50_ms = whole_run.latency.p50_ms.value_or(nothing);
  end.p90_ms = whole_run.latency.p90_ms.value_or(nothing);
  end.p95_ms = whole_run.latency.p95_ms.value_or(nothing);
  end.p99_ms = whole_run.latency.p99_ms.value_or(nothing);
  end.throughput_tokens_per_s = whole_run.tokens_per_s.value_or(nothing);
  end.num_iters = iterations_.size();
  end.tokens_processed = tokens_processed_;
  fmt::memory_buffer lines;
  append_json(lines, end);
  append_time_elapsed(lines, whole_run.completion_s.value_or(nothing));
  events_.write({lines.data(), lines.size()});
  events_.close();
  OutputFile latencies(prefix_.string() + "_latencies_ms.csv");
  iterations_.for_each([&](const Iteration& iteration) {
    if (iteration.status == IterationStatus::ok) latencies.write(fmt::format("{:.6f}\n", iteration.latency_ms));
  });
  latencies.close();
  write_file(prefix_.string() + "_summary.txt", summary_text(end, config_));
}

}  // namespace cotenant
