#include "config/overrides.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cctype>
#include <charconv>
#include <set>

#include "base/error.h"
#include "config/keys.h"

namespace cotenant {
namespace {

struct Assignment {
  std::string path, value;
};

Assignment split_assignment(const std::string& text, const std::string& where, const char* example) {
  const size_t equals = text.find('=');
  if (equals == 0 || equals == std::string::npos)
    throw usage_error(where, "expected key=value", fmt::format("For example {}", example));
  return {text.substr(0, equals), text.substr(equals + 1)};
}

void set_where(YamlNode& node, const std::string& where) {
  node.where = where;
  for (YamlNode& item : node.items) set_where(item, where);
  for (YamlNode::Entry& entry : node.entries) {
    entry.where = where;
    set_where(entry.value, where);
  }
}

// What a tenant of an unchecked tree is called.
std::string tenant_name(const YamlNode& tenant) {
  for (const char* key : {"name", "tag", "model_name"})
    if (const YamlNode* value = tenant.find(key)) return value->text;
  return "";
}

std::string tenants_there_are(const YamlNode& list) {
  std::vector<std::string> names;
  for (size_t i = 0; i < list.items.size(); ++i) names.push_back(fmt::format("{} ({})", i, tenant_name(list.items[i])));
  return names.empty() ? "There are no tenants." : fmt::format("There are {}; * means all.", fmt::join(names, ", "));
}

// "sharing", "stress": maps that may be made where they are missing.
template <class Keys>
bool is_map_key(const Keys& keys, std::string_view name) {
  return std::any_of(keys.begin(), keys.end(),
                     [&](const Key& key) { return key.path.starts_with(fmt::format("{}.", name)); });
}

class Override {
 public:
  Override(std::string path, YamlNode value, std::string where)
      : where_(std::move(where)), path_(std::move(path)), value_(std::move(value)) {
    set_where(value_, where_);
  }

  Override(const std::string& option, const std::string& text) : where_(option + " " + text) {
    Assignment assignment = split_assignment(text, where_, "--set tenants.0.batch_size=4");
    path_ = std::move(assignment.path);
    value_ = parse_yaml(assignment.value, where_, false);
    set_where(value_, where_);
  }

  void apply(YamlNode& root) const { descend(root, path_); }

 private:
  void descend(YamlNode& node, std::string_view rest) const {
    if (rest.empty()) {
      node = value_;
    } else if (node.kind == YamlNode::Kind::list) {
      descend_list(node, rest);
    } else if (node.kind == YamlNode::Kind::map) {
      descend_map(node, rest);
    } else {
      refuse(fmt::format("expected a map or a list above \"{}\", found {}", rest, describe(node)));
    }
  }

  void descend_map(YamlNode& node, std::string_view rest) const {
    const size_t dot = rest.find('.');
    const std::string key(rest.substr(0, dot));
    const std::string_view below = dot == std::string_view::npos ? "" : rest.substr(dot + 1);
    if (dot != std::string_view::npos && below.empty()) refuse("expected a key behind the last '.'");
    if (YamlNode* child = node.find(key)) return descend(*child, below);
    YamlNode child = value_;
    if (!below.empty()) {
      if (!is_map_key(experiment_keys(), key) && !is_map_key(tenant_keys(), key))
        refuse(fmt::format("expected a path that is in the configuration, but \"{}\" is not", key));
      child = YamlNode{};
      child.kind = YamlNode::Kind::map;
      child.where = where_;
      descend(child, below);
    }
    node.entries.push_back({key, where_, std::move(child)});
  }

  // A name may itself contain dots, so each tenant is asked whether the path begins with it.
  void descend_list(YamlNode& list, std::string_view rest) const {
    bool found = false;
    for (size_t i = 0; i < list.items.size(); ++i) {
      for (const std::string& name : {std::string("*"), std::to_string(i), tenant_name(list.items[i])}) {
        if (name.empty() || !rest.starts_with(name)) continue;
        const std::string_view below = rest.substr(name.size());
        if (!below.empty() && below[0] != '.') continue;
        descend(list.items[i], below.empty() ? below : below.substr(1));
        found = true;
        break;
      }
    }
    if (!found) refuse(fmt::format("expected one of the tenants, found \"{}\"", rest), tenants_there_are(list));
  }

  [[noreturn]] void refuse(const std::string& what, const std::string& remedy = "") const {
    throw usage_error(where_, what, remedy);
  }

