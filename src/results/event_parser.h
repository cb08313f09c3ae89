#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "results/event.h"

namespace cotenant {

enum class EventType : uint8_t {
  run_start,
  iteration,
  run_end,
  time_elapsed,
  unknown,    // a JSON object of another type, or of none
  not_json,   // cut short, or never JSON: see `problem`
  bad_value,  // JSON, but a needed value is missing or of the wrong kind: see `problem`
};

// One line of events.jsonl at a time, with simdjson's DOM: it checks the whole line, and picks the processor's best
// instructions at run time (its faster On-Demand form picks them when it is compiled, for any x86-64: none). What a
// line held is in the member of its type, which the next line overwrites.
class EventParser {
 public:
  EventParser();
  ~EventParser();

  // LineReader::padding bytes behind the line's end are readable.
  EventType parse(std::string_view line);

  RunStart start;
  Iteration iteration;
  RunEnd end;
  std::optional<double> elapsed_s;
  std::string problem;

 private:
  struct State;
  std::unique_ptr<State> state_;  // keeps simdjson's large header out of this one
};

}  // namespace cotenant
