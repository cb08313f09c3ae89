#include "config/experiment.h"

#include "base/path_component.h"

namespace cotenant {

std::string place(const TenantConfig& tenant, std::string_view key) {
  std::string text = tenant.where.empty() ? "" : tenant.where + ": ";
  text += "tenant " + tenant.name;
  if (!key.empty()) text.append(": ").append(key);
  return text;
}

std::string directory_name(std::string_view name) {
  return path_component(name);
}

std::string default_name(std::string_view model) {
  // A path says more by its end, a name on Hugging Face as a whole.
  const bool is_path = model.starts_with('/') || model.starts_with('.') || model.starts_with('~');
  while (model.size() > 1 && model.ends_with('/')) model.remove_suffix(1);
  if (is_path) model = model.substr(model.rfind('/') + 1);
  std::string name = directory_name(model).substr(0, 80);
  while (!name.empty() && (static_cast<unsigned char>(name.back()) & 0xc0) == 0x80) name.pop_back();
  if (name.empty() || name.front() == '.') name.insert(0, "model");
  return name;
}

}  // namespace cotenant
