#include "base/printable.h"

#include <algorithm>
#include <array>
#include <cstdint>

namespace cotenant {
namespace {

struct Range {
  char32_t first, last;
};

// The Unicode Standard 15.0, categories Cc, Zl, Zp and most of Cf: what a reader does not see. Soft hyphens and the
// joiners U+200C and U+200D stay: several scripts are written with them.
constexpr std::array<Range, 15> unseen = {{
    {0x00, 0x1f},        // C0
    {0x7f, 0x9f},        // DEL and C1
    {0x61c, 0x61c},      // Arabic letter mark
    {0x180e, 0x180e},    // Mongolian vowel separator
    {0x200b, 0x200b},    // zero-width space
    {0x200e, 0x200f},    // left-to-right and right-to-left marks
    {0x2028, 0x202e},    // separators of lines and paragraphs, embeddings, overrides
    {0x2060, 0x206f},    // word joiner, invisible operators, isolates, deprecated format characters
    {0xfdd0, 0xfdef},    // no characters
    {0xfeff, 0xfeff},    // byte order mark
    {0xfff0, 0xfffb},    // unassigned, interlinear annotation
    {0xfffe, 0xffff},    // no characters
    {0x1bca0, 0x1bca3},  // of shorthand
    {0x1d173, 0x1d17a},  // of music
    {0xe0000, 0xe0fff},  // tags, variation selectors from the 17th
}};

bool is_seen(char32_t c) {
  return std::ranges::none_of(unseen, [c](const Range& range) { return range.first <= c && c <= range.last; }) &&
         (c & 0xfffe) != 0xfffe;
}

struct Decoded {
  char32_t character;
  size_t bytes;  // 0: no UTF-8
};

// The Unicode Standard, table 3-7: the shortest form only.
Decoded decode(std::string_view text) {
  const auto byte = [&](size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char lead = byte(0);
  if (lead < 0x80) return {lead, 1};
  const size_t length = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
  if (lead < 0xc2 || lead > 0xf4 || text.size() < length) return {0, 0};
  char32_t c = lead & (0xff >> (length + 1));
  for (size_t i = 1; i < length; ++i) {
    if ((byte(i) & 0xc0) != 0x80) return {0, 0};
    c = c << 6 | (byte(i) & 0x3f);
  }
  constexpr std::array<char32_t, 5> least = {0, 0, 0x80, 0x800, 0x10000};
  const bool surrogate = c >= 0xd800 && c <= 0xdfff;
  return c < least[length] || c > 0x10ffff || surrogate ? Decoded{0, 0} : Decoded{c, length};
}

}  // namespace

std::string printable(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  while (!text.empty()) {
    const auto [character, bytes] = decode(text);
    if (bytes > 0 && is_seen(character))
      out += text.substr(0, bytes);
    else
      out += '?';
    text.remove_prefix(std::max<size_t>(bytes, 1));
  }
  return out;
}

std::string printable_lines(std::string_view text) {
  std::string out;
  for (;;) {
    const size_t end = text.find('\n');
    out += printable(text.substr(0, end));
    if (end == std::string_view::npos) return out;
    out += '\n';
    text.remove_prefix(end + 1);
  }
}

std::string shortened(std::string_view text, size_t most) {
  size_t count = 0, end_of_kept = 0;
  for (size_t i = 0; i < text.size(); ++i) {
    if ((static_cast<unsigned char>(text[i]) & 0xc0) == 0x80) continue;
    if (count + 1 == most) end_of_kept = i;
    if (++count > most) return std::string(text.substr(0, end_of_kept)) + "…";
  }
  return std::string(text);
}

}  // namespace cotenant
