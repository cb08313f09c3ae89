#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

// The caches that `hf download` and Transformers fill. Nothing is downloaded here.
namespace cotenant {

// HF_HUB_CACHE, else $HF_HOME/hub, else $XDG_CACHE_HOME/huggingface/hub, else ~/.cache/huggingface/hub
// (huggingface_hub, constants.py).
std::filesystem::path hub_cache();

// Where models are looked for, in this order: TRANSFORMERS_CACHE, which Transformers up to 4 preferred (transformers,
// utils/hub.py), where it is set, and hub_cache().
std::vector<std::filesystem::path> hub_caches();

// The directory of "organisation/name" (or "name") in the caches: the snapshot that refs/main names, or else the newest
// one with a config.json. nullopt: there is none. Throws usage_error where the system does not let us look: a model
// that is there must not be taken for one that is not.
std::optional<std::filesystem::path> find_in_hub_cache(const std::string& name);

// Whether a file or directory is there, links followed. Throws usage_error as find_in_hub_cache does.
bool is_there(const std::filesystem::path& path);

}  // namespace cotenant
