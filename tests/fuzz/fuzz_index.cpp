// Any bytes as model.safetensors.index.json: shards that are plain names of files, or an Error.
#include "input.h"
#include "model/weights.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace cotenant;
  must_read_or_refuse([&] {
    for (const auto& [shard, tensors] : parse_weights_index(text_of(data, size), "model.safetensors.index.json"))
      if (tensors.empty() || std::filesystem::path(shard).filename() != shard) std::abort();
  });
  return 0;
}
