#include "base/iso_time.h"

#include <charconv>
#include <chrono>

namespace cotenant {
namespace {

// Takes a text apart from its front. `good` turns false at the first thing that is not there.
struct Scanner {
  std::string_view rest;
  bool good = true;

  int digits(size_t count) {
    int value = 0;
    const auto [end, error] = std::from_chars(rest.data(), rest.data() + std::min(count, rest.size()), value);
    const bool all = error == std::errc() && end == rest.data() + count && rest[0] != '-';
    good = good && all;
    rest.remove_prefix(all ? count : rest.size());
    return value;
  }
  bool skip(std::string_view any_of) {
    const bool found = !rest.empty() && any_of.find(rest[0]) != any_of.npos;
    if (found) rest.remove_prefix(1);
    return found;
  }
  void expect(std::string_view any_of) { good = skip(any_of) && good; }
};

// The first nine digits; as many as there are must follow.
int64_t fraction_ns(Scanner& text) {
  int64_t value = 0, place_ns = 100'000'000;
  const size_t before = text.rest.size();
  for (; !text.rest.empty() && text.rest[0] >= '0' && text.rest[0] <= '9'; place_ns /= 10) {
    value += place_ns * (text.rest[0] - '0');
    text.rest.remove_prefix(1);
  }
  text.good = text.good && text.rest.size() < before;
  return value;
}

// "Z", "+01:00", "-0730" or nothing.
int seconds_east(Scanner& text) {
  if (text.rest.empty() || text.skip("Zz")) return 0;
  const int sign = text.rest[0] == '-' ? -1 : 1;
  text.expect("+-");
  const int hours = text.digits(2);
  text.skip(":");
  const int minutes = text.rest.empty() ? 0 : text.digits(2);
  text.good = text.good && hours < 24 && minutes < 60;
  return sign * (hours * 3600 + minutes * 60);
}

struct Instant {
  int64_t s = 0, ns = 0;  // since the epoch; the rest of a second
};

std::optional<Instant> instant_of(std::string_view line) {
  Scanner text{line};
  const int year = text.digits(4);
  text.expect("-");
  const int month = text.digits(2);
  text.expect("-");
  const int day = text.digits(2);
  text.expect("Tt ");
  const int hours = text.digits(2);
  text.expect(":");
  const int minutes = text.digits(2);
  const int seconds = text.skip(":") ? text.digits(2) : 0;
  const int64_t part_ns = text.skip(".,") ? fraction_ns(text) : 0;
  const int east = seconds_east(text);
  const std::chrono::year_month_day date{std::chrono::year(year), std::chrono::month(static_cast<unsigned>(month)),
                                         std::chrono::day(static_cast<unsigned>(day))};
  if (!text.good || !text.rest.empty() || !date.ok() || hours > 24 || minutes > 59 || seconds > 60) return std::nullopt;
  const int64_t days = std::chrono::sys_days(date).time_since_epoch().count();
  return Instant{.s = days * 86400 + hours * 3600 + minutes * 60 + seconds - east, .ns = part_ns};
}

}  // namespace

std::optional<double> seconds_of_iso_time(std::string_view text) {
  const auto instant = instant_of(text);
  if (!instant) return std::nullopt;
  return static_cast<double>(instant->s) + static_cast<double>(instant->ns) * 1e-9;
}

std::optional<int64_t> ns_of_iso_time(std::string_view text) {
  const auto instant = instant_of(text);
  int64_t ns = 0;
  if (!instant || __builtin_mul_overflow(instant->s, int64_t{1'000'000'000}, &ns) ||
      __builtin_add_overflow(ns, instant->ns, &ns))
    return std::nullopt;
  return ns;
}

}  // namespace cotenant
