#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

// The safetensors format (https://github.com/huggingface/safetensors, "Format"): the length of the header in 8 bytes,
// little endian; the header, JSON; the tensors' data, C order, without gaps.
namespace cotenant {

struct StoredTensor {
  std::string name;
  std::string dtype;  // as the file says: "F32", "BF16", "I64", ...
  std::vector<int64_t> shape;
  std::span<const std::byte> data;  // within the bytes that were parsed; not aligned
};

// The tensors of a whole file, in the order of their data. Everything that the header claims is checked: its length,
// its JSON, each dtype and shape against the length of its data, that data lies inside the file, overlaps nothing and
// leaves no byte out. `where` names the file in errors. Throws usage_error.
std::vector<StoredTensor> parse_safetensors(std::span<const std::byte> bytes, const std::string& where);

}  // namespace cotenant
