#include "results/attainment.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <vector>

namespace cotenant {
namespace {

// Completed ones count where they lie wholly inside, as everywhere; others where they ended.
bool ended_inside(const Iteration& iteration, const std::optional<WindowRecord>& window) {
  if (iteration.status == IterationStatus::ok) return counts(iteration, window);
  const auto& at_s = iteration.end_s ? iteration.end_s : iteration.scheduled_s;
  return !window || !at_s || (*at_s >= window->start_s && *at_s <= window->end_s);
}

}  // namespace

bool meets(const Iteration& iteration, const Objectives& slo) {
  if (iteration.status != IterationStatus::ok) return false;
  if (slo.latency_ms && iteration.latency_ms > *slo.latency_ms) return false;
  if (slo.ttft_ms && !(iteration.ttft_ms && *iteration.ttft_ms <= *slo.ttft_ms)) return false;
  return !(slo.tpot_ms && iteration.tpot_ms && *iteration.tpot_ms > *slo.tpot_ms);
}

bool misses_threshold(const TenantRecord& tenant) {
  return tenant.slo.percentile && tenant.attainment && 100 * tenant.attainment->share() < *tenant.slo.percentile;
}

std::string missed_threshold_text(const TenantRecord& tenant) {
  std::vector<std::string> limits;
  const auto add = [&](const char* name, const std::optional<double>& limit) {
    if (limit) limits.push_back(fmt::format("{} {:g}", name, *limit));
  };
  add("ttft_ms", tenant.slo.ttft_ms);
  add("tpot_ms", tenant.slo.tpot_ms);
  add("latency_ms", tenant.slo.latency_ms);
  const AttainmentRecord attainment = tenant.attainment.value_or(AttainmentRecord{});
  return fmt::format("{:.4g}% of {} requests of {} met its objectives ({}), and slo.percentile asks for {:g}%",
                     100 * attainment.share(), attainment.requests, tenant.name, fmt::join(limits, ", "),
                     tenant.slo.percentile.value_or(0));
}

void AttainmentTally::add(const Iteration& iteration) {
  if (!ended_inside(iteration, window_)) return;
  ++counted_.requests;
  if (!meets(iteration, slo_)) return;
  ++counted_.met;
  tokens_ += (generates_ ? iteration.tokens_out : iteration.tokens_in).value_or(0);
}

AttainmentRecord AttainmentTally::over(double duration_s) const {
  AttainmentRecord record = counted_;
  if (duration_s <= 0) return record;
  record.goodput_requests_per_s = static_cast<double>(record.met) / duration_s;
  record.goodput_tokens_per_s = static_cast<double>(tokens_) / duration_s;
  return record;
}

}  // namespace cotenant
