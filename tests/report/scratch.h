#pragma once

#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>

#include "base/temporary_directory.h"

namespace cotenant {

// A directory of its own for one test, and files in it.
class Scratch {
 public:
  const std::filesystem::path& path() const { return directory_.path(); }

  std::filesystem::path write(const std::string& name, const std::string& text) const {
    const auto file = path() / name;
    std::filesystem::create_directories(file.parent_path());
    std::ofstream(file, std::ios::binary) << text;
    return file;
  }

 private:
  const TemporaryDirectory directory_;
};

inline std::string text_of(const std::filesystem::path& file) {
  std::ostringstream text;
  text << std::ifstream(file, std::ios::binary).rdbuf();
  return text.str();
}

}  // namespace cotenant
