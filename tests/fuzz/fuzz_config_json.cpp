// Any bytes as config.json: an architecture whose sizes can be worked with, or an Error.
#include <cstdlib>

#include "base/error.h"
#include "model/config_json.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace cotenant;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  try {
    const ModelSpec spec = parse_config_json(text, "config.json");
    if (spec.layers > 64) return 0;  // the count walks all tensors
    if (parameter_count(spec) <= 0 || forward_flops(spec, 1, 1) <= 0) std::abort();
  } catch (const Error& e) {
    if (e.code() != ExitCode::usage) std::abort();
  }
  return 0;
}
