#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <vector>

#include "analysis/load.h"

// How exactly a run knows its work rates. A run is cut into equal parts, the same for all its tenants; a tenant's rates
// in them are batch means, and what tenants have in common in one part cancels where they are set against each other.
namespace cotenant {

// How many parts: 20, or fewer where the tenant with the fewest requests has not two for each; nullopt below 8, of
// which no variance could be told.
std::optional<size_t> batch_count(double fewest_requests);

// Requests in each of `parts` equal parts of what counts (the window, or without one the tenant's own time); what
// crosses an edge is counted pro rata. The sum is tally.requests. Empty for a tenant without times, without
// requests there, or of no duration.
std::vector<double> requests_by_part(const LoadedTenant& tenant, const std::optional<WindowRecord>& window,
                                     size_t parts);

// Work rates relative to their means: [tenant][part].
using RelativeRates = std::vector<std::vector<double>>;

// In each part, the sum over tenants of weights[t] x rate[t]: of the logarithms of the rates, to the first order.
std::vector<double> contrast_of(const RelativeRates& rates, std::span<const double> weights);

}  // namespace cotenant
