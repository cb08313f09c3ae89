#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "stats/random.h"

// The circular block bootstrap (Politis and Romano 1992): whole blocks of consecutive values are drawn with
// replacement, so that the resamples keep the likeness of neighbours, which a plain bootstrap would lose.
namespace cotenant {

// Values a block should have: twice the integrated autocorrelation time, so that blocks are about independent, and so
// many that there are at most 500 blocks. At least 1.
size_t block_length(std::span<const double> values);

// How many such blocks the values make. Below 30 no verdict is based on them.
size_t block_count(std::span<const double> values);

struct PercentileInterval {
  double low = 0, high = 0;
};

// The central part of the replicates that holds `confidence` of them. Not empty; NaN are left out.
PercentileInterval percentile_interval(std::vector<double> replicates, double confidence = 0.95);

// Replicates of the mean.
std::vector<double> bootstrap_mean(std::span<const double> values, size_t replicates, SplitMix64& random);

// Replicates of the q-quantile, as the least order statistic whose share is at least q (no interpolation).
std::vector<double> bootstrap_quantile(std::span<const double> values, double q, size_t replicates, SplitMix64& random);

}  // namespace cotenant
