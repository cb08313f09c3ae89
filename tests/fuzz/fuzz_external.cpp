// Any line from an external program: a message, or an Error.
#include "engine/external/message.h"
#include "input.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace cotenant;
  must_read_or_refuse([&] {
    const external::Message message = external::parse_message(text_of(data, size));
    if (const auto* loaded = std::get_if<external::Loaded>(&message); loaded && loaded->capacity < 1) std::abort();
    if (const auto* token = std::get_if<external::Token>(&message); token && token->count < 1) std::abort();
  });
  return 0;
}
