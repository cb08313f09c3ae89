#pragma once

#include <span>

// Classical tests of two or more samples, as scipy.stats has them. All assume that samples are independent. A result
// that is not defined (all values equal) is NaN. Every sample has at least one value, and where it says so two.
namespace cotenant {

struct TestResult {
  double statistic = 0;
  double p = 0;
};

using SampleSpans = std::span<const std::span<const double>>;

// Are the variances equal? One-way ANOVA of the distances from each sample's median (Brown and Forsythe 1974; scipy's
// levene with center="median"). At least two samples.
TestResult levene(SampleSpans samples);

// Are the means equal, given equal variances? One-way analysis of variance. At least two samples and more values than
// samples.
TestResult anova(SampleSpans samples);

// Do the samples come from one distribution? Kruskal and Wallis' H with the correction for ties; p by chi-squared with
// k - 1 degrees. Each sample ascending.
TestResult kruskal(SampleSpans sorted_samples);

// Are two means equal, given equal variances (Student) or not (Welch)? Two-sided. At least two values each.
TestResult student_t(std::span<const double> a, std::span<const double> b);
TestResult welch_t(std::span<const double> a, std::span<const double> b);

// Is one of two samples larger? Two-sided; the statistic is U of `a`: the number of pairs with a > b, ties half. Exact
// when one sample has 8 values or fewer and there are no ties; else the normal approximation with corrections for ties
// and continuity, as scipy's mannwhitneyu with method="auto" chooses. Each sample ascending.
TestResult mann_whitney(std::span<const double> sorted_a, std::span<const double> sorted_b);

}  // namespace cotenant
