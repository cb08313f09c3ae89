#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <utility>
#include <vector>

namespace cotenant {

// Exact quantiles of values that are too many to be held: they are added again in each of a few passes, in any order,
// and every pass fixes some more bits of each order statistic (selection by digits, most significant first). Memory:
// 16 KiB for each order statistic, however many values there are. Interpolates as percentile() does.
//
//   while (quantiles.begin_pass()) for (const double value : values) quantiles.add(value);
class StreamedQuantiles {
 public:
  explicit StreamedQuantiles(std::vector<double> quantiles) : quantiles_(std::move(quantiles)) {}

  // False once everything is known, which for no values is after the first pass.
  bool begin_pass();
  void add(double value);  // no NaN

  size_t count() const { return count_; }
  double mean() const { return sum_ / static_cast<double>(count_); }
  double min() const { return min_; }
  double max() const { return max_; }
  double at(size_t quantile) const;  // that quantile of the constructor's; of at least one value

 private:
  static constexpr int kDigitBits = 11;
  struct Digits {  // of the values whose key begins with `prefix`: how many have which next digit
    uint64_t prefix = 0;
    std::array<size_t, size_t{1} << kDigitBits> counts{};
  };
  struct Target {  // an order statistic: so many values with its prefix are below it
    uint64_t prefix = 0;
    size_t rank = 0;
  };

  void set_targets();
  void refine_targets();

  std::vector<double> quantiles_;
  int known_bits_ = -1, digit_bits_ = 0;  // of the targets' keys, and those of this pass; -1: no pass has begun
  std::vector<Digits> digits_;
  std::vector<Target> targets_;  // of each quantile the order statistics below and above it
  size_t count_ = 0;
  double sum_ = 0;
  double min_ = std::numeric_limits<double>::infinity(), max_ = -min_;
};

}  // namespace cotenant
