#pragma once

#include <vector>

#include "results/record.h"
#include "results/window.h"

namespace cotenant {

// Whether the numbers of a run can be trusted: fills in `record.validity` from the rest of the record and the samples,
// `samples[i]` being those of record.tenants[i]. `warnings` already there are kept. With `strict` every warning is a
// reason, too. Samples needed for the 95% interval of p99 (368) and the rest are told in docs/metrics.md.
void judge(ExperimentRecord& record, const std::vector<IterationSource>& samples, bool strict);

// Whether a tenant's requests came later than its workload says, by a fault of cotenant's own, so that its latencies
// are not of that workload.
bool sent_late(const TenantRecord& tenant);

// Whether more requests came than the tenant served, so that its latencies depend on the length of the run.
bool queue_grew(const TenantRecord& tenant);

}  // namespace cotenant
