#include "case.h"

#include <charconv>
#include <map>
#include <sstream>
#include <vector>

#include "base/error.h"
#include "model/open.h"

namespace cotenant {
namespace {

int64_t positive(const std::string& text) {
  int64_t value = 0;
  const auto [rest, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || rest != text.data() + text.size() || value < 1)
    throw usage_error(text, "expected a number of at least 1");
  return value;
}

}  // namespace

BenchCase parse_case(const std::string& text) {
  std::vector<std::string> parts;
  std::istringstream stream(text);
  for (std::string part; std::getline(stream, part, ':');) parts.push_back(part);
  if (parts.size() < 3 || parts.size() > 4) throw usage_error(text, "expected model:rows:seq_len[:max_new_tokens]");
  return {.model = parts[0],
          .rows = positive(parts[1]),
          .seq_len = positive(parts[2]),
          .max_new_tokens = parts.size() == 4 ? positive(parts[3]) : 0};
}

Model open_bench_model(const BenchCase& bench, const std::string& weights) {
  // The peer's short names (bench/peers/hf_torch.py).
  static const std::map<std::string, std::string> full{{"distilbert", "distilbert-base-uncased"},
                                                       {"llama-3.2-3b", "meta-llama/Llama-3.2-3B"},
                                                       {"mistral-7b", "mistralai/Mistral-7B-Instruct-v0.2"}};
  const auto found = full.find(bench.model);
  return open_model(found == full.end() ? bench.model : found->second, weights, 0);
}

}  // namespace cotenant
