#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "base/error.h"
#include "config/keys.h"
#include "config/load.h"
#include "config/yaml_tree.h"

namespace cotenant {
namespace {

constexpr const char *kBatchSize = "1", *kSeqLen = "128";

// A value from the command line as one YAML scalar or list, so that nothing in it can become a key.
std::string yaml_value(const Key& key, const std::string& value) {
  const bool is_text = key.type == ValueType::text || key.type == ValueType::name;
  const bool is_harmless = !value.empty() && value.find_first_not_of(
                                                 "0123456789abcdefghijklmnopqrstuvwxyz"
                                                 "ABCDEFGHIJKLMNOPQRSTUVWXYZ_.+-,[] ") == std::string::npos;
  return is_text || !is_harmless ? yaml_quoted(value) : value;
}

}  // namespace

std::string flag_default(const Key& key) {
  if (key.path == "batch_size") return kBatchSize;
  if (key.path == "seq_len") return kSeqLen;
  return key.default_text;
}

std::string config_text(const std::vector<std::string>& models, const std::vector<KeyValue>& values) {
  std::string name, top, tenant, batch_size = kBatchSize, seq_len = kSeqLen;
  for (const auto& [path, value] : values) {
    const Key* key = find_key(experiment_keys(), path);
    const bool of_tenant = key == nullptr;
    if (of_tenant) key = find_key(tenant_keys(), path);
    if (key == nullptr || path.find('.') != std::string::npos) throw internal_error(path, "cannot be given as a flag");
    if (path == "experiment_name") {
      name = value;
    } else if (path == "batch_size") {
      batch_size = yaml_value(*key, value);
    } else if (path == "seq_len") {
      seq_len = yaml_value(*key, value);
    } else {
      (of_tenant ? tenant : top) += fmt::format("{}{}: {}\n", of_tenant ? "    " : "", path, yaml_value(*key, value));
    }
  }
  if (name.empty()) {
    std::vector<std::string> names;
    for (const std::string& model : models) names.push_back(default_name(model));
    const std::string shape = fmt::format("_b{}_L{}", batch_size, seq_len);
    name = fmt::format("{}", fmt::join(names, "_")).substr(0, kLongestName - std::min(kLongestName / 2, shape.size())) +
           shape;
  }
  std::string text = fmt::format("experiment_name: {}\n{}tenants:\n", yaml_quoted(name), top);
  for (const std::string& model : models)
    text += fmt::format("  - model_name: {}\n    batch_size: {}\n    seq_len: {}\n{}", yaml_quoted(model), batch_size,
                        seq_len, tenant);
  return text;
}

}  // namespace cotenant
