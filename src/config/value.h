#pragma once

#include <string>

#include "config/keys.h"
#include "config/yaml_tree.h"

namespace cotenant {

// The value of `node` for `key`, checked against its type and range. `path` names it in messages.
// Throws usage_error at the node: what was expected and what was found.
Value read_value(const Key& key, const YamlNode& node, const std::string& path);

// Throws usage_error at the node: "<path>: expected <expected>, found <the node>".
[[noreturn]] void refuse_value(const YamlNode& node, const std::string& path, const std::string& expected,
                               const std::string& remedy = "");

}  // namespace cotenant
