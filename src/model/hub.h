#pragma once

#include <filesystem>
#include <optional>
#include <string>

// The cache that `hf download` and Transformers fill. Nothing is downloaded here.
namespace cotenant {

// HF_HUB_CACHE, else $HF_HOME/hub, else $XDG_CACHE_HOME/huggingface/hub, else ~/.cache/huggingface/hub
// (huggingface_hub, constants.py).
std::filesystem::path hub_cache();

// The directory of "organisation/name" (or "name") in the cache: the snapshot that refs/main names, or the only one
// there is. nullopt: the cache has no config.json of it.
std::optional<std::filesystem::path> find_in_hub_cache(const std::string& name);

}  // namespace cotenant
