#include "config/load.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <utility>

#include "base/error.h"
#include "base/text.h"
#include "config/keys.h"
#include "config/overrides.h"
#include "config/resolve.h"
#include "config/value.h"
#include "config/yaml_tree.h"

namespace cotenant {
namespace {

// The next component of a key's path behind `prefix`: "mode" of "sharing.mode" behind "sharing.".
template <class Bound>
std::vector<std::string> names_behind(const std::vector<Bound>& keys, const std::string& prefix) {
  std::vector<std::string> names;
  for (const Key& key : keys) {
    if (!key.path.starts_with(prefix)) continue;
    const std::string rest = key.path.substr(prefix.size());
    const std::string name = rest.substr(0, rest.find('.'));
    if (names.empty() || names.back() != name) names.push_back(name);
  }
  return names;
}

// A key of the experiment inside a tenant, or the other way round.
std::string misplaced(const std::string& name, bool in_tenant) {
  if (in_tenant && find_key(experiment_keys(), name))
    return fmt::format("{} stands at the top, not in a tenant.", name);
  if (!in_tenant && find_key(tenant_keys(), name)) return fmt::format("{} stands in a tenant, not at the top.", name);
  return "";
}

[[noreturn]] void refuse_unknown(const YamlNode::Entry& entry, const std::string& path,
                                 const std::vector<std::string>& known, bool in_tenant) {
  std::string remedy = misplaced(entry.key, in_tenant);
  const auto near = nearest(entry.key, known);
  if (remedy.empty())
    remedy = near.empty() ? fmt::format("Known here: {}.", fmt::join(known, ", "))
                          : fmt::format("Did you mean {}?", near[0]);
  throw usage_error(entry.where, fmt::format("{}: expected a known key, found \"{}\"", path, entry.key), remedy);
}

// Reads the entries of `map` into the draft. `prefix` is the map's place in the table ("" or "sharing."), `at` its
// path in the file.
template <class Draft, class Bound>
void read_map(Draft& draft, const YamlNode& map, const std::vector<Bound>& keys, const std::string& prefix,
              const std::string& at) {
  constexpr bool in_tenant = std::is_same_v<Bound, TenantKey>;
  if (map.kind != YamlNode::Kind::map)
    refuse_value(map, at.empty() ? "the configuration" : at,
                 fmt::format("a map with the keys {}", fmt::join(names_behind(keys, prefix), ", ")));
  for (const YamlNode::Entry& entry : map.entries) {
    const std::string name = prefix + entry.key, path = key_path(at, entry.key);
    const auto known = names_behind(keys, prefix);
    const bool is_plain = entry.key.find('.') == std::string::npos;  // the table's "sharing.mode" is no key of a file
    if (const Bound* key = find_key(keys, name); key && is_plain) {
      draft.given.emplace(name, entry.value.where);
      if (key->type != ValueType::tenant && key->type != ValueType::tenants && key->type != ValueType::vary)
        key->store(draft, read_value(*key, entry.value, path));
    } else if (is_plain && prefix.empty() && !names_behind(keys, name + ".").empty()) {
      draft.given.emplace(name, entry.value.where);
      read_map(draft, entry.value, keys, name + ".", path);
    } else {
      refuse_unknown(entry, path, known, in_tenant);
    }
  }
}

TenantDraft read_tenant(const YamlNode& node, const std::string& at) {
  TenantDraft tenant;
  read_map(tenant, node, tenant_keys(), "", at);
  tenant.config.where = node.where;
  tenant.path = at;
  return tenant;
}

std::vector<TenantDraft> read_tenants(const YamlNode& root, bool single) {
  if (single) return {read_tenant(*root.find("single_model"), "single_model")};
  const Key& key = *find_key(experiment_keys(), "tenants");
  const YamlNode& list = *root.find("tenants");
  if (list.kind != YamlNode::Kind::list) refuse_value(list, "tenants", expectation(key));
  if (list.items.empty() || list.items.size() > static_cast<size_t>(kMostTenants))
    throw usage_error(list.where, fmt::format("tenants: expected {}, found {}", expectation(key), list.items.size()));
  std::vector<TenantDraft> tenants;
  for (size_t i = 0; i < list.items.size(); ++i)
    tenants.push_back(read_tenant(list.items[i], fmt::format("tenants.{}", i)));
  return tenants;
}

// Every value of `vary` is put into a copy and read there, so that a mistake is told at its place in the file. That the
// cells of the grid are experiments as a whole is checked when they are loaded.
std::vector<VaryAxis> check_vary(const YamlNode& root, bool single) {
  const YamlNode* vary = root.find("vary");
  if (!vary) return {};
  std::vector<VaryAxis> axes = read_vary(*vary);
  for (const YamlNode::Entry& axis : vary->entries) {
    for (const YamlNode& value : axis.value.items) {
      YamlNode cell = root;
      std::erase_if(cell.entries, [](const YamlNode::Entry& entry) { return entry.key == "vary"; });
      apply_override(cell, axis.key, value, value.where);
      ExperimentDraft draft;
      read_map(draft, cell, experiment_keys(), "", "");
      read_tenants(cell, single);
    }
  }
  grid_of(axes);
  return axes;
}

// single_model or tenants, not both, not neither.
bool is_single(const YamlNode& root) {
  const YamlNode* single = root.find("single_model");
  const YamlNode* tenants = root.find("tenants");
  if (single && tenants)
    throw usage_error(tenants->where, "tenants: expected single_model or tenants, found both",
                      "Remove one of the two.");
  if (!single && !tenants)
    throw usage_error(root.where, "expected single_model or tenants, found neither",
                      "Say which models to run; configs/*_template.yaml show how.");
  return single != nullptr;
}

}  // namespace

std::string read_config(const std::string& path) {
  std::error_code ignored;
  if (std::filesystem::is_directory(path, ignored)) throw usage_error(path, "expected a YAML file, found a directory");
  std::ifstream in(path, std::ios::binary);
  if (!in) {
    const int error = errno;
    const std::string reason = std::strerror(error);
    if (error != ENOENT) throw usage_error(path, "expected a YAML file: " + reason);
    std::vector<std::string> files;
    const auto parent = std::filesystem::path(path).parent_path();
    for (const auto& entry : std::filesystem::directory_iterator(parent.empty() ? "." : parent, ignored))
      if (entry.path().extension() == ".yaml") files.push_back((parent / entry.path().filename()).string());
    const auto near = nearest(path, files);
    throw usage_error(path, "expected a YAML file: " + reason,
                      near.empty() ? "" : fmt::format("Did you mean {}?", near[0]));
  }
  std::string text(kLargestConfigBytes + 1, '\0');
  in.read(text.data(), static_cast<std::streamsize>(text.size()));
  if (in.bad()) throw usage_error(path, fmt::format("expected a readable file: {}", std::strerror(errno)));
  text.resize(static_cast<size_t>(in.gcount()));
  if (text.size() > kLargestConfigBytes)
    throw usage_error(path, fmt::format("expected at most {} of YAML, found more", format_bytes(kLargestConfigBytes)));
  return text;
}

ExperimentConfig load_config(const std::string& path, const ConfigChanges& changes) {
  return parse_config(read_config(path), path, changes);
}

ExperimentConfig parse_config(std::string text, const std::string& file, const ConfigChanges& changes) {
  YamlNode root = parse_yaml(text, file.empty() ? "command line" : file, !file.empty());
  if (root.where.empty()) root.where = file.empty() ? "command line" : file;
  if (root.kind == YamlNode::Kind::map)
    for (const auto& [option, overrides] : {std::pair("--set", &changes.set), std::pair("--vary", &changes.vary)})
      for (const std::string& override : *overrides) apply_override(root, override, option);
  ExperimentDraft draft;
  read_map(draft, root, experiment_keys(), "", "");
  draft.config.file = file;
  draft.config.text = std::move(text);
  draft.config.overrides = changes.set;
  draft.config.overrides.insert(draft.config.overrides.end(), changes.vary.begin(), changes.vary.end());
  draft.config.single = is_single(root);
  if (changes.vary.empty()) draft.config.vary = check_vary(root, draft.config.single);  // once, not for each cell
  std::vector<TenantDraft> tenants = read_tenants(root, draft.config.single);
  if (changes.one_place)
    for (TenantDraft& tenant : tenants) tenant.config.out_dir.clear();
  return resolve(std::move(draft), std::move(tenants), changes.suffix);
}

}  // namespace cotenant
