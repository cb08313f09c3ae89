// Any bytes from the other end of a worker's socket, in pieces of every length: lines that lose nothing, and messages
// that are read back when they are written, or an Error.
#include <algorithm>

#include "input.h"
#include "process/line_buffer.h"
#include "worker/messages.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace cotenant;
  const std::string_view text = text_of(data, size);
  LineBuffer buffer;
  std::string passed;
  for (size_t at = 0, piece = 1; at < text.size(); at += piece, piece = piece * 3 % 1021 + 1) {
    buffer.append(text.substr(at, piece));
    while (const auto line = buffer.next()) {
      passed += *line + '\n';
      must_read_or_refuse([&] {
        const std::string command = to_json(command_from_json(*line));
        if (to_json(command_from_json(command)) != command) std::abort();
      });
      must_read_or_refuse([&] {
        const std::string report = to_json(report_from_json(*line));
        if (to_json(report_from_json(report)) != report) std::abort();
      });
    }
  }
  if (passed + buffer.rest() != text) std::abort();
  return 0;
}
