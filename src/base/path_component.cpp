#include "base/path_component.h"

#include <fmt/format.h>
#include <limits.h>

#include <algorithm>
#include <cstdint>

#include "base/printable.h"

namespace cotenant {
namespace {

// FNV-1a, 32 bits (Fowler, Noll, Vo).
uint32_t checksum(std::string_view text) {
  uint32_t sum = 2166136261u;
  for (const char c : text) sum = (sum ^ static_cast<unsigned char>(c)) * 16777619u;
  return sum;
}

// At most `most` bytes, not in the middle of a character.
std::string_view cut(std::string_view text, size_t most) {
  while (most > 0 && (static_cast<unsigned char>(text[most]) & 0xc0) == 0x80) --most;
  return text.substr(0, most);
}

}  // namespace

bool is_path_component(std::string_view name) {
  return !name.empty() && name != "." && name != ".." && name.size() <= NAME_MAX &&
         name.find('/') == std::string_view::npos && printable(name) == name;
}

std::string path_component(std::string_view text, size_t most) {
  std::string name = printable(text);
  if (name != text) std::ranges::replace(name, '?', '_');
  std::ranges::replace(name, '/', '_');
  if (name.empty() || name.front() == '.' || name.front() == '-') name.insert(0, "_");
  if (name.size() <= most) return name;
  return fmt::format("{}_{:08x}", cut(name, most - 9), checksum(text));
}

}  // namespace cotenant
