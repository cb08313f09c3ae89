#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace cotenant {

// Bytes in, lines out, each looked at once.
class LineBuffer {
 public:
  // A longer line is handed out in parts: a program that never ends its own must not take all memory. An order for 256
  // tenants with the longest paths is shorter.
  static constexpr size_t most_bytes = size_t{1} << 24;

  void append(std::string_view bytes) { bytes_.append(bytes); }

  // The next complete line, without its newline.
  std::optional<std::string> next() {
    const size_t end = bytes_.find('\n', searched_);
    if (end != std::string::npos) return take(end - begin_, 1);
    searched_ = bytes_.size();
    if (searched_ - begin_ >= most_bytes) return take(most_bytes, 0);
    bytes_.erase(0, begin_);
    searched_ -= begin_;
    begin_ = 0;
    return std::nullopt;
  }

  // Bytes that no next() has given yet.
  size_t waiting() const { return bytes_.size() - begin_; }

  // What came after the last newline; for the end of a stream.
  std::string rest() const { return bytes_.substr(begin_); }

 private:
  std::string take(size_t length, size_t newline) {
    std::string line = bytes_.substr(begin_, length);
    begin_ += length + newline;
    searched_ = begin_;
    return line;
  }

  std::string bytes_;
  size_t begin_ = 0;
  size_t searched_ = 0;  // up to where there is no newline behind begin_
};

}  // namespace cotenant
