#include "base/directory.h"

#include "base/error.h"

namespace cotenant {

void make_directory(const std::filesystem::path& path, const std::string& remedy) {
  std::error_code error;
  std::filesystem::create_directories(path, error);
  if (error) throw usage_error(path.string(), "cannot be created: " + error.message(), remedy);
}

}  // namespace cotenant
