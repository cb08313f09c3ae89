#pragma once

#include <cstddef>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/input_file.h"

namespace cotenant {

// The longest line of a results file or a trace: the token times of a request with the most tokens that a configuration
// allows (1,048,576) fit.
inline constexpr size_t longest_line_bytes = size_t{1} << 24;

// Hands out a file's lines, in memory that does not grow with the file. A byte order mark in front and carriage returns
// at the ends of lines, as other tools leave them, are taken away.
class LineReader {
 public:
  static constexpr size_t padding = 64;  // bytes behind a line that may be read, whatever they hold

  // Throws as InputFile does.
  explicit LineReader(const std::filesystem::path& file, Links links = Links::refused);

  // The next line without its newline; nullopt at the end of the file. Valid until the next call. Throws usage_error
  // for a line that is too long.
  std::optional<std::string_view> next();

  size_t number() const { return number_; }       // of the line, from 1
  bool has_newline() const { return complete_; }  // of the line; without one it may have been cut
  std::string where() const;                      // "<file>:<line>"

 private:
  std::string_view take(size_t length, size_t with_newline);
  void fill();
  void grow();

  InputFile file_;
  std::unique_ptr<char[]> buffer_;
  size_t capacity_ = 0, begin_ = 0, end_ = 0;
  size_t searched_ = 0;  // bytes after begin_ that hold no newline
  size_t number_ = 0;
  bool at_end_ = false, complete_ = false;
};

}  // namespace cotenant
