#include "engine/external/message.h"

#include <fmt/format.h>

#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/json_text.h"
#include "base/overloaded.h"
#include "base/printable.h"

namespace cotenant::external {
namespace {

using Json = nlohmann::json;

constexpr size_t kShown = 200;  // bytes of a line that a message shows

[[noreturn]] void refuse_line(std::string_view line, const std::string& why) {
  throw usage_error("",
                    fmt::format("its program printed what is no message ({}): {}", why,
                                printable(std::string(line.substr(0, kShown)))),
                    "Let it print anything else to standard error: docs/external.md.");
}

class Reader {
 public:
  Reader(const Json& object, std::string_view line) : object_(object), line_(line) {}

  template <class T>
  T integer(const char* key, T least, T most, std::optional<T> otherwise = std::nullopt) const {
    const auto found = object_.find(key);
    if ((found == object_.end() || found->is_null()) && otherwise) return *otherwise;
    if (found == object_.end()) refuse_line(line_, fmt::format("without {}", key));
    const bool fits = found->is_number_unsigned()
                          ? std::in_range<T>(found->get<uint64_t>())
                          : found->is_number_integer() && std::in_range<T>(found->get<int64_t>());
    const T value = fits ? found->get<T>() : T{};
    if (!fits || value < least || value > most)
      refuse_line(line_, fmt::format("{} is no integer from {} to {}", key, least, most));
    return value;
  }
  int64_t id() const { return integer<int64_t>("id", 0, std::numeric_limits<int64_t>::max()); }

  std::string text(const char* key) const {
    const auto found = object_.find(key);
    if (found == object_.end() || found->is_null()) return "";
    if (!found->is_string()) refuse_line(line_, fmt::format("{} is no text", key));
    return found->get<std::string>();
  }

  std::optional<double> milliseconds(const char* key) const {
    const auto found = object_.find(key);
    if (found == object_.end() || found->is_null()) return std::nullopt;
    const double value = found->is_number() ? found->get<double>() : -1;
    if (!(value >= 0 && std::isfinite(value))) refuse_line(line_, fmt::format("{} is no time", key));
    return value;
  }

  std::vector<int32_t> ids(const char* key) const {
    const auto found = object_.find(key);
    std::vector<int32_t> ids;
    if (found == object_.end() || found->is_null()) return ids;
    if (!found->is_array()) refuse_line(line_, fmt::format("{} is no list", key));
    for (const Json& id : *found) {
      if (!id.is_number_integer() || !std::in_range<int32_t>(id.get<int64_t>()))
        refuse_line(line_, fmt::format("{} holds what is no token id", key));
      ids.push_back(id.get<int32_t>());
    }
    return ids;
  }

 private:
  const Json& object_;
  const std::string_view line_;
};

Token read_token(const Reader& read, std::string_view line) {
  constexpr int most = 1 << 20;
  Token token{.id = read.id(),
              .row = read.integer<int>("row", -1, most, -1),
              .count = read.integer<int>("count", 1, most, 1),
              .tokens = read.ids("tokens")};
  if (token.row >= 0 && token.tokens.size() > 1 && token.count == 1)
    token.count = static_cast<int>(token.tokens.size());
  if (token.row >= 0 && !token.tokens.empty() && token.tokens.size() != static_cast<size_t>(token.count))
    refuse_line(line, "as many tokens as count says are expected");
  if (token.row < 0 && token.count > 1 && !token.tokens.empty())
    refuse_line(line, "tokens of each row come one at a time, or without their ids");
  return token;
}

Json parse_json_line(std::string_view line) {
  if (json_is_deeper_than(line, deepest_json)) refuse_line(line, "nested too deep");
  try {
    Json json = Json::parse(line);
    if (!json.is_object()) refuse_line(line, "no JSON object");
    return json;
  } catch (const Json::exception&) {
    refuse_line(line, "no JSON");
  }
}

}  // namespace

Message parse_message(std::string_view line) {
  const Json json = parse_json_line(line);
  const Reader read(json, line);
  const std::string type = read.text("type");
  constexpr auto most = std::numeric_limits<int64_t>::max();
  if (type == "token") return read_token(read, line);
  if (type == "done") return Done{.id = read.id(), .gpu_ms = read.milliseconds("gpu_ms")};
  if (type == "started") return Started{.id = read.id()};
  if (type == "rejected") return Rejected{.id = read.id()};
  if (type == "failed") return Failed{.id = read.id(), .error = read.text("error")};
  if (type == "error") return Trouble{.error = read.text("error")};
  if (type == "warm") return Warm{};
  if (type == "hello") return Hello{.version = read.integer<int>("version", 0, 1 << 20)};
  if (type == "loaded")
    return Loaded{.capacity = read.integer<int>("capacity", 1, 4096, 1),
                  .vocab_size = read.integer<int64_t>("vocab_size", 0, std::numeric_limits<int32_t>::max(), 0),
                  .pad_token = read.integer<int64_t>("pad_token", -1, most, -1),
                  .weights_bytes = read.integer<uint64_t>("weights_bytes", 0, most, 0),
                  .activation_bytes = read.integer<uint64_t>("activation_bytes", 0, most, 0),
                  .origin = read.text("origin")};
  refuse_line(line, type.empty() ? "without type" : "its type is not known");
}

std::string_view type_of(const Message& message) {
  return std::visit(Overloaded{[](const Hello&) { return "hello"; }, [](const Loaded&) { return "loaded"; },
                               [](const Warm&) { return "warm"; }, [](const Started&) { return "started"; },
                               [](const Token&) { return "token"; }, [](const Done&) { return "done"; },
                               [](const Rejected&) { return "rejected"; }, [](const Failed&) { return "failed"; },
                               [](const Trouble&) { return "error"; }},
                    message);
}

}  // namespace cotenant::external
