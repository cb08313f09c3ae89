#include "shipped.h"

#include <algorithm>
#include <fstream>
#include <sstream>

#include "places.h"

namespace cotenant {

std::vector<std::filesystem::path> shipped_configs(const std::string& folder) {
  std::vector<std::filesystem::path> files;
  const auto root = std::filesystem::path(source_dir()) / "configs" / folder;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(root))
    if (entry.path().extension() == ".yaml") files.push_back(entry.path());
  std::sort(files.begin(), files.end());
  return files;
}

std::string read_text(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  std::ostringstream text;
  text << in.rdbuf();
  return text.str();
}

}  // namespace cotenant
