#include "results/program_log.h"

#include <system_error>

#include "base/error.h"

namespace cotenant {

template <class What>
void ProgramLog::attempt(const What& what) noexcept {
  try {
    what();
  } catch (const Error& error) {
    problem_ = error.message();
    file_.reset();
  }
}

ProgramLog::ProgramLog(const std::filesystem::path& file) noexcept {
  attempt([&] { file_.emplace(file); });
}

void ProgramLog::append(std::string_view bytes) noexcept {
  if (!file_ || bytes.empty()) return;
  std::error_code error;
  if (const auto room = std::filesystem::space(file_->path(), error);
      !error && bytes_ + bytes.size() > room.available) {
    problem_ = "the file system is almost full, and what is left is for samples";
    return file_.reset();
  }
  const bool is_cut = bytes.size() > most_bytes - bytes_;
  bytes = bytes.substr(0, most_bytes - bytes_);
  bytes_ += bytes.size();
  attempt([&] {
    file_->write(bytes);
    if (is_cut) file_->write("\n[cotenant: what the program printed after these 16 MiB is not kept]\n");
    file_->flush();
  });
  if (is_cut) file_.reset();
}

void ProgramLog::move_to(const std::filesystem::path& file) noexcept {
  if (file_) attempt([&] { file_->move_to(file); });
}

}  // namespace cotenant
