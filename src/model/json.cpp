#include "model/json.h"

#include <fmt/format.h>

#include <unordered_set>
#include <vector>

#include "base/error.h"
#include "base/json_text.h"

namespace cotenant {
namespace {

using nlohmann::json;

// The library keeps the last of two equal keys and says nothing.
json parse_without_duplicates(std::string_view text, const std::string& where) {
  std::vector<std::unordered_set<std::string>> keys_of_open_objects;
  const auto refuse_duplicates = [&](int, json::parse_event_t event, json& parsed) {
    if (event == json::parse_event_t::object_start) keys_of_open_objects.emplace_back();
    if (event == json::parse_event_t::object_end) keys_of_open_objects.pop_back();
    if (event == json::parse_event_t::key && !keys_of_open_objects.back().insert(parsed.get<std::string>()).second)
      throw usage_error(where, fmt::format("the key {} stands twice in one object", shown(parsed)));
    return true;
  };
  return json::parse(text, refuse_duplicates);
}

}  // namespace

json parse_json(std::string_view text, const std::string& where, Duplicates duplicates) {
  refuse_lfs_pointer(text, where);
  if (json_is_deeper_than(text, deepest_json))
    throw usage_error(where, fmt::format("is not valid JSON of a model: nested more than {} levels deep", deepest_json),
                      "Download the file again.");
  text = without_bom(text);
  try {
    return duplicates == Duplicates::refused ? parse_without_duplicates(text, where) : json::parse(text);
  } catch (const json::exception& e) {
    throw usage_error(where, fmt::format("is not valid JSON: {}", json_problem(e.what())), "Download the file again.");
  }
}

void refuse_lfs_pointer(std::string_view text, const std::string& where) {
  if (!text.starts_with("version https://git-lfs.github.com/spec/")) return;
  throw usage_error(where, "is a git-lfs pointer, not the file that it stands for",
                    "Run `git lfs pull` in its directory, or download the model with `hf download`.");
}

std::string shown(const json& value) {
  std::string text = value.dump(-1, ' ', true, json::error_handler_t::replace);
  if (text.size() > 60) text = text.substr(0, 57) + "...";
  return text;
}

}  // namespace cotenant
