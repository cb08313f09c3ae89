// Any bytes as a trace: requests in order within their limits, or an Error.
#include "input.h"
#include "workload/spec.h"
#include "workload/trace.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace cotenant;
  must_read_or_refuse([&] {
    const Trace trace = read_trace(file_with(text_of(data, size), "trace"), {.speedup = 1.5});
    if (trace.requests.empty() || trace.requests.front().at_ns != 0) std::abort();
    int64_t before_ns = 0;
    for (const TraceRequest& request : trace.requests) {
      if (request.at_ns < before_ns || request.prompt < 1 || request.prompt > trace.longest_prompt) std::abort();
      if (request.answer < 0 || request.answer > trace.longest_answer) std::abort();
      before_ns = request.at_ns;
    }
    if (trace.longest_prompt > most_tokens_of_sequence || trace.longest_answer > most_tokens_of_sequence) std::abort();
    if (static_cast<size_t>(trace.left_out) + trace.requests.size() > size) std::abort();
  });
  return 0;
}
