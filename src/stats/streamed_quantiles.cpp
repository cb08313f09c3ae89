#include "stats/streamed_quantiles.h"

#include <algorithm>
#include <bit>
#include <utility>

#include "base/error.h"

namespace cotenant {
namespace {

constexpr uint64_t kSign = uint64_t{1} << 63;

// Keys are in the order of their values.
uint64_t key_of(double value) {
  const auto bits = std::bit_cast<uint64_t>(value);
  return bits & kSign ? ~bits : bits | kSign;
}

double value_of(uint64_t key) {
  return std::bit_cast<double>(key & kSign ? key ^ kSign : ~key);
}

uint64_t first_bits(uint64_t key, int bits) {
  return bits == 0 ? 0 : key >> (64 - bits);
}

double rank_of(double quantile, size_t count) {
  return quantile * static_cast<double>(count - 1);
}

}  // namespace

bool StreamedQuantiles::begin_pass() {
  if (known_bits_ < 0) {
    known_bits_ = 0;
    digits_.resize(1);
  } else {
    if (count_ == 0 || known_bits_ == 64) return false;
    if (known_bits_ == 0) set_targets();
    refine_targets();
    known_bits_ += digit_bits_;
    digits_.clear();
    if (known_bits_ == 64) return false;
    for (const Target& target : targets_)
      if (std::ranges::find(digits_, target.prefix, &Digits::prefix) == digits_.end())
        digits_.push_back({target.prefix, {}});
  }
  digit_bits_ = std::min(kDigitBits, 64 - known_bits_);
  return true;
}

void StreamedQuantiles::add(double value) {
  if (known_bits_ == 0) {
    ++count_;
    sum_ += value;
    min_ = std::min(min_, value);
    max_ = std::max(max_, value);
  }
  const uint64_t key = key_of(value), prefix = first_bits(key, known_bits_);
  for (Digits& digits : digits_)
    if (digits.prefix == prefix)
      ++digits.counts[first_bits(key, known_bits_ + digit_bits_) & ((uint64_t{1} << digit_bits_) - 1)];
}

void StreamedQuantiles::set_targets() {
  for (const double quantile : quantiles_) {
    const auto below = static_cast<size_t>(rank_of(quantile, count_));
    targets_.push_back({0, below});
    targets_.push_back({0, std::min(below + 1, count_ - 1)});
  }
}

// The digit of each target is that of the group in which its rank falls.
void StreamedQuantiles::refine_targets() {
  for (Target& target : targets_) {
    const auto& counts = std::ranges::find(digits_, target.prefix, &Digits::prefix)->counts;
    size_t digit = 0;
    while (target.rank >= counts.at(digit)) target.rank -= counts[digit++];
    target.prefix = target.prefix << digit_bits_ | digit;
  }
}

double StreamedQuantiles::at(size_t quantile) const {
  if (known_bits_ != 64) throw internal_error("quantiles", "no values, or not all passes made");
  const double below = value_of(targets_.at(2 * quantile).prefix), above = value_of(targets_[2 * quantile + 1].prefix);
  const double rank = rank_of(quantiles_[quantile], count_);
  return below + (above - below) * (rank - static_cast<double>(static_cast<size_t>(rank)));
}

}  // namespace cotenant
