#pragma once

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <functional>
#include <string>
#include <vector>

#include "base/temporary_directory.h"
#include "results/record.h"
#include "results/tenant_files.h"
#include "results/window.h"

// Experiments of known speed, written as `cotenant run` and as the study write them, so that the right figures follow
// from arithmetic.
namespace cotenant {

// A data root that goes away with its test.
class DataRoot : public testing::Test {
 protected:
  const TemporaryDirectory directory_;
  const std::filesystem::path root_ = directory_.path();
};

struct MadeTenant {
  std::string name = "a";
  std::string model = "distilgpt2";
  double latency_ms = 2;  // the mean
  int iterations = 1000;
  double wobble = 0.1;  // latencies are spread evenly over latency_ms x (1 +- wobble), neighbours unalike
  Task task = Task::forward;
  int batch_size = 8, seq_len = 128;
  std::function<void(TenantRecord&)> change_record;
  std::function<void(Iteration&)> change_iteration;
};

inline double made_latency_ms(const MadeTenant& tenant, int i) {
  return tenant.latency_ms * (1 + tenant.wobble * (static_cast<double>(i * 37 % 101) - 50) / 50);
}

inline void write_text(const std::filesystem::path& file, const std::string& text) {
  std::filesystem::create_directories(file.parent_path());
  std::ofstream(file, std::ios::binary) << text;
}

inline void make_experiment(const std::filesystem::path& directory, const std::vector<MadeTenant>& tenants,
                            const std::function<void(ExperimentRecord&)>& change = {}) {
  ExperimentRecord record;
  record.settings.experiment_name = directory.filename().string();
  record.settings.device = "cpu";
  record.settings.sharing = SharingMode::timeslice;
  record.settings.corun = Corun::overlap;
  record.host.cpu = "Test CPU";
  record.build.commit = "abc";
  record.validity.complete = record.validity.valid = true;
  double end_s = 1e9;
  for (const MadeTenant& made : tenants) {
    TenantRecord tenant;
    tenant.name = tenant.directory = tenant.tag = made.name;
    tenant.model = made.model;
    tenant.engine = NativeSpec{.weights = "auto", .dtype = Dtype::f32};
    tenant.task = made.task;
    tenant.batch_size = made.batch_size;
    tenant.seq_len = made.seq_len;
    tenant.num_iters = made.iterations;
    if (made.change_record) made.change_record(tenant);
    record.tenants.push_back(tenant);
    TenantFiles files(directory, record.settings, tenant, std::make_shared<IterationStore>(directory));
    double now_s = 0;
    for (int i = 0; i < made.iterations; ++i) {
      Iteration iteration;
      iteration.iter = i;
      iteration.latency_ms = made_latency_ms(made, i);
      iteration.start_s = iteration.scheduled_s = now_s;
      iteration.end_s = now_s = now_s + iteration.latency_ms * 1e-3;
      iteration.tokens_in = made.batch_size * made.seq_len;
      iteration.tokens_out = 0;
      if (made.change_iteration) made.change_iteration(iteration);
      files.append(iteration);
    }
    const IterationSource iterations = [&](const auto& use) { files.iterations().for_each(use); };
    files.finish(summarize(iterations, std::array{std::optional<WindowRecord>()}, made.task == Task::generate).front());
    end_s = std::min(end_s, now_s);
  }
  record.window = WindowRecord{0, end_s};
  if (change) change(record);
  write_text(directory / "experiment.json", to_json(record));
}

// As the study wrote it: latencies by CUDA events, and the time that the loop took.
struct StudyTenant {
  std::string name;
  double latency_ms = 2;
  double elapsed_s = 1;
  std::string model = "distilgpt2";
  int iterations = 100;
};

inline void make_study_experiment(const std::filesystem::path& directory, const std::vector<StudyTenant>& tenants) {
  for (const StudyTenant& tenant : tenants) {
    std::string text = fmt::format(
        "{{\"type\": \"run_start\", \"timestamp\": 1.5, \"model_name\": \"{}\", \"tag\": \"{}\", \"device\": \"cuda\", "
        "\"batch_size\": 8, \"seq_len\": 128, \"num_iters\": {}, \"num_warmup\": 10, \"config\": {{}}}}\n",
        tenant.model, tenant.name, tenant.iterations);
    MadeTenant like;
    like.latency_ms = tenant.latency_ms;
    for (int i = 0; i < tenant.iterations; ++i)
      text +=
          fmt::format("{{\"type\": \"iteration\", \"iter\": {}, \"latency_ms\": {}}}\n", i, made_latency_ms(like, i));
    text += fmt::format(
        "{{\"type\": \"run_end\", \"timestamp\": 2.5, \"avg_ms\": 1, \"p50_ms\": 1, \"p90_ms\": 1, \"p95_ms\": 1, "
        "\"p99_ms\": 1, \"throughput_tokens_per_s\": 1, \"tokens_processed\": 1, \"num_iters\": {}}}\n"
        "{{\"type\": \"time_elapsed\", \"sec\": {}}}\n",
        tenant.iterations, tenant.elapsed_s);
    write_text(directory / tenant.name / "events.jsonl", text);
  }
}

}  // namespace cotenant
