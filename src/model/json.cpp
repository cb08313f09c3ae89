#include "model/json.h"

#include <fmt/format.h>

#include <unordered_set>
#include <vector>

#include "base/error.h"

namespace cotenant {

nlohmann::json parse_json(std::string_view text, const std::string& where) {
  using json = nlohmann::json;
  // The library keeps the last of two equal keys and says nothing.
  std::vector<std::unordered_set<std::string>> keys_of_open_objects;
  const auto refuse_duplicates = [&](int, json::parse_event_t event, json& parsed) {
    if (event == json::parse_event_t::object_start) keys_of_open_objects.emplace_back();
    if (event == json::parse_event_t::object_end) keys_of_open_objects.pop_back();
    if (event == json::parse_event_t::key && !keys_of_open_objects.back().insert(parsed.get<std::string>()).second)
      throw usage_error(where, fmt::format("the key {} stands twice in one object", shown(parsed)));
    return true;
  };
  try {
    return json::parse(text, refuse_duplicates);
  } catch (const json::exception& e) {
    std::string_view reason = e.what();  // "[json.exception.parse_error.101] parse error at line 1, column 2: ..."
    if (const size_t end = reason.find("] "); end != std::string_view::npos) reason.remove_prefix(end + 2);
    throw usage_error(where, fmt::format("is not valid JSON: {}", reason), "Download the file again.");
  }
}

std::string shown(const nlohmann::json& value) {
  std::string text = value.dump(-1, ' ', true, nlohmann::json::error_handler_t::replace);
  if (text.size() > 60) text = text.substr(0, 57) + "...";
  return text;
}

}  // namespace cotenant
