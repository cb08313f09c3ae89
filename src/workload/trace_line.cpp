#include "workload/trace_line.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <utility>

#include "base/iso_time.h"
#include "workload/spec.h"

namespace cotenant {
namespace {

constexpr double kMostInstantNs = 9e18;

std::string quoted(std::string_view text) {
  constexpr size_t most = 60;
  return fmt::format("\"{}{}\"", text.substr(0, most), text.size() > most ? "..." : "");
}

bool all_digits(std::string_view text) {
  return std::ranges::all_of(text, [](char c) { return c >= '0' && c <= '9'; });
}

// "12.3450" of units of 10^digits ns; nullopt: it is written otherwise, or too large.
std::optional<int64_t> plain_decimal(std::string_view text, int digits) {
  const size_t point = std::min(text.find('.'), text.size());
  std::string_view whole = text.substr(0, point), part = text.substr(std::min(point + 1, text.size()));
  if ((whole.empty() && part.empty()) || !all_digits(whole) || !all_digits(part)) return std::nullopt;
  int64_t value = 0;
  const auto append = [&](int digit) {
    return !__builtin_mul_overflow(value, int64_t{10}, &value) &&
           !__builtin_add_overflow(value, int64_t{digit}, &value);
  };
  for (const char c : whole)
    if (!append(c - '0')) return std::nullopt;
  for (int place = 0; place < digits; ++place)
    if (!append(static_cast<size_t>(place) < part.size() ? part[static_cast<size_t>(place)] - '0' : 0))
      return std::nullopt;
  return value;
}

std::optional<double> any_number(std::string_view text) {
  double number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  return error == std::errc() && end == text.data() + text.size() ? std::optional(number) : std::nullopt;
}

}  // namespace

TraceName trace_name(std::string_view name) {
  std::string key;
  if (name.size() > 64) return {};
  for (const char c : name)
    if (c != ' ' && c != '_') key += static_cast<char>(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
  if (key == "timestamp") return {.role = TraceRole::instant, .plain = true};
  if (key == "timestamps") return {.role = TraceRole::instant};
  if (key == "timestampms") return {.role = TraceRole::instant, .digits = 6};
  if (key == "timestampns") return {.role = TraceRole::instant, .digits = 0};
  if (key == "inputlength") return {.role = TraceRole::prompt, .mooncakes = true};
  if (key == "outputlength") return {.role = TraceRole::answer, .mooncakes = true};
  constexpr std::array prompts = {"inputtokens", "prompttokens", "contexttokens", "requesttokens"};
  constexpr std::array answers = {"outputtokens", "completiontokens", "generatedtokens", "responsetokens"};
  if (std::ranges::find(prompts, key) != prompts.end()) return {.role = TraceRole::prompt};
  if (std::ranges::find(answers, key) != answers.end()) return {.role = TraceRole::answer};
  return {};
}

int64_t trace_instant_ns(double number, int digits) {
  const double ns = number * (digits == 9 ? 1e9 : digits == 6 ? 1e6 : 1);
  if (number < 0) throw BadTraceLine{fmt::format("its instant is negative ({:g})", number)};
  if (!(ns < kMostInstantNs)) throw BadTraceLine{fmt::format("its instant, {:g}, is beyond all times", number)};
  return std::llround(ns);
}

int64_t trace_instant_ns(std::string_view text, int digits) {
  if (const auto ns = plain_decimal(text, digits)) return *ns;
  if (const auto number = any_number(text)) return trace_instant_ns(*number, digits);
  const auto ns = ns_of_iso_time(text);
  if (!ns) throw BadTraceLine{fmt::format("its instant, {}, is neither a number nor a date", quoted(text))};
  if (*ns < 0) throw BadTraceLine{fmt::format("its instant, {}, is before 1970", quoted(text))};
  return *ns;
}

int32_t trace_tokens(std::string_view text, std::string_view name) {
  double count = -1;
  if (text.size() <= 7 && !text.empty() && all_digits(text)) {  // the usual way, and quicker
    count = 0;
    for (const char c : text) count = 10 * count + (c - '0');
  } else {
    const auto number = any_number(text);
    if (!number || *number != std::floor(*number))
      throw BadTraceLine{fmt::format("its {}, {}, is no count of tokens", quoted(name), quoted(text))};
    count = *number;
  }
  if (count < 0) throw BadTraceLine{fmt::format("its {} is negative ({:g})", quoted(name), count)};
  if (count > most_tokens_of_sequence)
    throw BadTraceLine{
        fmt::format("its {} is {:.0f}, and at most {} can be sent", quoted(name), count, most_tokens_of_sequence)};
  return static_cast<int32_t>(count);
}

}  // namespace cotenant
