#pragma once

#include <span>
#include <vector>

// Corrections of p values for the number of tests, in the order of the input; at most 1. A NaN stays NaN and does not
// count as a test.
namespace cotenant {

// Holm's step-down method (Scandinavian Journal of Statistics 6, 1979): as safe as Bonferroni's and never weaker.
std::vector<double> holm(std::span<const double> p);

// Hochberg's step-up method (Biometrika 75, 1988): Holm's bounds from the greatest p downwards, so that tests which all
// say the same are not outvoted by their number. Keeps the error where Simes' inequality holds, as between tests that
// depend on each other positively, or not at all (S. K. Sarkar, Annals of Statistics 26, 1998).
std::vector<double> hochberg(std::span<const double> p);

}  // namespace cotenant
