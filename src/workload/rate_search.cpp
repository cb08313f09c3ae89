#include "workload/rate_search.h"

#include <cmath>

namespace cotenant {

std::optional<double> RateSearch::next() const {
  if (carried_ && refused_)
    return *refused_ / *carried_ > within_ ? std::optional(std::sqrt(*carried_ * *refused_)) : std::nullopt;
  const double multiple = carried_ ? *carried_ * 2 : refused_ ? *refused_ / 2 : 1;
  return multiple > most || multiple < 1 / most ? std::nullopt : std::optional(multiple);
}

void RateSearch::note(double multiple, bool carried) {
  (carried ? carried_ : refused_) = multiple;
}

}  // namespace cotenant
