#include "driver/deadlines.h"

#include <algorithm>

namespace cotenant {
namespace {

// Slower than any machine that should run this.
constexpr double kBytesPerS = 20e6;            // from a disk, or generated
constexpr double kFlopsPerS = 500e6;           // of one tenant among many
constexpr double kLeaveS = 10, kWriteS = 120;  // the latter also to write down millions of kernels
constexpr double kStartS = 180;                // of a program that is not ours, as imports from a slow disk take
constexpr double kCalibrations = 20;           // requests that a stressor tries before it knows their size

}  // namespace

Deadlines Deadlines::of(const RunPlan& plan, std::optional<double> fixed_s) {
  double bytes = 0, warm_flops = 0, pass_flops = 0, service_s = 0, one_service_s = 0;
  double ready_s = 0;  // of servers, until they are and have been asked what they understand
  for (const TenantPlan& tenant : plan.tenants) {
    const double flops = tenant.record.flops_per_request.value_or(0);
    // What a GPU's tenant takes is known when it has loaded; two bytes a parameter will do here.
    bytes +=
        std::max(static_cast<double>(tenant.record.weights_bytes), 2.0 * static_cast<double>(tenant.record.parameters));
    warm_flops = std::max(warm_flops, flops * (tenant.order.num_warmup + 2));
    pass_flops = std::max(pass_flops, flops);
    if (tenant.program) ready_s = std::max(ready_s, kStartS);
    if (const ServerSpec* server = tenant.order.server()) {
      ready_s = std::max(ready_s, server->ready_timeout_s + 10 * server->timeout_s);
      service_s = std::max(service_s, server->timeout_s * (tenant.order.num_warmup + 2));
    }
    if (const StressSpec* stress = tenant.order.stressor()) {
      one_service_s = std::max(one_service_s, stress->service_ms * 1e-3);
      service_s = std::max(service_s, stress->service_ms * 1e-3 * (tenant.order.num_warmup + 2));
    }
  }
  Deadlines deadlines;
  deadlines.fixed_s = fixed_s;
  deadlines.load_s = fixed_s.value_or(120 + ready_s + bytes / kBytesPerS);
  deadlines.prepare_s = fixed_s.value_or(300 + pass_flops / kFlopsPerS + kCalibrations * one_service_s);
  deadlines.warm_s = fixed_s.value_or(120 + plan.settings.warmup_s + 4 * service_s + warm_flops / kFlopsPerS);
  deadlines.leave_s = fixed_s.value_or(plan.settings.profiled ? kWriteS : kLeaveS);
  return deadlines;
}

}  // namespace cotenant
