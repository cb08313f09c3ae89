#include "base/cache.h"

#include <unistd.h>

#include <cctype>
#include <cerrno>
#include <cstdlib>
#include <system_error>

#include "base/error.h"
#include "base/new_file.h"

namespace cotenant {

namespace fs = std::filesystem;

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

}  // namespace cotenant
