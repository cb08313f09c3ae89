#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "config/experiment.h"
#include "config/yaml_tree.h"

// `--set key=value` and `--vary key=a,b,c`.
namespace cotenant {

// Applies "path=value" to a tree that is not yet checked. The value is read as YAML. A tenant is named by its index,
// its name, or * for all: "tenants.0.batch_size=4", "tenants.*.seq_len=64", "tenants.llama.dtype=bfloat16",
// "sharing.mode=mps". A key need not be in the tree, but a tenant must.
// `option` gave it, "--set" or "--vary". Throws usage_error.
void apply_override(YamlNode& root, const std::string& override, const std::string& option = "--set");

// The same for a value that is already read. `where` names the place that wants it.
void apply_override(YamlNode& root, const std::string& path, const YamlNode& value, const std::string& where);

// "key=value" that sets exactly this text, whatever characters are in it.
std::string text_override(const std::string& key, std::string_view text);

// One cell of the grid that several --vary options span.
struct Variation {
  std::vector<std::string> set;  // as of --set
  std::string suffix;            // "_batch_size_4_seq_len_64": fit for a directory's name, unique within the grid
};

// The axes of `--vary key=a,b,c` options. Values are separated by commas outside of brackets and quotes. Throws
// usage_error.
std::vector<VaryAxis> vary_axes(const std::vector<std::string>& options);

// The axes of a configuration's key `vary`. Throws usage_error at the place in the file: no map, an empty list, a value
// that is a map.
std::vector<VaryAxis> read_vary(const YamlNode& node);

// The grid of several axes, the last one varying fastest; one empty cell without axes. Throws usage_error for a key
// given twice, and for more cells than anybody can want.
std::vector<Variation> grid_of(const std::vector<VaryAxis>& axes);

}  // namespace cotenant
