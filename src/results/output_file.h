#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <utility>

#include "base/fd.h"

// A file that is being written, buffered; every write, flush and close is checked. Throws as file_error says.
namespace cotenant {

class OutputFile {
 public:
  explicit OutputFile(std::filesystem::path path);  // a new one; refuses what is there already
  // What a user has named as the place of an output: a file (emptied), a pipe, a device; a link is followed. Throws
  // usage_error when it is a file of results or lies among them (own_directory.h).
  static OutputFile named_by_user(std::filesystem::path path);
  OutputFile(OutputFile&&) = default;
  ~OutputFile() = default;  // without close() the file is abandoned: what was buffered is lost

  void write(std::string_view text);
  void flush();
  void close();  // flushes too

  // Whether nobody can find it any more: it was removed while it is being written.
  bool is_gone() const;
  // Copies what was written to a new file, where writing goes on.
  void move_to(std::filesystem::path path);

  const std::filesystem::path& path() const { return path_; }

 private:
  OutputFile(std::filesystem::path path, Fd fd) : path_(std::move(path)), fd_(std::move(fd)) {}

  std::filesystem::path path_;
  Fd fd_;
  std::string buffer_;
};

// Writes a whole file by way of a temporary one beside it (ReplacementFile), so that a reader sees the old text or the
// new one.
void write_file(const std::filesystem::path& path, std::string_view text);

// The same with the contents of another file, which is opened by open_regular_file().
void write_copy(const std::filesystem::path& from, const std::filesystem::path& to);

}  // namespace cotenant
