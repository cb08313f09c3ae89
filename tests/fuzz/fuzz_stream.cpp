// Any bytes as the stream of a server, cut anywhere: an answer that counts, or one that says why not; and the same
// events however it is cut.
#include <algorithm>
#include <string>
#include <vector>

#include "engine/server/answer.h"
#include "engine/server/sse.h"
#include "input.h"

namespace cotenant {
namespace {

std::vector<std::string> events_of(std::string_view text, size_t piece) {
  SseParser parser(1 << 12);
  std::vector<std::string> events;
  const auto keep = [&](std::string& data) { events.push_back(data); };
  for (; !text.empty(); text.remove_prefix(std::min(piece, text.size())))
    if (!parser.feed(text.substr(0, piece), keep)) return events;
  parser.end(keep);
  return events;
}

}  // namespace
}  // namespace cotenant

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace cotenant;
  if (size == 0) return 0;
  const size_t piece = 1 + data[0] % 16;
  const std::string_view text = text_of(data + 1, size - 1);
  if (size < (1 << 11) && events_of(text, piece) != events_of(text, text.size() + 1)) std::abort();

  Answer answer;
  int64_t told = 0;
  const int most = 8;
  const auto count = [&](int tokens) { told += tokens; };
  answer.begin(ServerApi::completions, most);
  answer.head(200, "text/event-stream");
  bool wanted = true;
  for (size_t at = 0; wanted && at < text.size(); at += piece) wanted = answer.bytes(text.substr(at, piece), count);
  answer.end({.result = CURLE_OK, .status = 200, .connections = 0, .problem = ""}, count);
  if (told > most || told < 0) std::abort();
  if (answer.fault() == Fault::none && answer.tokens() <= 0) std::abort();
  if (wanted == false && answer.fault() == Fault::none) std::abort();
  return 0;
}
