#pragma once

#include <cstddef>
#include <filesystem>
#include <span>
#include <string>

namespace cotenant {

// A file mapped into memory, read-only, for as long as the object lives.
class MappedFile {
 public:
  // Throws usage_error when it cannot be opened, system_error when it cannot be mapped.
  explicit MappedFile(std::filesystem::path path);
  ~MappedFile();
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;

  const std::filesystem::path& path() const { return path_; }
  std::span<const std::byte> bytes() const { return {data_, size_}; }

  // Lets the system take the pages back that were read so far; reading them again is only slower.
  void drop_pages() const;

 private:
  std::filesystem::path path_;
  const std::byte* data_ = nullptr;
  size_t size_ = 0;
};

// The whole of a small text file. Throws usage_error: it cannot be read, or is larger than `most_bytes`.
std::string read_text_file(const std::filesystem::path& path, size_t most_bytes);

}  // namespace cotenant
