#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace cotenant {

// What a program's lines of progress look like: a regular expression of PCRE2 (https://www.pcre.org), in which a group
// may be named iter: the iteration's number. Bytes are compared, as lines need not be UTF-8.
class ProgressPattern {
 public:
  // Throws usage_error, without a place, for what is no pattern, or one that every line matches.
  explicit ProgressPattern(const std::string& pattern);
  ~ProgressPattern();
  ProgressPattern(const ProgressPattern&) = delete;

  struct Match {
    std::optional<int64_t> iter;  // none: it has no such group, or no number in it
  };
  // Takes at most some milliseconds, whatever pattern and line: what would take longer is no match, and counted.
  std::optional<Match> find(std::string_view line);
  int64_t given_up() const { return given_up_; }

 private:
  struct Compiled;
  std::unique_ptr<Compiled> compiled_;
  int64_t given_up_ = 0;
};

}  // namespace cotenant
