#pragma once

#include <string>
#include <string_view>

// Text that others wrote (names, error lines, keys, paths), made safe to show: in a terminal, a table, a document, a
// spreadsheet, a picture. Everything that is shown goes through here once, at the last step; files keep the text as it
// was.
namespace cotenant {

// One line of valid UTF-8. Each control character (C0, DEL, C1, line breaks among them), each character that is not
// seen but changes what is (of bidirectional text, zero-width, tags), each that is none (U+FFFF), and each byte that is
// no UTF-8 becomes '?'.
std::string printable(std::string_view text);

// The same line by line. Every line but the first begins with two spaces, so that none can pass for a message of its
// own. Of a line of more than 2,000 bytes only its beginning, its end and its length.
std::string printable_lines(std::string_view text);

// JSON of valid UTF-8 that means the same: what printable() replaces stands as \u escapes in its strings.
std::string printable_json(std::string_view json);

// One line of Markdown (CommonMark, and the links that GitHub makes by itself) that shows the text: no markup, no HTML,
// no link.
std::string printable_markdown(std::string_view text);

// A field of CSV (RFC 4180) with one line of text. What a spreadsheet would take for a formula (= + - @ at the
// beginning, and no number) gets an apostrophe before it; https://owasp.org/www-community/attacks/CSV_Injection.
std::string printable_csv(std::string_view text);

// The first `most` code points, the last of them "…" when something is cut off. Expects valid UTF-8.
std::string shortened(std::string_view text, size_t most);

}  // namespace cotenant
