#include "base/line_reader.h"

#include <fmt/format.h>

#include <cstring>

#include "base/error.h"
#include "base/json_text.h"
#include "base/text.h"

namespace cotenant {

LineReader::LineReader(const std::filesystem::path& file, Links links) : file_(file, links) {
  grow();
}

std::optional<std::string_view> LineReader::next() {
  for (;;) {
    const char* begin = buffer_.get() + begin_;
    if (const void* newline = std::memchr(begin + searched_, '\n', end_ - begin_ - searched_)) {
      const auto length = static_cast<size_t>(static_cast<const char*>(newline) - begin);
      return take(length, length + 1);
    }
    searched_ = end_ - begin_;
    if (at_end_) return searched_ == 0 ? std::nullopt : std::optional(take(searched_, searched_));
    fill();
  }
}

std::string LineReader::where() const {
  return fmt::format("{}:{}", file_.path().string(), number_);
}

std::string_view LineReader::take(size_t length, size_t with_newline) {
  std::string_view line(buffer_.get() + begin_, length);
  begin_ += with_newline;
  searched_ = 0;
  complete_ = with_newline > length;
  if (++number_ == 1) line = without_bom(line);
  if (line.ends_with('\r')) line.remove_suffix(1);
  return line;
}

void LineReader::fill() {
  std::memmove(buffer_.get(), buffer_.get() + begin_, end_ - begin_);
  end_ -= begin_;
  begin_ = 0;
  if (end_ == longest_line_bytes) {
    ++number_;
    throw usage_error(
        where(), fmt::format("is longer than {}, which no line of such a file is", format_bytes(longest_line_bytes)),
        "It is another kind of file, or damaged: restore it, or remove it.");
  }
  if (end_ == capacity_) grow();
  const size_t got = file_.read_some(buffer_.get() + end_, capacity_ - end_);
  end_ += got;
  at_end_ = got == 0;
}

void LineReader::grow() {
  const size_t capacity = capacity_ == 0 ? size_t{1} << 18 : capacity_ * 2;
  auto larger = std::make_unique_for_overwrite<char[]>(capacity + padding);
  if (end_ > 0) std::memcpy(larger.get(), buffer_.get(), end_);
  buffer_ = std::move(larger);
  capacity_ = capacity;
}

}  // namespace cotenant
