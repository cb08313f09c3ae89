#pragma once

#include <optional>
#include <span>
#include <vector>

#include "analysis/analysis.h"
#include "analysis/load.h"

namespace cotenant {

Spread spread_of(std::span<const double> values);

// Of equal tenants: of their means of the chosen column. nullopt with fewer than two tenants, or one without values.
std::optional<Fairness> fairness_of_means(const std::vector<TenantAnalysis>& tenants, Metric metric);

// Of progress; at a quantile: of the column there, alone over shared. nullopt with fewer than two tenants, or one
// without progress.
std::optional<Fairness> fairness_of_progress(const std::vector<TenantAnalysis>& tenants);

// For each work that two tenants or more of one device do, in the order of the tenants: how far their work rates are
// apart. Not of works of which a tenant did nothing.
std::vector<RateSpread> rate_spreads_of(const std::vector<LoadedTenant>& tenants);

// Pairs of more tenants than these are not tested: nobody reads half a million tests.
constexpr size_t most_tenants_paired = 64;

// The study's tests between all tenants, over the chosen column. nullopt with fewer than two tenants, or with one of
// fewer than two samples. No pairs with more tenants than most_tenants_paired.
std::optional<Significance> significance_of(const std::vector<TenantAnalysis>& tenants);

}  // namespace cotenant
