#include "base/new_file.h"

#include <fcntl.h>
#include <sys/random.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <utility>

namespace cotenant {
namespace {

constexpr int kCreate = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC;

}  // namespace

Error file_error(std::string where, const std::string& call) {
  const std::string what = call + ": " + std::strerror(errno);
  switch (errno) {
    case ENOSPC:
    case EDQUOT:
      return usage_error(std::move(where), what, "Free some space, or choose another place.");
    case EFBIG:
      return usage_error(std::move(where), what, "Raise the limit (ulimit -f).");
    case EIO:
    case ESTALE:
      return usage_error(std::move(where), what, "Look at the disk or its server (dmesg), or choose another place.");
    case EACCES:
    case EROFS:
    case EPERM:
    case ENOENT:
    case ENOTDIR:
    case EISDIR:
    case EEXIST:
    case ELOOP:
    case ENAMETOOLONG:
      return usage_error(std::move(where), what, "Choose another place.");
    default:
      return system_error(std::move(where), call);
  }
}

std::string random_name() {
  constexpr std::string_view letters = "abcdefghijklmnopqrstuvwxyz234567";
  std::array<unsigned char, 16> bytes;
  if (::getrandom(bytes.data(), bytes.size(), 0) != static_cast<ssize_t>(bytes.size()))
    throw system_error("random numbers", "getrandom");
  std::string name;
  for (const unsigned char byte : bytes) name += letters[byte % letters.size()];
  return name;
}

Fd create_file(const std::filesystem::path& file, mode_t mode) {
  Fd fd(::open(file.c_str(), kCreate, mode));
  if (!fd) throw file_error(file.string(), "open");
  return fd;
}

ReplacementFile::ReplacementFile(std::filesystem::path file)
    : file_(std::move(file)), temporary_(std::string(kTemporaryPrefix) + random_name()) {
  const std::filesystem::path parent = file_.parent_path();
  directory_ = Fd(::open(parent.empty() ? "." : parent.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!directory_) throw file_error(file_.string(), "open");
  fd_ = Fd(::openat(directory_.get(), temporary_.c_str(), kCreate, 0666));
  if (!fd_) throw file_error(file_.string(), "open");
}

ReplacementFile::~ReplacementFile() {
  if (!temporary_.empty()) ::unlinkat(directory_.get(), temporary_.c_str(), 0);
}

void ReplacementFile::commit() {
  if (::close(fd_.release()) != 0) throw file_error(file_.string(), "close");
  const std::string name = file_.filename().string();
  if (::renameat(directory_.get(), temporary_.c_str(), directory_.get(), name.c_str()) != 0)
    throw file_error(file_.string(), "rename");
  temporary_.clear();
}

}  // namespace cotenant
