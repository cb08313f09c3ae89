#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "base/input_file.h"

// The safetensors format (https://github.com/huggingface/safetensors, "Format"): the length of the header in 8 bytes,
// little endian; the header, JSON; the tensors' data, C order, without gaps.
namespace cotenant {

struct StoredTensor {
  std::string name;
  std::string dtype;  // as the file says: "F32", "BF16", "I64", ...
  std::vector<int64_t> shape;
  uint64_t offset = 0, bytes = 0;  // of its data in the file; aligned to nothing
};

struct Safetensors {
  std::vector<StoredTensor> tensors;  // in the order of their data
  std::map<std::string, std::string>
      metadata;  // Transformers: a tied tensor that was left out -> the one that is there
};

// The header of a file of `file_bytes`, of which `beginning` is at least the length and the header. Everything that it
// claims is checked: its length, its JSON, each dtype and shape against the length of its data, that data lies inside
// the file, overlaps nothing and leaves no byte out. `where` names the file in errors. Throws usage_error.
Safetensors parse_safetensors(std::span<const std::byte> beginning, uint64_t file_bytes, const std::string& where);

// The same of an open file, of which only the header is read.
Safetensors read_safetensors(const InputFile& file);

}  // namespace cotenant
