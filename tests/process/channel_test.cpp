#include "process/channel.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <optional>
#include <thread>

#include "process/line_buffer.h"

namespace cotenant {
namespace {

TEST(LineBuffer, CutsBytesIntoLines) {
  LineBuffer lines;
  lines.append("one\ntw");
  EXPECT_EQ(lines.next(), "one");
  EXPECT_EQ(lines.next(), std::nullopt);
  lines.append("o\n\nrest");
  EXPECT_EQ(lines.next(), "two");
  EXPECT_EQ(lines.next(), "");
  EXPECT_EQ(lines.next(), std::nullopt);
  EXPECT_EQ(lines.rest(), "rest");
}

TEST(LineBuffer, HandsOutALineWithoutEndInParts) {
  LineBuffer lines;
  const std::string piece(1 << 20, 'x');
  size_t parts = 0, bytes = 0;
  for (int i = 0; i < 64; ++i) {
    lines.append(piece);
    while (const auto line = lines.next()) {
      ++parts;
      bytes += line->size();
    }
  }
  EXPECT_EQ(parts, 4u);
  EXPECT_EQ(bytes + lines.rest().size(), 64 * piece.size());
  EXPECT_LE(lines.rest().size(), LineBuffer::most_bytes);
}

TEST(Channel, CarriesLinesBothWays) {
  auto [a, b] = Channel::make_pair();
  EXPECT_TRUE(a.send("hello"));
  EXPECT_TRUE(a.send("world"));
  EXPECT_TRUE(b.send("back"));
  EXPECT_EQ(b.receive(), "hello");
  EXPECT_EQ(b.receive(), "world");
  EXPECT_EQ(a.receive(), "back");
}

TEST(Channel, CarriesLinesLongerThanTheSocketsBuffer) {
  auto [a, b] = Channel::make_pair();
  const std::string line(3'000'000, 'x');
  std::thread sender([&a = a, &line] { a.send(line); });
  EXPECT_EQ(b.receive(), line);
  sender.join();
}

TEST(Channel, FillsWithoutWaiting) {
  auto [a, b] = Channel::make_pair();
  EXPECT_TRUE(b.fill());
  EXPECT_EQ(b.next(), std::nullopt);
  a.send("line");
  EXPECT_TRUE(b.fill());
  EXPECT_EQ(b.next(), "line");
}

TEST(Channel, TellsWhenTheOtherSideIsGone) {
  std::optional<std::pair<Channel, Channel>> pair = Channel::make_pair();
  Channel ours = std::move(pair->first);
  pair->second.send("last words");
  pair.reset();
  EXPECT_EQ(ours.receive(), "last words");
  EXPECT_EQ(ours.receive(), std::nullopt);
  EXPECT_FALSE(ours.fill());
  EXPECT_FALSE(ours.send("anybody?"));  // and no SIGPIPE
}

TEST(Channel, DoesNotWaitForEverForWhoReadsNothing) {
  auto [a, b] = Channel::make_pair();
  const timeval patience{.tv_sec = 0, .tv_usec = 50'000};
  ASSERT_EQ(::setsockopt(a.fd(), SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience), 0);
  EXPECT_FALSE(a.send(std::string(3'000'000, 'x')));
}

}  // namespace
}  // namespace cotenant
