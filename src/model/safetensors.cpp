#include "model/safetensors.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <optional>
#include <string_view>
#include <utility>

#include "base/error.h"
#include "model/json.h"

namespace cotenant {
namespace {

using nlohmann::json;

constexpr uint64_t kLengthBytes = 8;
constexpr uint64_t kMostHeaderBytes = 100'000'000;  // of the reference implementation

const char* const kRemedy = "The file is damaged or was not downloaded completely: download it again.";

Error damaged(const std::string& where, const std::string& what) {
  return usage_error(where, what, kRemedy);
}

std::optional<uint64_t> bits_of(std::string_view dtype) {
  static constexpr std::array<std::pair<std::string_view, uint64_t>, 19> known{{{"F32", 32},
                                                                                {"F16", 16},
                                                                                {"BF16", 16},
                                                                                {"F64", 64},
                                                                                {"I64", 64},
                                                                                {"U64", 64},
                                                                                {"I32", 32},
                                                                                {"U32", 32},
                                                                                {"I16", 16},
                                                                                {"U16", 16},
                                                                                {"I8", 8},
                                                                                {"U8", 8},
                                                                                {"BOOL", 8},
                                                                                {"C64", 64},
                                                                                {"F8_E4M3", 8},
                                                                                {"F8_E5M2", 8},
                                                                                {"F8_E8M0", 8},
                                                                                {"F6_E2M3", 6},
                                                                                {"F4", 4}}};
  for (const auto& [name, bits] : known)
    if (name == dtype) return bits;
  return std::nullopt;
}

uint64_t header_length(std::span<const std::byte> beginning, uint64_t file_bytes, const std::string& where) {
  if (file_bytes < kLengthBytes)
    throw damaged(where, fmt::format("is no safetensors file: has {} bytes, the shortest header needs {}", file_bytes,
                                     kLengthBytes));
  uint64_t length = 0;
  for (size_t i = 0; i < kLengthBytes; ++i) length |= std::to_integer<uint64_t>(beginning[i]) << (8 * i);
  if (length > kMostHeaderBytes)
    throw damaged(where, fmt::format("claims a header of {} bytes, over the limit of {}", length, kMostHeaderBytes));
  if (length > file_bytes - kLengthBytes)
    throw damaged(where, fmt::format("is truncated: claims a header of {} bytes, but only {} follow", length,
                                     file_bytes - kLengthBytes));
  return length;
}

uint64_t unsigned_of(const json& value, const std::string& where, const std::string& what) {
  if (!value.is_number_unsigned())
    throw damaged(where, fmt::format("{}: expected an unsigned integer, found {}", what, shown(value)));
  return value.get<uint64_t>();
}

struct Entry {
  StoredTensor tensor;
  uint64_t begin = 0, end = 0;
};

// Bytes that a shape takes; nullopt when it is more than 64 bits can say or no whole number of bytes.
std::optional<uint64_t> bytes_of(const std::vector<int64_t>& shape, uint64_t bits_per_element) {
  uint64_t bits = bits_per_element;
  for (const int64_t extent : shape)
    if (__builtin_mul_overflow(bits, static_cast<uint64_t>(extent), &bits)) return std::nullopt;
  return bits % 8 == 0 ? std::optional(bits / 8) : std::nullopt;
}

Entry read_entry(const std::string& name, const json& value, const std::string& where) {
  const std::string tensor = fmt::format("tensor {}", shown(json(name)));
  for (const char* key : {"dtype", "shape", "data_offsets"})
    if (!value.is_object() || !value.contains(key)) throw damaged(where, fmt::format("{}: has no {}", tensor, key));

  Entry entry;
  entry.tensor.name = name;
  const json& dtype = value.at("dtype");
  const auto bits = dtype.is_string() ? bits_of(dtype.get<std::string>()) : std::nullopt;
  if (!bits) throw damaged(where, fmt::format("{}: unknown dtype {}", tensor, shown(dtype)));
  entry.tensor.dtype = dtype.get<std::string>();

  const json& shape = value.at("shape");
  if (!shape.is_array())
    throw damaged(where, fmt::format("{}: shape: expected a list, found {}", tensor, shown(shape)));
  for (const json& extent : shape) {
    const uint64_t size = unsigned_of(extent, where, tensor + ": shape");
    if (size > uint64_t{1} << 62) throw damaged(where, fmt::format("{}: impossible shape {}", tensor, shown(shape)));
    entry.tensor.shape.push_back(static_cast<int64_t>(size));
  }

  const json& offsets = value.at("data_offsets");
  if (!offsets.is_array() || offsets.size() != 2)
    throw damaged(where, fmt::format("{}: data_offsets: expected two integers, found {}", tensor, shown(offsets)));
  entry.begin = unsigned_of(offsets[0], where, tensor + ": data_offsets");
  entry.end = unsigned_of(offsets[1], where, tensor + ": data_offsets");
  if (entry.begin > entry.end)
    throw damaged(where, fmt::format("{}: its data ends at {} before it begins at {}", tensor, entry.end, entry.begin));
  const auto expected = bytes_of(entry.tensor.shape, *bits);
  if (!expected || *expected != entry.end - entry.begin)
    throw damaged(where, fmt::format("{}: shape {} of {} does not fit its {} bytes of data", tensor, shown(shape),
                                     entry.tensor.dtype, entry.end - entry.begin));
  return entry;
}

std::map<std::string, std::string> read_metadata(const json& metadata, const std::string& where) {
  const auto is_text = [](const json& value) { return value.is_string(); };
  if (!metadata.is_object() || !std::all_of(metadata.begin(), metadata.end(), is_text))
    throw damaged(where, fmt::format("__metadata__: expected an object of strings, found {}", shown(metadata)));
  return metadata.get<std::map<std::string, std::string>>();
}

// Sorted by offset, the tensors must follow each other without gap or overlap, up to the end of the file.
void check_coverage(const std::vector<Entry>& entries, uint64_t data_bytes, const std::string& where) {
  uint64_t reached = 0;
  for (const Entry& entry : entries) {
    const std::string tensor = fmt::format("tensor {}", shown(json(entry.tensor.name)));
    if (entry.end > data_bytes)
      throw damaged(where,
                    fmt::format("is truncated: {} ends at byte {} of {} bytes of data", tensor, entry.end, data_bytes));
    if (entry.begin < reached)
      throw damaged(where, fmt::format("{} begins at byte {} and overlaps the one that ends at {}", tensor, entry.begin,
                                       reached));
    if (entry.begin > reached)
      throw damaged(where, fmt::format("{} bytes before {} belong to no tensor", entry.begin - reached, tensor));
    reached = entry.end;
  }
  if (reached != data_bytes)
    throw damaged(where, fmt::format("the last {} bytes belong to no tensor", data_bytes - reached));
}

}  // namespace

Safetensors parse_safetensors(std::span<const std::byte> beginning, uint64_t file_bytes, const std::string& where) {
  refuse_lfs_pointer({reinterpret_cast<const char*>(beginning.data()), beginning.size()}, where);
  const uint64_t length = header_length(beginning, file_bytes, where);
  const std::string_view text(reinterpret_cast<const char*>(beginning.data()) + kLengthBytes, length);
  const json header = parse_json(text, where, Duplicates::refused);
  if (!header.is_object()) throw damaged(where, fmt::format("its header is no JSON object: {}", shown(header)));

  Safetensors found;
  std::vector<Entry> entries;
  for (const auto& [name, value] : header.items()) {
    if (name == "__metadata__") {
      found.metadata = read_metadata(value, where);
    } else {
      entries.push_back(read_entry(name, value, where));
    }
  }
  // Empty tensors share their offset with the one behind them, and come first.
  std::sort(entries.begin(), entries.end(),
            [](const Entry& a, const Entry& b) { return std::pair(a.begin, a.end) < std::pair(b.begin, b.end); });
  const uint64_t data = kLengthBytes + length;
  check_coverage(entries, file_bytes - data, where);

  found.tensors.reserve(entries.size());
  for (Entry& entry : entries) {
    entry.tensor.offset = data + entry.begin;
    entry.tensor.bytes = entry.end - entry.begin;
    found.tensors.push_back(std::move(entry.tensor));
  }
  return found;
}

Safetensors read_safetensors(const InputFile& file) {
  const std::string where = file.path().string();
  std::vector<std::byte> beginning(std::min<uint64_t>(file.bytes(), 64));
  file.read_at(0, beginning);
  refuse_lfs_pointer({reinterpret_cast<const char*>(beginning.data()), beginning.size()}, where);
  beginning.resize(kLengthBytes + header_length(beginning, file.bytes(), where));
  file.read_at(0, beginning);
  return parse_safetensors(beginning, file.bytes(), where);
}

}  // namespace cotenant
