#pragma once

#include <filesystem>
#include <string>
#include <string_view>

#include "base/fd.h"

// A file that is being written, buffered; every write, flush and close is checked. A full disk, a quota and a file-size
// limit are usage_errors (exit code 2: the user can mend them), other failures system_errors.
namespace cotenant {

class OutputFile {
 public:
  explicit OutputFile(std::filesystem::path path);  // created anew
  OutputFile(OutputFile&&) = default;
  ~OutputFile() = default;  // without close() the file is abandoned: what was buffered is lost

  void write(std::string_view text);
  void flush();
  void close();  // flushes too

  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
  Fd fd_;
  std::string buffer_;
};

// Writes a whole file by way of a temporary one beside it, so that a reader sees the old text or the new one.
void write_file(const std::filesystem::path& path, std::string_view text);

}  // namespace cotenant
