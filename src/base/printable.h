#pragma once

#include <string>
#include <string_view>

// Text that others wrote (names, error lines, keys, paths), made safe to show: in a terminal, a table, a document, a
// picture. Everything that is shown goes through here once, at the last step; files keep the text as it was.
namespace cotenant {

// One line of valid UTF-8. Each control character (C0, DEL, C1, line breaks among them), each character that is not
// seen but changes what is (of bidirectional text, zero-width, tags), each that is none (U+FFFF), and each byte that is
// no UTF-8 becomes '?'.
std::string printable(std::string_view text);

// The same line by line.
std::string printable_lines(std::string_view text);

// The first `most` code points, the last of them "…" when something is cut off. Expects valid UTF-8.
std::string shortened(std::string_view text, size_t most);

}  // namespace cotenant
