#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>

#include "base/fd.h"
#include "base/open_file.h"

// Reading files that somebody else may have written, in bounded time and memory.
namespace cotenant {

class InputFile {
 public:
  explicit InputFile(std::filesystem::path path, Links links = Links::refused);  // throws as open_regular_file

  const std::filesystem::path& path() const { return path_; }
  uint64_t bytes() const { return bytes_; }  // when it was opened

  // Reads what comes next; 0 at the end. Throws usage_error with the system's reason.
  size_t read_some(char* to, size_t most) const;

  // Fills `to` from `offset` on; any thread. Throws usage_error when the file ends before: it was cut since.
  void read_at(uint64_t offset, std::span<std::byte> to) const;

 private:
  std::filesystem::path path_;
  Fd fd_;
  uint64_t bytes_ = 0;
};

// The whole of a file that is kept in memory as text. Throws as InputFile does, and usage_error when it has more than
// `most_bytes`.
std::string read_file(const std::filesystem::path& path, size_t most_bytes, Links links = Links::refused);

}  // namespace cotenant
