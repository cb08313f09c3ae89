#include "base/printable.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>
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

// The full-width ones are taken for the plain ones in some languages.
constexpr std::array<std::string_view, 8> formula_signs = {"=", "+", "-", "@", "＝", "＋", "－", "＠"};

bool is_number(std::string_view text) {
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc() && end == text.data() + text.size();
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

namespace {

// Of valid UTF-8 that is long the beginning, the end and the length.
std::string without_middle(const std::string& line) {
  constexpr size_t most = 2000, head = 1200, tail = 600;
  if (line.size() <= most) return line;
  const auto continues = [&](size_t i) { return (static_cast<unsigned char>(line[i]) & 0xc0) == 0x80; };
  size_t head_end = head, tail_begin = line.size() - tail;
  while (continues(head_end)) --head_end;
  while (continues(tail_begin)) ++tail_begin;
  return fmt::format("{}… ({} bytes) …{}", line.substr(0, head_end), line.size(), line.substr(tail_begin));
}

}  // namespace

std::string printable_lines(std::string_view text) {
  std::string out;
  for (;;) {
    const size_t end = text.find('\n');
    const std::string_view line = text.substr(0, end);
    if (!out.empty() && !line.empty() && !line.starts_with("  ")) out += "  ";
    out += without_middle(printable(line));
    if (end == std::string_view::npos) return out;
    out += '\n';
    text.remove_prefix(end + 1);
  }
}

std::string printable_json(std::string_view json) {
  std::string out;
  out.reserve(json.size());
  while (!json.empty()) {
    const auto [character, bytes] = decode(json);
    if (bytes == 0)
      out += "\\ufffd";
    else if (is_seen(character) || character == '\n')  // the latter between strings
      out += json.substr(0, bytes);
    else if (character < 0x10000)
      out += fmt::format("\\u{:04x}", static_cast<uint32_t>(character));
    else
      out += fmt::format("\\u{:04x}\\u{:04x}", 0xd7c0 + (static_cast<uint32_t>(character) >> 10),
                         0xdc00 + (static_cast<uint32_t>(character) & 0x3ff));
    json.remove_prefix(std::max<size_t>(bytes, 1));
  }
  return out;
}

std::string printable_markdown(std::string_view text) {
  const std::string line = printable(text);
  const auto is_word = [](unsigned char c) { return std::isalnum(c) != 0 || c >= 0x80; };
  const size_t begin = line.find_first_not_of(' '), number_end = line.find_first_not_of(" 0123456789");
  std::string out;
  for (size_t i = 0; i < line.size(); ++i) {
    const char c = line[i];
    const bool inside_word = i > 0 && i + 1 < line.size() && is_word(line[i - 1]) && is_word(line[i + 1]);
    const bool markup = std::string_view("\\`*[]<>&|~!$@").find(c) != std::string_view::npos;
    const bool underscore = c == '_' && !inside_word;
    const bool block = i == begin && std::string_view("#+-=").find(c) != std::string_view::npos;
    const bool number = (c == '.' || c == ')') && i > begin && i == number_end;
    const bool link = (c == ':' && line.compare(i, 3, "://") == 0) ||
                      (c == '.' && i >= 3 &&
                       std::ranges::equal(line.substr(i - 3, 3), std::string_view("www"), {},
                                          [](unsigned char l) { return std::tolower(l); }));
    if (markup || underscore || block || number || link) out += '\\';
    out += c;
  }
  return out;
}

std::string printable_csv(std::string_view text) {
  std::string line = printable(text);
  const size_t first = line.find_first_not_of(" '\"");
  const std::string_view rest = std::string_view(line).substr(std::min(first, line.size()));
  if (std::ranges::any_of(formula_signs, [&](std::string_view sign) { return rest.starts_with(sign); }) &&
      !is_number(line))
    line.insert(0, 1, '\'');
  if (line.find_first_of(",\"") == std::string::npos) return line;
  std::string out = "\"";
  for (const char c : line) out.append(c == '"' ? 2 : 1, c);
  return out + "\"";
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