  std::string where_, path_;
  YamlNode value_;
};

// Splits at commas that are outside of brackets and quotes.
std::vector<std::string> split_values(std::string_view text) {
  std::vector<std::string> values(1);
  int depth = 0;
  char quote = 0;
  for (const char c : text) {
    if (quote == 0 && (c == '"' || c == '\'')) {
      quote = c;
    } else if (c == quote) {
      quote = 0;
    } else if (quote == 0) {
      depth += (c == '[' || c == '{') - (c == ']' || c == '}');
      if (c == ',' && depth == 0) {
        values.emplace_back();
        continue;
      }
    }
    values.back() += c;
  }
  return values;
}

// For a directory's name.
std::string plain_word(std::string_view text) {
  std::string out;
  for (const char c : text) {
    const bool keep = std::isalnum(static_cast<unsigned char>(c)) || c == '.' || c == '-';
    if (keep)
      out += c;
    else if (!out.empty() && out.back() != '_')
      out += '_';
  }
  while (!out.empty() && out.back() == '_') out.pop_back();
  return out;
}

// Of a long value as much as fits into a directory's name beside others; of a long path its end.
std::string short_word(std::string_view text) {
  constexpr size_t kLongest = 40;
  const bool is_path = text.size() > kLongest && text.find('/') != std::string_view::npos;
  if (is_path) {
    while (text.size() > 1 && (text.ends_with('/') || text.ends_with('"') || text.ends_with('\'')))
      text.remove_suffix(1);
    text = text.substr(text.rfind('/') + 1);
  }
  return plain_word(text.substr(0, kLongest));
}

// A value of a list as the text of --set, with quotes where it had them.
std::string value_text(const YamlNode& node, const std::string& path) {
  if (node.kind == YamlNode::Kind::scalar && !node.quoted) return node.text;
  if (node.kind == YamlNode::Kind::scalar) return yaml_quoted(node.text);
  if (node.kind != YamlNode::Kind::list)
    throw usage_error(node.where, fmt::format("{}: expected a value, found {}", path, describe(node)));
  std::vector<std::string> parts;
  for (const YamlNode& item : node.items) parts.push_back(value_text(item, path));
  return fmt::format("[{}]", fmt::join(parts, ", "));
}

void check_values(const VaryAxis& axis) {
  std::set<std::string> seen;
  for (const std::string& value : axis.values) {
    if (value.empty()) throw usage_error(axis.where, "expected values separated by commas, found an empty one");
    if (!seen.insert(value).second)
      throw usage_error(axis.where, fmt::format("expected each value once, found {} again", value));
  }
}

constexpr size_t kLargestGrid = 10'000;
constexpr size_t kLongestSuffix = 120;  // beside a name of kLongestName in the 255 bytes of a directory's name

}  // namespace

void apply_override(YamlNode& root, const std::string& override, const std::string& option) {
  Override(option, override).apply(root);
}

std::string text_override(const std::string& key, std::string_view text) {
  return fmt::format("{}={}", key, yaml_quoted(text));
}

void apply_override(YamlNode& root, const std::string& path, const YamlNode& value, const std::string& where) {
  Override(path, value, where).apply(root);
}

std::vector<VaryAxis> vary_axes(const std::vector<std::string>& options) {
  std::vector<VaryAxis> axes;
  for (const std::string& option : options) {
    const std::string where = "--vary " + option;
    Assignment assignment = split_assignment(option, where, "--vary tenants.*.batch_size=1,2,4");
    axes.push_back({assignment.path, split_values(assignment.value), where});
  }
  return axes;
}

std::vector<VaryAxis> read_vary(const YamlNode& node) {
  const auto refuse = [](const YamlNode& at, const std::string& path, const std::string& expected) {
    throw usage_error(at.where, fmt::format("{}: expected {}, found {}", path, expected, describe(at)),
                      "For example vary: {tenants.0.batch_size: [1, 2, 4]}.");
  };
  if (node.kind != YamlNode::Kind::map) refuse(node, "vary", "a map from keys to lists of values");
  std::vector<VaryAxis> axes;
  for (const YamlNode::Entry& entry : node.entries) {
    const std::string path = "vary." + entry.key;
    const YamlNode& list = entry.value;
    if (entry.key == "vary" || entry.key.starts_with("vary."))
      throw usage_error(entry.where, "vary: expected keys of the experiment, found vary itself");
    if (list.kind != YamlNode::Kind::list) refuse(list, path, "a list of values");
    if (list.items.empty() || list.items.size() > kMostValues)
      throw usage_error(list.where,
                        fmt::format("{}: expected 1 to {} values, found {}", path, kMostValues, list.items.size()));
    VaryAxis axis{entry.key, {}, list.where};
    for (const YamlNode& item : list.items) axis.values.push_back(value_text(item, path));
    axes.push_back(std::move(axis));
  }
  if (axes.empty()) throw usage_error(node.where, "vary: expected a map from keys to lists of values, found no key");
  return axes;
}

std::vector<Variation> grid_of(const std::vector<VaryAxis>& axes) {
  std::vector<Variation> grid(1);
  std::set<std::string> paths, labels;
  for (const VaryAxis& axis : axes) {
    if (!paths.insert(axis.path).second)
      throw usage_error(axis.where, fmt::format("expected each key once, found {} again", axis.path));
    check_values(axis);
    std::string label = plain_word(axis.path.substr(axis.path.rfind('.') + 1));
    if (!labels.insert(label).second) label = plain_word(axis.path);
    if (grid.size() * axis.values.size() > kLargestGrid)
      throw usage_error(axis.where, fmt::format("expected a grid of at most {} experiments, found more", kLargestGrid));
    std::vector<Variation> longer;
    for (const Variation& cell : grid) {
      for (const std::string& value : axis.values) {
        Variation next = cell;
        next.set.push_back(fmt::format("{}={}", axis.path, value));
        next.suffix += fmt::format("_{}_{}", label, short_word(value));
        longer.push_back(std::move(next));
      }
    }
    grid = std::move(longer);
  }
  for (Variation& cell : grid)
    if (cell.suffix.size() > kLongestSuffix) cell.suffix.resize(kLongestSuffix);
  std::set<std::string> suffixes;
  for (size_t i = 0; i < grid.size(); ++i)
    if (!suffixes.insert(grid[i].suffix).second) suffixes.insert(grid[i].suffix += fmt::format("_{}", i));
  return grid;
}

}  // namespace cotenant
