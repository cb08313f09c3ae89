#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

// YAML as a tree of our own in which every node knows its place. It is read strictly, because what YAML allows beyond
// plain maps, lists and scalars hides mistakes in a configuration: anchors, aliases, merge keys, tags, duplicate keys,
// several documents, keys that are not text, files over 1 MiB and nesting over 16 levels are refused.
namespace cotenant {

inline constexpr size_t kLargestConfigBytes = size_t{1} << 20;
inline constexpr size_t kDeepestConfig = 16;

struct YamlNode {
  enum class Kind { null, scalar, list, map };
  struct Entry;

  Kind kind = Kind::null;
  std::string where;            // "pair.yaml:7:5", or the flag that set it: "--set tenants.0.batch_size=4"
  std::string text;             // of a scalar
  bool quoted = false;          // a quoted or block scalar: never a number or a boolean
  std::vector<YamlNode> items;  // of a list
  std::vector<Entry> entries;   // of a map, in order, keys unique

  const YamlNode* find(std::string_view key) const;
  YamlNode* find(std::string_view key);
};

struct YamlNode::Entry {
  std::string key;
  std::string where;  // of the key
  YamlNode value;
};

// Reads one document. `source` is what messages call it: a file's name, or "command line"; with_marks adds line and
// column. An empty document is a null node.
// Throws usage_error at the offending line and column.
YamlNode parse_yaml(std::string_view text, const std::string& source, bool with_marks = true);

// `text` as a YAML scalar that reads back as exactly this string: unchanged where that is safe, else in double quotes.
std::string yaml_quoted(std::string_view text);

// For messages: "\"eight\"", "a list", "a map", "nothing".
std::string describe(const YamlNode& node);

// "tenants" and "0": "tenants.0"; "" and "mps": "mps".
std::string key_path(std::string_view parent, std::string_view key);

}  // namespace cotenant
