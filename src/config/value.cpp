#include "config/value.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>
#include <optional>
#include <regex>
#include <string_view>

#include "base/error.h"
#include "base/text.h"

namespace cotenant {
namespace {

bool is_plain(const YamlNode& node) {
  return node.kind == YamlNode::Kind::scalar && !node.quoted;
}

// The words that YAML 1.1 and 1.2 readers take for booleans.
std::optional<bool> as_boolean(const YamlNode& node) {
  if (!is_plain(node)) return std::nullopt;
  for (const char* word : {"true", "True", "TRUE", "yes", "Yes", "YES", "on", "On", "ON"})
    if (node.text == word) return true;
  for (const char* word : {"false", "False", "FALSE", "no", "No", "NO", "off", "Off", "OFF"})
    if (node.text == word) return false;
  return std::nullopt;
}

// std::from_chars knows no plus sign.
std::string_view without_plus(std::string_view number) {
  if (number.starts_with('+')) number.remove_prefix(1);
  return number;
}

// Decimal, without a leading zero: YAML 1.1 reads 010 as eight, YAML 1.2 as ten.
std::optional<int64_t> as_integer(const YamlNode& node) {
  if (!is_plain(node)) return std::nullopt;
  static const std::regex form("[-+]?(0|[1-9][0-9]*)");
  if (node.text.size() > 20 || !std::regex_match(node.text, form)) return std::nullopt;
  const std::string_view digits = without_plus(node.text);
  int64_t value = 0;
  const auto result = std::from_chars(digits.data(), digits.data() + digits.size(), value);
  if (result.ec != std::errc()) return std::nullopt;
  return value;
}

std::optional<double> as_number(const YamlNode& node) {
  if (!is_plain(node)) return std::nullopt;
  static const std::regex form("[-+]?((0|[1-9][0-9]*)(\\.[0-9]*)?|\\.[0-9]+)([eE][-+]?[0-9]+)?");
  if (node.text.size() > 40 || !std::regex_match(node.text, form)) return std::nullopt;
  const std::string_view digits = without_plus(node.text);
  double value = 0;
  const auto result = std::from_chars(digits.data(), digits.data() + digits.size(), value);
  if (result.ec != std::errc() || !std::isfinite(value)) return std::nullopt;
  return value;
}

// Text that is no number or boolean for any reader of YAML.
std::string as_text(const Key& key, const YamlNode& node, const std::string& path) {
  if (node.kind != YamlNode::Kind::scalar) refuse_value(node, path, expectation(key));
  if (as_boolean(node) || as_number(node)) refuse_value(node, path, expectation(key), "Put it into quotes.");
  if (node.text.empty()) refuse_value(node, path, expectation(key));
  if (node.text.size() > kLongestText) refuse_value(node, path, fmt::format("at most {} bytes of text", kLongestText));
  const auto is_control = [](unsigned char c) { return c < 0x20 || c == 0x7f; };
  if (std::any_of(node.text.begin(), node.text.end(), is_control))
    refuse_value(node, path, "text without control characters");
  return node.text;
}

std::string as_name(const Key& key, const YamlNode& node, const std::string& path) {
  const std::string name = as_text(key, node, path);
  if (name.front() == '.' || name.size() > kLongestName) refuse_value(node, path, expectation(key));
  return name;
}

bool matches(const YamlNode& node, std::string_view pattern) {
  return node.kind == YamlNode::Kind::scalar && node.text.size() <= kLongestText &&
         std::regex_match(node.text, std::regex(pattern.begin(), pattern.end()));
}

int64_t as_bytes(const Key& key, const YamlNode& node, const std::string& path) {
  if (!matches(node, kBytesPattern)) refuse_value(node, path, expectation(key));
  const size_t digits = node.text.find_first_not_of("0123456789");
  const int64_t count = std::stoll(node.text.substr(0, digits));
  const std::string unit =
      digits == std::string::npos ? "B" : node.text.substr(node.text[digits] == ' ' ? digits + 1 : digits);
  int shift = 0;
  if (unit[0] == 'K') shift = 10;
  if (unit[0] == 'M') shift = 20;
  if (unit[0] == 'G') shift = 30;
  if (unit[0] == 'T') shift = 40;
  if (count > (kMostBytes >> shift)) refuse_value(node, path, fmt::format("at most {}", format_bytes(kMostBytes)));
  return count << shift;
}

// "0-3,8": 0, 1, 2, 3, 8.
std::vector<int> cpu_ranges(const std::string& text) {
  std::vector<int> cpus;
  static const std::regex range("([0-9]+)(-([0-9]+))?");
  for (std::sregex_iterator it(text.begin(), text.end(), range), end; it != end; ++it) {
    const int first = std::stoi((*it)[1]);
    const int last = (*it)[3].matched ? std::stoi((*it)[3]) : first;
    if (last < first) return {};
    for (int cpu = first; cpu <= last; ++cpu) cpus.push_back(cpu);
  }
  return cpus;
}

std::vector<int> as_cpus(const Key& key, const YamlNode& node, const std::string& path) {
  std::vector<int> cpus;
  if (node.kind == YamlNode::Kind::list) {
    for (const YamlNode& item : node.items) {
      const auto cpu = as_integer(item);
      if (!cpu || *cpu < 0 || *cpu > kHighestCpu)
        refuse_value(item, path, fmt::format("a CPU number from 0 to {}", kHighestCpu));
      cpus.push_back(static_cast<int>(*cpu));
    }
  } else if (matches(node, kCpusPattern)) {
    cpus = cpu_ranges(node.text);
  }
  if (cpus.empty()) refuse_value(node, path, expectation(key));
  std::vector<int> sorted = cpus;
  std::sort(sorted.begin(), sorted.end());
  if (std::adjacent_find(sorted.begin(), sorted.end()) != sorted.end())
    refuse_value(node, path, "each CPU number once");
  if (sorted.back() > kHighestCpu) refuse_value(node, path, fmt::format("CPU numbers from 0 to {}", kHighestCpu));
  return cpus;
}

bool in_range(const Key& key, double value) {
  return value <= key.maximum && (key.above_minimum ? value > key.minimum : value >= key.minimum);
}

std::string as_choice(const Key& key, const YamlNode& node, const std::string& path) {
  if (node.kind == YamlNode::Kind::scalar &&
      std::find(key.choices.begin(), key.choices.end(), node.text) != key.choices.end())
    return node.text;
  const auto near = nearest(node.text, key.choices);
  refuse_value(node, path, expectation(key), near.empty() ? "" : fmt::format("Did you mean {}?", near[0]));
}

std::vector<Step> as_steps(const Key& key, const YamlNode& node, const std::string& path) {
  if (node.kind != YamlNode::Kind::list || node.items.empty() || node.items.size() > kMostSteps)
    refuse_value(node, path, expectation(key));
  std::vector<Step> steps;
  for (const YamlNode& item : node.items) {
    const YamlNode* const rate = item.kind == YamlNode::Kind::map ? item.find("rate") : nullptr;
    const YamlNode* const duration = item.kind == YamlNode::Kind::map ? item.find("duration_s") : nullptr;
    if (rate == nullptr || duration == nullptr || item.entries.size() != 2)
      refuse_value(item, path, "a map of rate and duration_s");
    const auto per_s = as_number(*rate), length_s = as_number(*duration);
    if (!per_s || *per_s < 0 || *per_s > kMostRate)
      refuse_value(*rate, path + ".rate", fmt::format("a number from 0 to {:.0f}", kMostRate));
    if (!length_s || *length_s <= 0 || *length_s > 86400)
      refuse_value(*duration, path + ".duration_s", "a number above 0, at most 86400");
    steps.push_back({.rate = *per_s, .duration_s = *length_s});
  }
  if (std::ranges::all_of(steps, [](const Step& step) { return step.rate == 0; }))
    refuse_value(node, path, "a rate above 0 in one of the steps");
  return steps;
}

// Each as it is written: what looks like a number is text here, too.
std::vector<std::string> as_command(const Key& key, const YamlNode& node, const std::string& path) {
  if (node.kind != YamlNode::Kind::list || node.items.empty() || node.items.size() > kMostArguments)
    refuse_value(node, path, expectation(key),
                 node.kind == YamlNode::Kind::scalar ? "No shell reads it: write [program, argument, ...]." : "");
  std::vector<std::string> command;
  for (const YamlNode& item : node.items) {
    if (item.kind != YamlNode::Kind::scalar || (item.text.empty() && (command.empty() || !item.quoted)))
      refuse_value(item, path, "text");
    if (item.text.size() > kLongestArgument)
      refuse_value(item, path, fmt::format("at most {} bytes of text", kLongestArgument));
    if (item.text.find('\0') != std::string::npos) refuse_value(item, path, "text without a zero byte");
    command.push_back(item.text);
  }
  return command;
}

int as_tokens(const YamlNode* node, const YamlNode& map, const std::string& path) {
  const auto tokens = node ? as_integer(*node) : std::nullopt;
  if (!tokens || *tokens < 1 || *tokens > most_tokens_of_sequence)
    refuse_value(node ? *node : map, path, fmt::format("an integer from 1 to {}", most_tokens_of_sequence));
  return static_cast<int>(*tokens);
}

double as_bounded(const YamlNode* node, const YamlNode& map, const std::string& path, double most) {
  const auto number = node ? as_number(*node) : std::nullopt;
  if (!number || *number <= 0 || *number > most)
    refuse_value(node ? *node : map, path, fmt::format("a number above 0, at most {:.0f}", most));
  return *number;
}

Yielding as_yielding(const Key& key, const YamlNode& node, const std::string& path) {
  if (node.kind != YamlNode::Kind::map) refuse_value(node, path, expectation(key));
  Yielding yield;
  for (const auto& entry : node.entries) {
    const std::string at = path + "." + entry.key;
    const auto number = as_number(entry.value);
    if (entry.key == "quantum_us") {
      if (!number || *number < kLeastQuantum_us || *number > kMostQuantum_us)
        refuse_value(entry.value, at, fmt::format("a number from {:.0f} to {:.0f}", kLeastQuantum_us, kMostQuantum_us),
                     "A gate costs about 1 us: nearer together they would cost more than they give.");
      yield.quantum_us = *number;
    } else if (entry.key == "max_wait_ms") {
      if (!number || *number <= 0 || *number > kMostYield_ms)
        refuse_value(entry.value, at, fmt::format("a number above 0, at most {:.0f}", kMostYield_ms));
      yield.max_wait_ms = *number;
    } else {
      refuse_value(entry.value, at, "quantum_us and max_wait_ms alone");
    }
  }
  return yield;
}

LengthDescription as_length(const Key& key, const YamlNode& node, const std::string& path) {
  if (node.kind == YamlNode::Kind::scalar) {
    if (node.text == to_string(LengthKind::trace)) return {.kind = LengthKind::trace};
    const auto tokens = as_integer(node);
    if (!tokens || *tokens < 1 || *tokens > most_tokens_of_sequence) refuse_value(node, path, expectation(key));
    return {.kind = LengthKind::fixed, .most = static_cast<int>(*tokens)};
  }
  if (node.kind != YamlNode::Kind::map) refuse_value(node, path, expectation(key));
  const YamlNode* const kind = node.find("kind");
  const bool lognormal = kind && kind->text == to_string(LengthKind::lognormal);
  if (!kind || (!lognormal && kind->text != to_string(LengthKind::uniform)))
    refuse_value(kind ? *kind : node, path + ".kind", "uniform or lognormal");
  LengthDescription length{.kind = lognormal ? LengthKind::lognormal : LengthKind::uniform};
  length.least = as_tokens(node.find("least"), node, path + ".least");
  length.most = as_tokens(node.find("most"), node, path + ".most");
  if (length.most < length.least)
    refuse_value(*node.find("most"), path + ".most", fmt::format("at least {}, the shortest", length.least));
  if (lognormal) {
    length.mean = as_bounded(node.find("mean"), node, path + ".mean", most_tokens_of_sequence);
    length.cv = as_bounded(node.find("cv"), node, path + ".cv", 100);
  }
  if (node.entries.size() != (lognormal ? 5u : 3u))
    refuse_value(node, path, lognormal ? "kind, mean, cv, least and most alone" : "kind, least and most alone");
  return length;
}

}  // namespace

Value read_value(const Key& key, const YamlNode& node, const std::string& path) {
  const char* const unquote = node.quoted ? "Remove the quotes." : "";
  switch (key.type) {
    case ValueType::boolean:
      if (const auto value = as_boolean(node)) return *value;
      refuse_value(node, path, expectation(key), unquote);
    case ValueType::integer:
      if (const auto value = as_integer(node); value && in_range(key, static_cast<double>(*value))) return *value;
      refuse_value(node, path, expectation(key), unquote);
    case ValueType::number:
      if (const auto value = as_number(node); value && in_range(key, *value)) return *value;
      refuse_value(node, path, expectation(key), unquote);
    case ValueType::choice:
      return as_choice(key, node, path);
    case ValueType::text:
      return as_text(key, node, path);
    case ValueType::name:
      return as_name(key, node, path);
    case ValueType::device:
      if (matches(node, kDevicePattern)) return node.text;
      refuse_value(node, path, expectation(key));
    case ValueType::url:
      if (matches(node, kUrlPattern)) return node.text;
      refuse_value(node, path, expectation(key));
    case ValueType::bytes:
      return as_bytes(key, node, path);
    case ValueType::cpus:
      return as_cpus(key, node, path);
    case ValueType::length:
      return as_length(key, node, path);
    case ValueType::yield:
      return as_yielding(key, node, path);
    case ValueType::steps:
      return as_steps(key, node, path);
    case ValueType::command:
      return as_command(key, node, path);
    case ValueType::tenant:
    case ValueType::tenants:
    case ValueType::vary:
      break;
  }
  throw internal_error(path, "a map was asked for as a value");
}

void refuse_value(const YamlNode& node, const std::string& path, const std::string& expected,
                  const std::string& remedy) {
  throw usage_error(node.where, fmt::format("{}: expected {}, found {}", path, expected, describe(node)), remedy);
}

}  // namespace cotenant
