#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace cotenant {

// Bytes in, lines out.
class LineBuffer {
 public:
  void append(std::string_view bytes) { bytes_.append(bytes); }

  // The next complete line, without its newline.
  std::optional<std::string> next() {
    const size_t end = bytes_.find('\n', begin_);
    if (end == std::string::npos) {
      bytes_.erase(0, begin_);
      begin_ = 0;
      return std::nullopt;
    }
    std::string line = bytes_.substr(begin_, end - begin_);
    begin_ = end + 1;
    return line;
  }

  // What came after the last newline; for the end of a stream.
  std::string rest() const { return bytes_.substr(begin_); }

 private:
  std::string bytes_;
  size_t begin_ = 0;
};

}  // namespace cotenant
