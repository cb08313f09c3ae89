#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "base/error.h"
#include "config/load.h"

// Whatever the bytes are: either an Error for the user, or an experiment that survives being written and read again.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace cotenant;
  const std::string text(reinterpret_cast<const char*>(data), size);
  nlohmann::ordered_json resolved;
  try {
    resolved = resolved_json(parse_config(text, "fuzz.yaml"));
  } catch (const Error& e) {
    if (e.code() != ExitCode::usage) std::abort();
    return 0;
  }
  if (resolved_json(parse_config(resolved.dump(), "fuzz.yaml")) != resolved) std::abort();
  return 0;
}
