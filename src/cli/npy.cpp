#include "cli/npy.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <bit>
#include <cstdio>
#include <memory>

#include "base/error.h"

namespace cotenant {
namespace {

// Magic, version, the header's length and the header, padded so that the data starts at a multiple of 64 bytes.
std::string npy_header(std::span<const int64_t> shape) {
  static_assert(std::endian::native == std::endian::little);
  const char* comma = shape.size() == 1 ? "," : "";  // as Python writes a tuple of one
  std::string text =
      fmt::format("{{'descr': '<f4', 'fortran_order': False, 'shape': ({}{}), }}", fmt::join(shape, ", "), comma);
  constexpr size_t preamble = 10;
  text.append(63 - (preamble + text.size()) % 64, ' ');
  text += '\n';
  std::string header("\x93NUMPY\x01\x00", 8);
  header += static_cast<char>(text.size() & 0xff);
  header += static_cast<char>(text.size() >> 8);
  return header + text;
}

}  // namespace

void write_npy(const std::string& path, std::span<const float> values, std::span<const int64_t> shape) {
  const std::unique_ptr<FILE, int (*)(FILE*)> file(std::fopen(path.c_str(), "wb"), std::fclose);
  if (!file) throw usage_error(path, "cannot be written", "Name a file in a directory that exists and is yours.");
  const std::string header = npy_header(shape);
  const bool written = std::fwrite(header.data(), 1, header.size(), file.get()) == header.size() &&
                       std::fwrite(values.data(), sizeof(float), values.size(), file.get()) == values.size() &&
                       std::fflush(file.get()) == 0;
  if (!written) throw system_error(path, "write");
}

}  // namespace cotenant
