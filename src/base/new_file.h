#pragma once

#include <sys/types.h>

#include <filesystem>
#include <string>
#include <string_view>

#include "base/error.h"
#include "base/fd.h"

// The one way to create files of ours. Nothing that is already there is opened, followed or cut: a name that somebody
// has put in our way is an error, not a target.
namespace cotenant {

// A system call on a file that is to be written failed. Reads errno. Exit code 2 and a remedy where the reason is the
// user's to mend (a full disk, a limit, a place that cannot be written), else as system_error.
Error file_error(std::string where, const std::string& call);

// Every temporary file and directory of ours begins with this, and ends with random_name().
inline constexpr std::string_view kTemporaryPrefix = ".cotenant-";

// 16 characters that nobody can foretell, from the system's random numbers.
std::string random_name();

// A new file, for writing. Throws file_error, also when there is one, or a link, of that name.
Fd create_file(const std::filesystem::path& file, mode_t mode = 0666);

// A file that takes the place of `file`, or of nothing, in one step: written beside it under a name that nobody can
// foretell. A link at `file` is replaced, not followed. Without commit() it is gone with the object.
class ReplacementFile {
 public:
  explicit ReplacementFile(std::filesystem::path file);  // throws file_error
  ReplacementFile(const ReplacementFile&) = delete;
  ReplacementFile& operator=(const ReplacementFile&) = delete;
  ~ReplacementFile();

  int fd() const { return fd_.get(); }
  void commit();  // closes it; throws file_error

 private:
  std::filesystem::path file_;
  std::string temporary_;
  Fd directory_, fd_;
};

}  // namespace cotenant
