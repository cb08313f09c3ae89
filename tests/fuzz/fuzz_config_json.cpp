// Any bytes as config.json: an architecture whose sizes can be worked with, or an Error.
#include "input.h"
#include "model/config_json.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace cotenant;
  must_read_or_refuse([&] {
    const ModelSpec spec = parse_config_json(text_of(data, size), "config.json");
    if (spec.layers > 64) return;  // the count walks all tensors
    if (parameter_count(spec) <= 0 || forward_flops(spec, 1, 1) <= 0) std::abort();
  });
  return 0;
}
