#pragma once

#include <optional>

namespace cotenant {

// Finds the highest multiple of a load that is still carried: doubles or halves until it lies between one that is and
// one that is not, then divides that interval by its geometric mean until its ends are within a factor of each other.
// It knows neither what a load is nor when one counts as carried: that is for whoever runs it.
class RateSearch {
 public:
  static constexpr double most = 1024;  // and 1 / most: it goes no further

  explicit RateSearch(double within = 1.05) : within_(within) {}

  // The multiple to try next; nothing: the search is over.
  std::optional<double> next() const;
  void note(double multiple, bool carried);

  std::optional<double> highest() const { return carried_; }       // the greatest that was carried
  std::optional<double> lowest_above() const { return refused_; }  // the least that was not

 private:
  double within_;
  std::optional<double> carried_, refused_;
};

}  // namespace cotenant
