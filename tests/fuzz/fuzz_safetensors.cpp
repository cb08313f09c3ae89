// Any bytes as a safetensors file: tensors that lie inside it and cover it, or an Error.
#include "input.h"
#include "model/safetensors.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace cotenant;
  must_read_or_refuse([&] {
    uint64_t covered = 0;
    const Safetensors found = parse_safetensors(std::as_bytes(std::span(data, size)), size, "model.safetensors");
    for (const StoredTensor& tensor : found.tensors) {
      if (tensor.offset > size || tensor.bytes > size - tensor.offset) std::abort();
      covered += tensor.bytes;
    }
    if (covered + 8 > size) std::abort();
  });
  return 0;
}
