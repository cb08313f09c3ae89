#include "model/open.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <filesystem>
#include <optional>
#include <system_error>
#include <vector>

#include "base/error.h"
#include "base/text.h"
#include "model/config_json.h"
#include "model/hub.h"
#include "model/presets.h"
#include "model/weights.h"

namespace cotenant {
namespace {

namespace fs = std::filesystem;

// What a name stands for.
struct Found {
  ModelSpec spec;
  std::optional<fs::path> directory;  // of its files; nullopt: only the architecture is known
};

bool is_directory(const fs::path& path) {
  std::error_code ignored;
  return fs::is_directory(path, ignored);
}

bool looks_like_path(const std::string& name) {
  return name.starts_with('/') || name.starts_with("./") || name.starts_with("../") || name.starts_with('~');
}

std::string names_of_caches() {
  std::vector<std::string> names;
  for (const fs::path& cache : hub_caches()) names.push_back(cache.string());
  return fmt::format("{}", fmt::join(names, " or "));
}

Error unknown_model(const std::string& name) {
  const std::vector<std::string> near = nearest(name, known_names(), 3);
  const std::string meant = near.empty() ? "" : fmt::format("Did you mean {}? ", fmt::join(near, " or "));
  return usage_error(
      name,
      fmt::format("unknown model: no directory, not in the Hugging Face cache {} and no known name", names_of_caches()),
      meant + "`cotenant models` lists the known names; `hf download " + name + "` fetches any other.");
}

Found in_directory(const fs::path& directory) {
  if (!is_there(directory / "config.json"))
    throw usage_error(directory.string(), "is a directory without config.json",
                      "A model's directory holds config.json and model.safetensors, as `hf download` writes them.");
  return {read_config_json(directory / "config.json"), directory};
}

// `may_be_unreadable`: a cache that cannot be looked at counts as empty.
std::optional<fs::path> in_cache(const std::string& name, bool may_be_unreadable) {
  try {
    for (const std::string& spelling : hub_names(name))
      if (auto directory = find_in_hub_cache(spelling)) return directory;
  } catch (const Error&) {
    if (!may_be_unreadable) throw;
  }
  return std::nullopt;
}

// Random weights of a built-in architecture need nothing from the cache.
Found find_model(const std::string& name, const std::string& weights) {
  if (name.empty()) throw usage_error("", "the model's name is empty", "`cotenant models` lists the known names.");
  const Preset* preset = find_preset(name);
  // A directory that merely shares a known model's name, such as an experiment's, is not the model.
  const bool shadowed = preset != nullptr && !is_there(fs::path(name) / "config.json");
  if (is_directory(name) && !shadowed) return in_directory(name);
  if (looks_like_path(name)) throw usage_error(name, "no such directory");
  if (const auto directory = in_cache(name, preset != nullptr && weights == "random")) return in_directory(*directory);
  if (preset != nullptr) return {preset->spec, std::nullopt};
  throw unknown_model(name);
}

bool is_path(const std::string& weights) {
  return weights != "auto" && weights != "random";
}

// `weights` as a path describes itself where it has a config.json; otherwise the name says what it holds.
Found find_with_weights(const std::string& name, const std::string& weights) {
  if (!is_path(weights)) return find_model(name, weights);
  if (!is_directory(weights))
    throw usage_error(weights, "no such directory", "weights is auto, random or the directory of the weights.");
  if (is_there(fs::path(weights) / "config.json")) return in_directory(weights);
  return {find_model(name, weights).spec, weights};
}

// What `hf download` takes: with the organisation, where it is known.
std::string download_name(const std::string& name) {
  const Preset* preset = find_preset(name);
  return preset == nullptr || name.find('/') != std::string::npos ? name : preset->organisation + "/" + name;
}

std::string why_random(const std::string& name, const std::string& weights, const Found& found) {
  if (weights == "random") return "as asked";
  if (found.directory && is_there(*found.directory / "pytorch_model.bin"))
    return fmt::format("{} has pytorch_model.bin, but no model.safetensors", found.directory->string());
  if (found.directory) return fmt::format("{} has no model.safetensors", found.directory->string());
  return fmt::format("{} is not in {}; `hf download {}` fetches it", name, names_of_caches(), download_name(name));
}

}  // namespace

ModelSpec open_spec(const std::string& name, const std::string& weights) {
  return find_with_weights(expand_home(name), expand_home(weights)).spec;
}

Model open_model(const std::string& name, const std::string& weights, uint64_t seed) {
  const Found found = find_with_weights(expand_home(name), expand_home(weights));
  const bool from_files = weights != "random" && found.directory && has_weights(*found.directory);
  if (is_path(weights) && !from_files)
    throw usage_error(weights, "holds neither model.safetensors nor model.safetensors.index.json",
                      "weights is auto, random or the directory of the weights.");
  Model model = from_files ? load_weights(found.spec, *found.directory) : random_model(found.spec, seed);
  model.name = name;
  if (!from_files) model.origin += ": " + why_random(name, weights, found);
  return model;
}

}  // namespace cotenant
