#define PCRE2_CODE_UNIT_WIDTH 8
#include "engine/command/progress_pattern.h"

#include <fmt/format.h>
#include <pcre2.h>

#include <charconv>

#include "base/error.h"

namespace cotenant {
namespace {

// Steps of the search, each some nanoseconds; what a line of sense needs is below a thousand.
constexpr uint32_t kMostSteps = 100'000;
constexpr uint32_t kMostHeapKiB = 4096;

const PCRE2_UCHAR* bytes_of(std::string_view text) {
  return reinterpret_cast<const PCRE2_UCHAR*>(text.data());
}

}  // namespace

struct ProgressPattern::Compiled {
  struct Free {
    void operator()(pcre2_code* what) const { pcre2_code_free(what); }
    void operator()(pcre2_match_data* what) const { pcre2_match_data_free(what); }
    void operator()(pcre2_match_context* what) const { pcre2_match_context_free(what); }
  };

  std::unique_ptr<pcre2_code, Free> code;
  std::unique_ptr<pcre2_match_data, Free> data;
  std::unique_ptr<pcre2_match_context, Free> limits;
  int iter_group = 0;  // 0: none

  int match(std::string_view line) const {
    return pcre2_match(code.get(), bytes_of(line), line.size(), 0, 0, data.get(), limits.get());
  }
};

ProgressPattern::ProgressPattern(const std::string& pattern) : compiled_(std::make_unique<Compiled>()) {
  int error = 0;
  size_t at = 0;
  Compiled& c = *compiled_;
  c.code.reset(pcre2_compile(bytes_of(pattern), pattern.size(), 0, &error, &at, nullptr));
  if (!c.code) {
    PCRE2_UCHAR text[256]{};
    pcre2_get_error_message(error, text, sizeof text);
    throw usage_error("", fmt::format("expected a regular expression, found \"{}\": {} at character {}", pattern,
                                      reinterpret_cast<const char*>(text), at + 1));
  }
  c.data.reset(pcre2_match_data_create_from_pattern(c.code.get(), nullptr));
  c.limits.reset(pcre2_match_context_create(nullptr));
  pcre2_set_match_limit(c.limits.get(), kMostSteps);
  pcre2_set_heap_limit(c.limits.get(), kMostHeapKiB);
  const int group = pcre2_substring_number_from_name(c.code.get(), bytes_of("iter"));
  c.iter_group = group > 0 ? group : 0;
  if (c.match("") > 0)
    throw usage_error("", fmt::format("expected a pattern that not every line matches, found \"{}\"", pattern));
}

ProgressPattern::~ProgressPattern() = default;

std::optional<ProgressPattern::Match> ProgressPattern::find(std::string_view line) {
  const Compiled& c = *compiled_;
  const int found = c.match(line);
  if (found < 0 && found != PCRE2_ERROR_NOMATCH) ++given_up_;
  if (found < 0) return std::nullopt;
  Match match;
  if (c.iter_group == 0 || c.iter_group >= found) return match;
  const size_t* range = pcre2_get_ovector_pointer(c.data.get()) + 2 * c.iter_group;
  if (range[0] == PCRE2_UNSET || range[1] < range[0]) return match;
  int64_t iter = 0;
  const auto [end, failed] = std::from_chars(line.data() + range[0], line.data() + range[1], iter);
  if (failed == std::errc() && end == line.data() + range[1]) match.iter = iter;
  return match;
}

}  // namespace cotenant
