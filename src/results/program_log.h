#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

#include "results/output_file.h"

namespace cotenant {

// What a tenant's program prints, in <tenant>/program.log: up to 16 MiB, then a line says that the rest is missing. It
// also stops where it would take more room than is left behind it, which is for the samples. A log that cannot be
// written ends nothing; problem() says why.
class ProgramLog {
 public:
  static constexpr uint64_t most_bytes = uint64_t{16} << 20;

  explicit ProgramLog(const std::filesystem::path& file) noexcept;

  void append(std::string_view bytes) noexcept;
  void move_to(const std::filesystem::path& file) noexcept;  // with what was written so far

  const std::string& problem() const { return problem_; }  // empty: there is none

 private:
  template <class What>
  void attempt(const What& what) noexcept;

  std::optional<OutputFile> file_;  // none: nothing more is written
  uint64_t bytes_ = 0;
  std::string problem_;
};

}  // namespace cotenant
