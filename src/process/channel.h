#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "base/fd.h"
#include "process/line_buffer.h"

// Messages between driver and worker: lines over a socket pair, which ends (EOF) when the other process does. What the
// lines say is none of this room's business.
namespace cotenant {

class Channel {
 public:
  explicit Channel(Fd socket) : socket_(std::move(socket)) {}
  static std::pair<Channel, Channel> make_pair();  // close-on-exec

  int fd() const { return socket_.get(); }

  // Sends a line (its newline is added here); false when the other side is gone, or takes nothing for 5 s although its
  // buffer is full. One thread at a time.
  bool send(std::string_view line);

  // Waits for a line; none when the other side is gone.
  std::optional<std::string> receive();

  // Takes what has arrived, without waiting; false at the end of the stream. next() then gives the lines.
  bool fill();
  std::optional<std::string> next() { return lines_.next(); }

 private:
  bool read_some(int flags);

  Fd socket_;
  LineBuffer lines_;
};

}  // namespace cotenant
