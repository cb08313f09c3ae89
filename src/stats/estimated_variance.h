#pragma once

#include <limits>
#include <span>

// How far a mean may be off: its variance, which is itself estimated, and on how many degrees of freedom. Variances of
// independent parts add up, and Student's t of the degrees that the sum has makes an interval of it.
namespace cotenant {

struct EstimatedVariance {
  double variance = 0;
  double degrees = std::numeric_limits<double>::infinity();  // infinite: known, not estimated
};

// Of the mean of independent values: s^2 / n, on n - 1 degrees. At least two values.
EstimatedVariance variance_of_mean(std::span<const double> values);

// By how much a batch resembles the next, in sequences of batches that have this in common: neighbours_correlation of
// stats/autocorrelation.h, in [0, 0.9].
double correlation_of_batches(std::span<const std::span<const double>> sequences);

// Of the mean of K batches of a sequence, in order of time: s^2 / K (1 + r) / (1 - r), on (K - 1) (1 - r) / (1 + r)
// degrees. Method of batch means (G. S. Fishman, Management Science 24, 1978; A. M. Law, Simulation Modeling and
// Analysis, section 9.5.3) with the factor of an AR(1) process for what batches still share with their neighbours (F.
// W. Zwiers and H. von Storch, Journal of Climate 8, 1995). At least two batches. Without r: their own correlation.
EstimatedVariance variance_of_batch_mean(std::span<const double> batches);
EstimatedVariance variance_of_batch_mean(std::span<const double> batches, double r);

// Of a mean times `factor`.
EstimatedVariance scaled(const EstimatedVariance& of, double factor);

// Of the sum or the difference of independent means; degrees by Welch (Biometrika 34, 1947) and Satterthwaite.
EstimatedVariance operator+(const EstimatedVariance& a, const EstimatedVariance& b);

// Student's t at which (1 - confidence) / 2 remain above, times the deviation.
double half_width(const EstimatedVariance& of, double confidence = 0.95);

}  // namespace cotenant
