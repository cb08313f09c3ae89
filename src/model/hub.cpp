#include "model/hub.h"

#include <algorithm>
#include <cctype>
#include <cstdlib>
#include <system_error>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/input_file.h"
#include "base/text.h"

namespace cotenant {
namespace {

namespace fs = std::filesystem;

// The value of an environment variable as a path, a leading ~ replaced; empty: not set.
fs::path path_from_environment(const char* variable) {
  const char* value = std::getenv(variable);
  return value == nullptr ? fs::path() : fs::path(expand_home(value));
}

Error unreadable(const fs::path& path, const std::error_code& error) {
  return usage_error(path.string(), "cannot be looked at: " + error.message(),
                     "Make it readable for this user, or name another cache in HF_HUB_CACHE.");
}

// A model's name is "name" or "organisation/name"; anything else must not become part of a path.
bool is_hub_name(const std::string& name) {
  const auto is_plain = [](unsigned char c) { return std::isalnum(c) || c == '-' || c == '_' || c == '.' || c == '/'; };
  return !name.empty() && std::all_of(name.begin(), name.end(), is_plain) &&
         std::count(name.begin(), name.end(), '/') <= 1 && name.front() != '.' && name.front() != '/' &&
         name.find("..") == std::string::npos;
}

std::string repository_folder(const std::string& name) {
  std::string folder = "models--" + name;
  if (const size_t slash = folder.find('/'); slash != std::string::npos) folder.replace(slash, 1, "--");
  return folder;
}

// The commit that refs/main names; empty: there is none.
std::string main_commit(const fs::path& repository) {
  constexpr size_t kMostBytes = 4096;
  const fs::path file = repository / "refs" / "main";
  if (!is_there(file)) return {};
  std::string commit = read_file(file, kMostBytes, Links::followed);
  std::erase_if(commit, [](unsigned char c) { return std::isspace(c); });
  return is_hub_name(commit) ? commit : std::string();
}

bool is_model(const fs::path& directory) {
  return is_there(directory / "config.json");
}

std::optional<fs::path> newest_snapshot(const fs::path& snapshots) {
  if (!is_there(snapshots)) return std::nullopt;
  std::error_code error;
  std::optional<std::pair<fs::file_time_type, fs::path>> newest;
  for (const auto& entry : fs::directory_iterator(snapshots, error)) {
    std::error_code ignored;
    if (!entry.is_directory(ignored) || !is_model(entry.path())) continue;
    const auto found = std::pair(fs::last_write_time(entry.path(), ignored), entry.path());
    if (!newest || found > *newest) newest = found;
  }
  if (error) throw unreadable(snapshots, error);
  return newest ? std::optional(newest->second) : std::nullopt;
}

std::optional<fs::path> find_snapshot(const fs::path& repository) {
  const std::string commit = main_commit(repository);
  if (!commit.empty() && is_model(repository / "snapshots" / commit)) return repository / "snapshots" / commit;
  return newest_snapshot(repository / "snapshots");
}

}  // namespace

fs::path hub_cache() {
  for (const char* variable : {"HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE"})
    if (const fs::path path = path_from_environment(variable); !path.empty()) return path;
  if (const fs::path path = path_from_environment("HF_HOME"); !path.empty()) return path / "hub";
  if (const fs::path path = path_from_environment("XDG_CACHE_HOME"); !path.empty()) return path / "huggingface" / "hub";
  return path_from_environment("HOME") / ".cache" / "huggingface" / "hub";
}

std::vector<fs::path> hub_caches() {
  std::vector<fs::path> caches;
  if (const fs::path path = path_from_environment("TRANSFORMERS_CACHE"); !path.empty()) caches.push_back(path);
  if (const fs::path path = hub_cache(); caches.empty() || caches.front() != path) caches.push_back(path);
  return caches;
}

std::optional<fs::path> find_in_hub_cache(const std::string& name) {
  if (!is_hub_name(name)) return std::nullopt;
  for (const fs::path& cache : hub_caches())
    if (auto snapshot = find_snapshot(cache / repository_folder(name))) return snapshot;
  return std::nullopt;
}

bool is_there(const fs::path& path) {
  std::error_code error;
  const fs::file_status status = fs::status(path, error);
  if (error == std::errc::filename_too_long) return false;
  if (status.type() == fs::file_type::none) throw unreadable(path, error);
  return fs::exists(status);
}

}  // namespace cotenant
