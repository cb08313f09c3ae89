#include <fmt/format.h>
#include <simdjson.h>

#include <cmath>

#include "base/line_reader.h"
#include "workload/trace_line.h"

namespace cotenant {
namespace {

static_assert(LineReader::padding >= simdjson::SIMDJSON_PADDING);

class JsonLines : public TraceLines {
 public:
  TraceRequest read(std::string_view line) override {
    simdjson::dom::object object;
    if (parser_.parse(line.data(), line.size(), false).get(object) != simdjson::SUCCESS)
      throw BadTraceLine{"it is no JSON object"};
    TraceRequest request;
    simdjson::dom::element instant;
    TraceName instant_name;
    bool has_prompt = false, mooncakes = false;
    has_answers_ = false;
    for (const auto& [key, value] : object) {
      const TraceName known = trace_name(key);
      mooncakes = mooncakes || known.mooncakes;
      if (known.role == TraceRole::instant) {
        instant_name = known;
        instant = value;
      } else if (known.role != TraceRole::none) {
        (known.role == TraceRole::prompt ? has_prompt : has_answers_) = true;
        (known.role == TraceRole::prompt ? request.prompt : request.answer) = tokens(value, key);
      }
    }
    if (instant_name.role == TraceRole::none) throw BadTraceLine{"it has no timestamp"};
    if (!has_prompt) throw BadTraceLine{"it has no tokens of the prompt"};
    request.at_ns = instant_ns(instant, instant_name.plain && mooncakes ? 6 : instant_name.digits);
    return request;
  }

 private:
  // Numbers take the way of texts, so that both files mean the same.
  static int32_t tokens(simdjson::dom::element value, std::string_view key) {
    return trace_tokens(simdjson::minify(value), key);
  }

  static int64_t instant_ns(simdjson::dom::element value, int digits) {
    std::string_view text;
    if (value.get_string().get(text) == simdjson::SUCCESS) return trace_instant_ns(text, digits);
    return trace_instant_ns(simdjson::minify(value), digits);
  }

  simdjson::dom::parser parser_;
};

}  // namespace

std::unique_ptr<TraceLines> json_trace_lines() {
  return std::make_unique<JsonLines>();
}

}  // namespace cotenant
