#include "workload/workload.h"

namespace cotenant {

double patience_s(const WorkloadSpec& spec, double pass_s) {
  return pass_s + spec.period_ms * 1e-3;
}

Workload::Workload(const WorkloadSpec& spec, int64_t begin_ns)
    : spec_(spec), paced_(static_cast<int64_t>(spec.period_ms * 1e6), begin_ns), due_ns_(paced_.next_ns(begin_ns)) {}

std::optional<DueRequest> Workload::next() const {
  if (over() || in_flight_ >= spec_.concurrency) return std::nullopt;
  return DueRequest{.iter = sent_,
                    .due_ns = due_ns_,
                    .rows = spec_.rows,
                    .seq_len = spec_.seq_len,
                    .max_new_tokens = spec_.max_new_tokens};
}

void Workload::sent() {
  ++sent_;
  ++in_flight_;
}

void Workload::ended(int64_t at_ns) {
  --in_flight_;
  due_ns_ = paced_.next_ns(at_ns);
}

}  // namespace cotenant
