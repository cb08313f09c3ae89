#include "engine/server/sse.h"

namespace cotenant {

bool SseParser::feed(std::string_view bytes, const Use& use) {
  while (!bytes.empty()) {
    if (after_cr_ && bytes.front() == '\n') bytes.remove_prefix(1);
    after_cr_ = false;
    const size_t end = bytes.find_first_of("\r\n");
    const std::string_view piece = bytes.substr(0, end);
    if (line_.size() + data_.size() + piece.size() > longest_) return false;
    if (end == std::string_view::npos) {
      line_ += piece;
      return true;
    }
    after_cr_ = bytes[end] == '\r';
    if (line_.empty()) {
      take_line(piece, use);
    } else {
      line_ += piece;
      take_line(line_, use);
      line_.clear();
    }
    bytes.remove_prefix(end + 1);
  }
  return true;
}

void SseParser::end(const Use& use) {
  if (!line_.empty()) take_line(line_, use);
  take_line("", use);
  restart();
}

void SseParser::restart() {
  line_.clear();
  data_.clear();
  has_data_ = after_cr_ = false;
  first_ = true;
}

void SseParser::take_line(std::string_view line, const Use& use) {
  constexpr std::string_view bom = "\xef\xbb\xbf", field = "data";
  if (first_ && line.starts_with(bom)) line.remove_prefix(bom.size());
  first_ = false;
  if (line.empty()) {
    if (has_data_) use(data_);
    data_.clear();
    has_data_ = false;
    return;
  }
  const size_t colon = line.find(':');
  if (line.substr(0, colon) != field) return;
  std::string_view value = colon == std::string_view::npos ? "" : line.substr(colon + 1);
  if (value.starts_with(' ')) value.remove_prefix(1);
  if (has_data_) data_ += '\n';
  data_ += value;
  has_data_ = true;
}

}  // namespace cotenant
