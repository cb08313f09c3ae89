#include "base/cache.h"

#include <spdlog/spdlog.h>
#include <unistd.h>

#include <cctype>
#include <cerrno>
#include <cstdlib>
#include <system_error>
#include <utility>

#include "base/error.h"
#include "base/input_file.h"
#include "base/json_text.h"
#include "base/new_file.h"

namespace cotenant {

namespace fs = std::filesystem;

namespace {

constexpr size_t kMostCacheBytes = size_t{16} << 20;

// Returns whether it could; leaves nothing half done.
bool replace_cache_file(const fs::path& file, const std::string& text) {
  std::error_code failed;
  fs::create_directories(file.parent_path(), failed);
  try {
    ReplacementFile replacement(file);
    for (size_t done = 0; done < text.size();) {
      const ssize_t n = ::write(replacement.fd(), text.data() + done, text.size() - done);
      if (n < 0 && errno == EINTR) continue;
      if (n <= 0) return false;
      done += static_cast<size_t>(n);
    }
    replacement.commit();
    return true;
  } catch (const Error&) {
    return false;
  }
}

}  // namespace

fs::path cache_directory() {
  if (const char* cache = std::getenv("XDG_CACHE_HOME"); cache && *cache) return fs::path(cache) / "cotenant";
  if (const char* home = std::getenv("HOME"); home && *home) return fs::path(home) / ".cache" / "cotenant";
  return {};
}

std::string cache_name(const std::string& text) {
  std::string name = text;
  for (char& c : name) {
    const auto byte = static_cast<unsigned char>(c);
    c = std::isalnum(byte) ? static_cast<char>(std::tolower(byte)) : '-';
  }
  return name;
}

CacheFile::CacheFile(const std::string& name, std::string identity)
    : path_(cache_directory()), identity_(std::move(identity)) {
  if (!path_.empty()) path_ /= name;
}

std::optional<std::string> CacheFile::read() const {
  const std::string first_line = identity_ + "\n";
  std::error_code error;
  if (path_.empty() || !fs::exists(path_, error)) return std::nullopt;
  try {
    std::string text = read_file(path_, kMostCacheBytes, Links::followed);
    if (!text.starts_with(first_line)) return std::nullopt;
    text.erase(0, first_line.size());
    if (!json_is_deeper_than(text, deepest_json)) return text;
    spdlog::debug("{}: is nested too deep for a cache, it will be written anew", path_.string());
  } catch (const Error& e) {
    spdlog::debug("{}: not a cache, it will be written anew ({})", path_.string(), e.what());
  }
  return std::nullopt;
}

void CacheFile::write(const std::string& json) const {
  if (path_.empty() || replace_cache_file(path_, identity_ + "\n" + json + "\n")) return;
  spdlog::warn(
      "{}: cannot be written; every start will time its products again. Set XDG_CACHE_HOME to a place that can.",
      path_.string());
}

}  // namespace cotenant
