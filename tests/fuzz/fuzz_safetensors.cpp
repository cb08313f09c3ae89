// Any bytes as a safetensors file: tensors that lie inside it, or an Error.
#include <cstdlib>

#include "base/error.h"
#include "model/safetensors.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace cotenant;
  try {
    size_t covered = 0;
    unsigned sum = 0;  // reads every byte, so that the address sanitizer sees where they are
    for (const StoredTensor& tensor : parse_safetensors(std::as_bytes(std::span(data, size)), "model.safetensors")) {
      covered += tensor.data.size();
      for (const std::byte value : tensor.data) sum += std::to_integer<unsigned>(value);
    }
    if (covered + 8 > size || sum > 255 * covered) std::abort();
  } catch (const Error& e) {
    if (e.code() != ExitCode::usage) std::abort();
  }
  return 0;
}
