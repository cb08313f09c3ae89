#include "model/open.h"

#include <fmt/format.h>

#include "base/error.h"
#include "base/text.h"
#include "model/presets.h"

namespace cotenant {
namespace {

Error unknown_model(const std::string& name) {
  const std::vector<std::string> known = known_names();
  const std::vector<std::string> near = nearest(name, known, 3);
  const std::string remedy =
      near.empty() ? "`cotenant models` lists the known names."
                   : fmt::format("Did you mean {}? `cotenant models` lists the known names.", fmt::join(near, ", "));
  return usage_error(name, "unknown model: neither a directory nor a known name", remedy);
}

}  // namespace

ModelSpec open_spec(const std::string& name, const std::string&) {
  const Preset* preset = find_preset(name);
  if (preset == nullptr) throw unknown_model(name);
  return preset->spec;
}

Model open_model(const std::string& name, const std::string& weights, uint64_t seed) {
  Model model = random_model(open_spec(name, weights), seed);
  model.name = name;
  return model;
}

}  // namespace cotenant
