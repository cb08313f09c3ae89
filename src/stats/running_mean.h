#pragma once

#include <optional>

namespace cotenant {

// The mean of the values that are there.
class RunningMean {
 public:
  void add(const std::optional<double>& value) {
    if (!value) return;
    sum_ += *value;
    ++count_;
  }
  std::optional<double> value() const {
    return count_ > 0 ? std::optional(sum_ / count_) : std::nullopt;
  }  // none: no value

 private:
  double sum_ = 0;
  int count_ = 0;
};

}  // namespace cotenant
