#include "results/event_parser.h"

#include <fmt/format.h>
#include <simdjson.h>

#include <cmath>
#include <cstdint>
#include <limits>
#include <optional>

#include "base/iso_time.h"
#include "base/line_reader.h"

namespace cotenant {
namespace {

namespace dom = simdjson::dom;
static_assert(LineReader::padding >= simdjson::SIMDJSON_PADDING);

constexpr double longest_s = 3e9;  // a century

// The line is JSON, but what it says cannot be used.
struct BadValue {
  std::string problem;
};

double number(dom::element value) {
  return value.get_double();
}

// A number of things. Other tools may have written 8 as 8.0.
int64_t count(dom::element value, int64_t most = std::numeric_limits<int64_t>::max()) {
  double real = 0;
  int64_t found = 0;
  if (value.get_int64().get(found) != simdjson::SUCCESS) {
    real = value.get_double();
    constexpr double exact = 0x1p53;
    if (!(std::abs(real) <= exact) || real != std::floor(real)) throw BadValue{fmt::format("is {}, no count", real)};
    found = static_cast<int64_t>(real);
  }
  if (found < 0 || found > most) throw BadValue{fmt::format("is {}, no count", found)};
  return found;
}

int small_count(dom::element value) {
  return static_cast<int>(count(value, std::numeric_limits<int>::max()));
}

std::string text(dom::element value) {
  return std::string(value.get_string().value());
}

// null: it was not measured.
std::optional<double> optional_number(dom::element value) {
  return value.is_null() ? std::nullopt : std::optional<double>(value.get_double().value());
}

// Seconds since T0, also before it, but within a century.
double instant_s(dom::element value) {
  const double seconds = value.get_double();
  if (!(std::abs(seconds) < longest_s)) throw BadValue{fmt::format("is {}, which no time can be", seconds)};
  return seconds;
}

std::optional<double> optional_instant_s(dom::element value) {
  return value.is_null() ? std::nullopt : std::optional(instant_s(value));
}

std::optional<double> optional_span(dom::element value, double most) {
  if (value.is_null()) return std::nullopt;
  const double span = value.get_double();
  if (!(span >= 0 && span < most)) throw BadValue{fmt::format("is {}, which no measurement can be", span)};
  return span;
}

std::optional<double> optional_span_ms(dom::element value) {
  return optional_span(value, longest_s * 1e3);
}

std::optional<int64_t> optional_count(dom::element value) {
  return value.is_null() ? std::nullopt : std::optional(count(value));
}

// Seconds since the epoch, or the text that other tools make of them.
double timestamp(dom::element value) {
  if (value.is_null()) return 0;
  std::string_view text;
  if (value.get_string().get(text) != simdjson::SUCCESS) return value.get_double();
  const auto seconds = seconds_of_iso_time(text);
  if (!seconds) throw BadValue{fmt::format("is \"{}\", no time", text)};
  return *seconds;
}

IterationStatus status_named(std::string_view name) {
  if (name == "ok") return IterationStatus::ok;
  if (name == "rejected") return IterationStatus::rejected;
  if (name == "failed") return IterationStatus::failed;
  throw BadValue{fmt::format("is \"{}\", neither ok nor rejected nor failed", name)};
}

void read_field(std::string_view key, dom::element value, Iteration& event) {
  if (key == "gpu_ms") {
    event.gpu_ms = optional_span_ms(value);
  } else if (key == "scheduled_s") {
    event.scheduled_s = optional_instant_s(value);
  } else if (key == "start_s") {
    event.start_s = optional_instant_s(value);
  } else if (key == "end_s") {
    event.end_s = optional_instant_s(value);
  } else if (key == "status") {
    event.status = status_named(value.get_string());
  } else if (key == "reason") {
    event.reason = text(value);
  } else if (key == "queue_ms") {
    event.queue_ms = optional_span_ms(value);
  } else if (key == "ttft_ms") {
    event.ttft_ms = optional_span_ms(value);
  } else if (key == "tpot_ms") {
    event.tpot_ms = optional_span_ms(value);
  } else if (key == "token_s") {
    for (const dom::element element : dom::array(value)) event.token_s.push_back(instant_s(element));
  } else if (key == "tokens_in") {
    event.tokens_in = optional_count(value);
  } else if (key == "tokens_out") {
    event.tokens_out = optional_count(value);
  }
}

void read_field(std::string_view key, dom::element value, RunStart& event) {
  if (key == "timestamp") {
    event.timestamp = timestamp(value);
  } else if (key == "model_name") {
    event.model_name = text(value);
  } else if (key == "tag") {
    event.tag = text(value);
  } else if (key == "device") {
    event.device = text(value);
  } else if (key == "batch_size") {
    event.batch_size = small_count(value);
  } else if (key == "seq_len") {
    event.seq_len = small_count(value);
  } else if (key == "num_iters") {
    event.num_iters = small_count(value);
  } else if (key == "num_warmup") {
    event.num_warmup = small_count(value);
  } else if (key == "config") {
    event.config_json = simdjson::minify(value);
  }
}

// Without samples the percentiles are null: they stay 0.
void read_field(std::string_view key, dom::element value, RunEnd& event) {
  if (key == "timestamp") {
    event.timestamp = timestamp(value);
  } else if (key == "avg_ms") {
    event.avg_ms = optional_number(value).value_or(0);
  } else if (key == "p50_ms") {
    event.p50_ms = optional_number(value).value_or(0);
  } else if (key == "p90_ms") {
    event.p90_ms = optional_number(value).value_or(0);
  } else if (key == "p95_ms") {
    event.p95_ms = optional_number(value).value_or(0);
  } else if (key == "p99_ms") {
    event.p99_ms = optional_number(value).value_or(0);
  } else if (key == "throughput_tokens_per_s") {
    event.throughput_tokens_per_s = optional_number(value).value_or(0);
  } else if (key == "tokens_processed") {
    event.tokens_processed = optional_count(value).value_or(0);
  } else if (key == "num_iters") {
    event.num_iters = optional_count(value).value_or(0);
  }
}

void clear(Iteration& event) {
  std::vector<double> keeps_its_memory = std::move(event.token_s);
  keeps_its_memory.clear();
  event = {};
  event.token_s = std::move(keeps_its_memory);
}

EventType type_named(std::string_view name) {
  if (name == "iteration") return EventType::iteration;
  if (name == "run_start") return EventType::run_start;
  if (name == "run_end") return EventType::run_end;
  if (name == "time_elapsed") return EventType::time_elapsed;
  return EventType::unknown;
}

// The end of the string that begins at the quotation mark `at`: behind its other one.
size_t end_of_string(std::string_view text, size_t at) {
  for (size_t i = at + 1; i < text.size(); ++i) {
    if (text[i] == '\\')
      ++i;
    else if (text[i] == '"')
      return i + 1;
  }
  return text.size();
}

// Python's json writes NaN and Infinity, which are no JSON. "latency_ms is NaN" where `line` has such a value.
std::optional<std::string> value_not_finite(std::string_view line) {
  std::string_view key;  // the string before: a value's, but in a list of numbers
  for (size_t i = 0; i < line.size();) {
    if (line[i] == '"') {
      const size_t end = end_of_string(line, i);
      if (end - i >= 2) key = line.substr(i + 1, end - i - 2);
      i = end;
      continue;
    }
    for (const std::string_view token : {"NaN", "Infinity", "-Infinity"})
      if (line.substr(i).starts_with(token) && !key.empty())
        return fmt::format("{} is {}, which no measurement can be", key.substr(0, 60), token);
    ++i;
  }
  return std::nullopt;
}

}  // namespace

struct EventParser::State {
  dom::parser parser;
  std::string_view key;  // of the field that is being read
  bool has_iter = false, has_latency = false, has_seconds = false;

