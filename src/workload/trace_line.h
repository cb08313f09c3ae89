#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "workload/trace.h"

// One line of a trace at a time.
namespace cotenant {

// What is wrong with a line, without its place.
struct BadTraceLine {
  std::string problem;
};

class TraceLines {
 public:
  virtual ~TraceLines() = default;
  // The line's request, its instant as the file has it (never negative). `line` may be read for LineReader::padding
  // bytes more. Throws BadTraceLine.
  virtual TraceRequest read(std::string_view line) = 0;
  bool has_answers() const { return has_answers_; }  // in the line that was read last

 protected:
  bool has_answers_ = false;
};

// By the header. Throws BadTraceLine.
std::unique_ptr<TraceLines> csv_trace_lines(std::string_view header);
std::unique_ptr<TraceLines> json_trace_lines();

// For the two above.
enum class TraceRole : uint8_t { none, instant, prompt, answer };
struct TraceName {
  TraceRole role = TraceRole::none;
  int digits = 9;          // of an instant: a number's unit is 10^-9 s times 10^digits
  bool plain = false;      // of an instant: no unit is named
  bool mooncakes = false;  // of a length: by its name a plain timestamp is in milliseconds
};
TraceName trace_name(std::string_view name);

// A decimal number of units of 10^digits ns, exact, or an ISO date. Throws BadTraceLine.
int64_t trace_instant_ns(std::string_view text, int digits);
int32_t trace_tokens(std::string_view text, std::string_view name);
int64_t trace_instant_ns(double number, int digits);

}  // namespace cotenant
