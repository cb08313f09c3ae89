#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "model/spec.h"

// Architectures that are known without any file, as their config.json on the Hugging Face Hub describes them.
namespace cotenant {

struct Preset {
  std::string organisation;        // of the Hub
  std::vector<std::string> names;  // without it; all of one architecture, the best known first
  ModelSpec spec;

  bool needs_organisation = true;  // false: the Hub also knows it by its bare name, as in "distilgpt2"
  bool gated = false;              // a licence must be accepted and a token used to download it

  // Its names as users write them: "distilgpt2", "meta-llama/Llama-3.2-3B-Instruct".
  std::vector<std::string> hub_spellings() const;
};

std::span<const Preset> presets();

// By "organisation/name" or by the bare name; nullptr: not known.
const Preset* find_preset(std::string_view name);

// Every way to write a model's name on the Hub, `name` first; used to look for it in a cache.
std::vector<std::string> hub_names(const std::string& name);

// All that find_preset would accept in its usual spelling; for messages.
std::vector<std::string> known_names();

}  // namespace cotenant
