#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

// What an external program says, a JSON object on a line. docs/external.md explains it to those who write one.
namespace cotenant::external {

inline constexpr int protocol_version = 1;
inline constexpr size_t longest_line = size_t{1} << 20;  // bytes

struct Hello {
  int version = 0;
};
struct Loaded {
  int capacity = 1;                                  // requests that it takes at once
  int64_t vocab_size = 0;                            // of the token ids that it wants as input; 0: it makes its own
  int64_t pad_token = -1;                            // an id that the input has not; negative: none
  uint64_t weights_bytes = 0, activation_bytes = 0;  // that it takes of the device; 0: it does not say
  std::string origin;                                // what its weights are
};
struct Warm {};
struct Started {
  int64_t id = 0;
};
struct Token {
  int64_t id = 0;
  int row = -1;                 // of which sequence; negative: the next of each
  int count = 1;                // how many at once
  std::vector<int32_t> tokens;  // their ids, of one row in order, or one of each row; empty: it does not say
};
struct Done {
  int64_t id = 0;
  std::optional<double> gpu_ms;  // by the device's own clock
};
struct Rejected {
  int64_t id = 0;
};
struct Failed {
  int64_t id = 0;
  std::string error;
};
struct Trouble {  // "error": it cannot go on
  std::string error;
};

using Message = std::variant<Hello, Loaded, Warm, Started, Token, Done, Rejected, Failed, Trouble>;

// Throws usage_error, without a place, for what is no such message. Unknown keys are passed over.
Message parse_message(std::string_view line);

// "hello", "loaded"
std::string_view type_of(const Message& message);

}  // namespace cotenant::external
