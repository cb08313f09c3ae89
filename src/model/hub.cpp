#include "model/hub.h"

#include <algorithm>
#include <cctype>
#include <cstdlib>
#include <system_error>
#include <vector>

#include "model/files.h"

namespace cotenant {
namespace {

namespace fs = std::filesystem;

// The value of an environment variable as a path, a leading ~ replaced; empty: not set.
fs::path path_from_environment(const char* variable) {
  const char* value = std::getenv(variable);
  if (value == nullptr) return {};
  const std::string text = value;
  const char* home = std::getenv("HOME");
  if (home != nullptr && (text == "~" || text.starts_with("~/"))) return home + text.substr(1);
  return text;
}

// A model's name is "name" or "organisation/name"; anything else must not become part of a path.
bool is_hub_name(const std::string& name) {
  const auto is_plain = [](unsigned char c) { return std::isalnum(c) || c == '-' || c == '_' || c == '.' || c == '/'; };
  return !name.empty() && std::all_of(name.begin(), name.end(), is_plain) &&
         std::count(name.begin(), name.end(), '/') <= 1 && name.front() != '.' && name.front() != '/' &&
         name.find("..") == std::string::npos;
}

fs::path repository_directory(const std::string& name) {
  std::string folder = "models--" + name;
  if (const size_t slash = folder.find('/'); slash != std::string::npos) folder.replace(slash, 1, "--");
  return hub_cache() / folder;
}

// The commit that refs/main names; empty: there is none.
std::string main_commit(const fs::path& repository) {
  constexpr size_t kMostBytes = 4096;
  const fs::path file = repository / "refs" / "main";
  std::error_code ignored;
  if (!fs::is_regular_file(file, ignored)) return {};
  std::string commit = read_text_file(file, kMostBytes);
  std::erase_if(commit, [](unsigned char c) { return std::isspace(c); });
  return is_hub_name(commit) ? commit : std::string();
}

std::optional<fs::path> only_entry(const fs::path& directory) {
  std::vector<fs::path> entries;
  std::error_code missing;
  for (const auto& entry : fs::directory_iterator(directory, missing)) entries.push_back(entry.path());
  return entries.size() == 1 ? std::optional(entries.front()) : std::nullopt;
}

}  // namespace

fs::path hub_cache() {
  for (const char* variable : {"HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE"})
    if (const fs::path path = path_from_environment(variable); !path.empty()) return path;
  if (const fs::path path = path_from_environment("HF_HOME"); !path.empty()) return path / "hub";
  if (const fs::path path = path_from_environment("XDG_CACHE_HOME"); !path.empty()) return path / "huggingface" / "hub";
  return path_from_environment("HOME") / ".cache" / "huggingface" / "hub";
}

std::optional<fs::path> find_in_hub_cache(const std::string& name) {
  if (!is_hub_name(name)) return std::nullopt;
  const fs::path repository = repository_directory(name);
  const std::string commit = main_commit(repository);
  const auto snapshot =
      commit.empty() ? only_entry(repository / "snapshots") : std::optional(repository / "snapshots" / commit);
  std::error_code ignored;
  if (!snapshot || !fs::is_regular_file(*snapshot / "config.json", ignored)) return std::nullopt;
  return snapshot;
}

}  // namespace cotenant
