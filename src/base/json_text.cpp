#include "base/json_text.h"

namespace cotenant {

bool json_is_deeper_than(std::string_view text, size_t levels) {
  size_t depth = 0;
  bool in_string = false;
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (in_string) {
      i += c == '\\';
      in_string = c != '"';
    } else if (c == '"') {
      in_string = true;
    } else if (c == '[' || c == '{') {
      if (++depth > levels) return true;
    } else if ((c == ']' || c == '}') && depth > 0) {
      --depth;
    }
  }
  return false;
}

std::string_view without_bom(std::string_view text) {
  constexpr std::string_view mark = "\xef\xbb\xbf";
  if (text.starts_with(mark)) text.remove_prefix(mark.size());
  return text;
}

std::string json_problem(std::string_view what) {
  constexpr size_t most = 200;
  if (const size_t end = what.find("] "); end != what.npos) what.remove_prefix(end + 2);  // "[json.exception.…] "
  if (what.size() <= most) return std::string(what);
  size_t end = most;
  while (end > 0 && (static_cast<unsigned char>(what[end]) & 0xc0) == 0x80) --end;  // not inside a character
  return std::string(what.substr(0, end)) + "...";
}

}  // namespace cotenant
