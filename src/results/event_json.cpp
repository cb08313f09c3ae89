#include "results/event_json.h"

#include <cmath>
#include <iterator>
#include <nlohmann/json.hpp>
#include <string_view>

namespace cotenant {
namespace {

using Buffer = fmt::memory_buffer;

void append(Buffer& out, std::string_view text) {
  out.append(text);
}

// The shortest text that reads back as the same number.
void append_number(Buffer& out, double value) {
  if (std::isfinite(value))
    fmt::format_to(std::back_inserter(out), "{}", value);
  else
    append(out, "null");
}

void append_field(Buffer& out, std::string_view key, double value) {
  fmt::format_to(std::back_inserter(out), ",\"{}\":", key);
  append_number(out, value);
}

void append_field(Buffer& out, std::string_view key, int64_t value) {
  fmt::format_to(std::back_inserter(out), ",\"{}\":{}", key, value);
}

void append_field(Buffer& out, std::string_view key, std::string_view value) {
  const std::string quoted = nlohmann::json(value).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
  fmt::format_to(std::back_inserter(out), ",\"{}\":{}", key, quoted);
}

template <class T>
void append_field(Buffer& out, std::string_view key, const std::optional<T>& value) {
  if (value) append_field(out, key, *value);
}

std::string_view name_of(IterationStatus status) {
  switch (status) {
    case IterationStatus::ok:
      return "ok";
    case IterationStatus::rejected:
      return "rejected";
    case IterationStatus::failed:
      return "failed";
  }
  return "?";
}

}  // namespace

void append_json(Buffer& out, const RunStart& event) {
  append(out, R"({"type":"run_start")");
  append_field(out, "timestamp", event.timestamp);
  append_field(out, "model_name", event.model_name);
  append_field(out, "tag", event.tag);
  append_field(out, "device", event.device);
  append_field(out, "batch_size", int64_t{event.batch_size});
  append_field(out, "seq_len", int64_t{event.seq_len});
  append_field(out, "num_iters", int64_t{event.num_iters});
  append_field(out, "num_warmup", int64_t{event.num_warmup});
  append(out, ",\"config\":");
  append(out, event.config_json.empty() ? "{}" : event.config_json);
  append(out, "}\n");
}

void append_json(Buffer& out, const Iteration& event) {
  append(out, R"({"type":"iteration")");
  append_field(out, "iter", event.iter);
  append_field(out, "latency_ms", event.latency_ms);
  append_field(out, "gpu_ms", event.gpu_ms);
  append_field(out, "scheduled_s", event.scheduled_s);
  append_field(out, "start_s", event.start_s);
  append_field(out, "end_s", event.end_s);
  append(out, ",\"status\":\"");
  append(out, name_of(event.status));
  append(out, "\"");
  if (!event.reason.empty()) append_field(out, "reason", std::string_view(event.reason));
  append_field(out, "queue_ms", event.queue_ms);
  append_field(out, "ttft_ms", event.ttft_ms);
  append_field(out, "tpot_ms", event.tpot_ms);
  if (!event.token_s.empty()) {
    append(out, ",\"token_s\":[");
    for (size_t i = 0; i < event.token_s.size(); ++i) {
      if (i > 0) append(out, ",");
      append_number(out, event.token_s[i]);
    }
    append(out, "]");
  }
  append_field(out, "tokens_in", event.tokens_in);
  append_field(out, "tokens_out", event.tokens_out);
  append(out, "}\n");
}

void append_json(Buffer& out, const RunEnd& event) {
  append(out, R"({"type":"run_end")");
  append_field(out, "timestamp", event.timestamp);
  append_field(out, "avg_ms", event.avg_ms);
  append_field(out, "p50_ms", event.p50_ms);
  append_field(out, "p90_ms", event.p90_ms);
  append_field(out, "p95_ms", event.p95_ms);
  append_field(out, "p99_ms", event.p99_ms);
  append_field(out, "throughput_tokens_per_s", event.throughput_tokens_per_s);
  append_field(out, "tokens_processed", event.tokens_processed);
  append_field(out, "num_iters", event.num_iters);
  append(out, "}\n");
}

void append_time_elapsed(Buffer& out, double seconds) {
  append(out, R"({"type":"time_elapsed")");
  append_field(out, "sec", seconds);
  append(out, "}\n");
}

}  // namespace cotenant