  EventType read(dom::object object, EventParser& event);
  void read_field(EventType type, dom::element value, EventParser& event);
};

EventParser::EventParser() : state_(std::make_unique<State>()) {}
EventParser::~EventParser() = default;

void EventParser::State::read_field(EventType type, dom::element value, EventParser& event) {
  switch (type) {
    case EventType::iteration:
      if (key == "latency_ms") {
        has_latency = !value.is_null();  // null is what a failed request has
        event.iteration.latency_ms = has_latency ? number(value) : 0;
      } else if (key == "iter") {
        event.iteration.iter = count(value);
        has_iter = true;
      } else {
        cotenant::read_field(key, value, event.iteration);
      }
      break;
    case EventType::run_start:
      cotenant::read_field(key, value, event.start);
      break;
    case EventType::run_end:
      cotenant::read_field(key, value, event.end);
      break;
    case EventType::time_elapsed:
      if (key != "sec") break;
      event.elapsed_s = optional_span(value, longest_s);  // null: nothing ran
      has_seconds = true;
      break;
    default:
      break;
  }
}

EventType EventParser::State::read(dom::object object, EventParser& event) {
  std::string_view name;
  const bool typed = object["type"].get_string().get(name) == simdjson::SUCCESS;
  const EventType type = typed ? type_named(name) : EventType::unknown;
  if (type == EventType::iteration) clear(event.iteration);
  if (type == EventType::run_start) event.start = {};
  if (type == EventType::run_end) event.end = {};
  has_iter = has_latency = has_seconds = false;
  if (type == EventType::unknown) return type;

  for (const dom::key_value_pair field : object) {
    key = field.key;
    read_field(type, field.value, event);
  }
  key = {};
  if (type == EventType::iteration && !has_iter) throw BadValue{"an iteration without iter"};
  if (type == EventType::iteration && !has_latency && event.iteration.status == IterationStatus::ok)
    throw BadValue{"an iteration without latency_ms"};
  if (type == EventType::time_elapsed && !has_seconds) throw BadValue{"time_elapsed without sec"};
  return type;
}

EventType EventParser::parse(std::string_view line) {
  state_->key = {};
  dom::object object;
  if (const auto error = state_->parser.parse(line.data(), line.size(), false).get_object().get(object)) {
    const auto bad = value_not_finite(line);
    problem = bad.value_or(fmt::format("not a JSON object: {}", simdjson::error_message(error)));
    return bad ? EventType::bad_value : EventType::not_json;
  }
  try {
    return state_->read(object, *this);
  } catch (const BadValue& bad) {
    problem = state_->key.empty() ? bad.problem : fmt::format("{} {}", state_->key, bad.problem);
  } catch (const simdjson::simdjson_error& e) {
    problem = fmt::format("{}: {}", state_->key, simdjson::error_message(e.error()));
  }
  return EventType::bad_value;
}

}  // namespace cotenant
