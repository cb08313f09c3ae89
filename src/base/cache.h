#pragma once

#include <filesystem>
#include <optional>
#include <string>

// What is worth keeping between runs, and can be made anew: one directory of the user's.
namespace cotenant {

// $XDG_CACHE_HOME/cotenant, else ~/.cache/cotenant; empty: neither variable is set.
std::filesystem::path cache_directory();

// A file's name made of a text for people, such as a device's: "NVIDIA H100" becomes "nvidia-h100".
std::string cache_name(const std::string& text);

// One file of it, that holds JSON. It says for what it was made (a device, the versions of libraries and of this
// program); what was made for anything else counts as none, and so does what no cache can be.
class CacheFile {
 public:
  CacheFile(const std::string& name, std::string identity);

  std::optional<std::string> read() const;  // JSON of bounded size and depth, or none
  // Replaces the file whole, and makes the directories above it. Where that cannot be done a warning says so.
  void write(const std::string& json) const;
  const std::filesystem::path& path() const { return path_; }  // empty: there is no place for it

 private:
  std::filesystem::path path_;
  std::string identity_;
};

}  // namespace cotenant
