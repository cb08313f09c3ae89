// Any bytes as experiment.json: a record, which is read back when it is written, or an Error.
#include "input.h"
#include "results/record.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace cotenant;
  must_read_or_refuse([&] {
    const std::string text = to_json(record_from_json(text_of(data, size), "experiment.json"));
    if (to_json(record_from_json(text, "again")) != text) std::abort();
  });
  return 0;
}
