// Any bytes as telemetry.jsonl: samples, which are read back when they are written, or an Error.
#include "input.h"
#include "results/telemetry.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace cotenant;
  const auto written = [](const std::vector<TelemetrySample>& samples) {
    fmt::memory_buffer lines;
    for (const TelemetrySample& sample : samples) append_json(lines, sample);
    return fmt::to_string(lines);
  };
  must_read_or_refuse([&] {
    const std::string lines = written(read_telemetry(file_with(text_of(data, size), "telemetry.jsonl")));
    if (written(read_telemetry(file_with(lines, "again.jsonl"))) != lines) std::abort();
  });
  return 0;
}
