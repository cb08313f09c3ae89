#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

// What a tenant's events.jsonl holds, line by line: run_start, iteration..., run_end, time_elapsed. The study's files
// have only the fields marked (study); all others are optional to a reader.
namespace cotenant {

enum class IterationStatus : uint8_t { ok, rejected, failed };

struct Iteration {
  int64_t iter = 0;              // (study)
  double latency_ms = 0;         // (study: by CUDA events) ours: host clock, end - sent; open loop: end - scheduled
  std::optional<double> gpu_ms;  // between device events
  std::optional<double> scheduled_s;  // seconds since T0, like all _s here
  std::optional<double> start_s;      // sent
  std::optional<double> end_s;
  IterationStatus status = IterationStatus::ok;
  std::string reason;              // of what is not ok: why ("HTTP 503", "timeout"); empty: nobody said
  std::optional<double> queue_ms;  // open loop: sent - scheduled
  std::optional<double> ttft_ms, tpot_ms;
  std::vector<double> token_s;  // when each token (of every row at once) was known to the host
  std::optional<int64_t> tokens_in, tokens_out;
};

struct RunStart {
  double timestamp = 0;                                            // (study) seconds since the epoch
  std::string model_name;                                          // (study)
  std::string tag;                                                 // (study)
  std::string device;                                              // (study)
  int batch_size = 0, seq_len = 0, num_iters = 0, num_warmup = 0;  // (study)
  std::string config_json;  // (study) the tenant's resolved configuration, a JSON object
};

struct RunEnd {
  double timestamp = 0;                                               // (study)
  double avg_ms = 0, p50_ms = 0, p90_ms = 0, p95_ms = 0, p99_ms = 0;  // (study)
  double throughput_tokens_per_s = 0;                                 // (study)
  int64_t tokens_processed = 0;                                       // (study)
  int64_t num_iters = 0;                                              // (study) iterations in the file
};

}  // namespace cotenant
