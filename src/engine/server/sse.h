#pragma once

#include <cstddef>
#include <functional>
#include <string>
#include <string_view>

namespace cotenant {

// A stream of server-sent events, as it comes: in pieces that end anywhere, lines that end with LF, CRLF or CR. Knows
// no more of the format than what a client of a language model needs: the data of each event, several lines of it
// joined; comments and other fields are passed over.
// https://html.spec.whatwg.org/multipage/server-sent-events.html#event-stream-interpretation
class SseParser {
 public:
  // Called with each event's data, which it may change.
  using Use = std::function<void(std::string& data)>;

  explicit SseParser(size_t longest = size_t{1} << 20) : longest_(longest) {}

  // False: an event is longer than that, and nothing more of it will be read.
  bool feed(std::string_view bytes, const Use& use);
  // The stream is over: what an event has so far counts, since servers leave out the last empty line.
  void end(const Use& use);
  void restart();

 private:
  void take_line(std::string_view line, const Use& use);

  const size_t longest_;
  std::string line_, data_;
  bool has_data_ = false, after_cr_ = false, first_ = true;
};

}  // namespace cotenant
