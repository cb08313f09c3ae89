#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <limits>

namespace cotenant {

// How late requests were sent: counts in classes whose width is 1/16 of their value, in memory that does not grow.
class LagHistogram {
 public:
  void add(int64_t lag_ns) {
    const auto lag = static_cast<uint64_t>(std::max<int64_t>(lag_ns, 0));
    ++counts_[class_of(lag)];
    ++count_;
    most_ns_ = std::max(most_ns_, static_cast<int64_t>(lag));
  }

  int64_t count() const { return count_; }
  int64_t most_ns() const { return most_ns_; }

  // The least class that so many (0 to 1) of them are in or below: its upper end, at most 1/16 above the exact value. 0
  // where there are none.
  int64_t at(double share) const {
    const double wanted = share * static_cast<double>(count_);
    int64_t seen = 0;
    for (size_t i = 0; i < counts_.size(); ++i) {
      seen += counts_[i];
      if (seen > 0 && static_cast<double>(seen) >= wanted) return std::min(upper_end(i), most_ns_);
    }
    return 0;
  }

 private:
  static constexpr int kBits = 4;  // of a value that its class keeps, behind the leading one

  static size_t class_of(uint64_t lag) {
    const int drop = std::max(0, static_cast<int>(std::bit_width(lag)) - (kBits + 1));
    return (static_cast<size_t>(drop) << kBits) + static_cast<size_t>(lag >> drop);
  }
  static int64_t upper_end(size_t i) {
    if (i < (size_t{2} << kBits)) return static_cast<int64_t>(i);
    const size_t drop = (i >> kBits) - 1;
    const uint64_t kept = i - (drop << kBits);
    return static_cast<int64_t>(((kept + 1) << drop) - 1);
  }

  std::array<int64_t, size_t{64 - kBits} << kBits> counts_{};
  int64_t count_ = 0, most_ns_ = 0;
};

}  // namespace cotenant
