#include "worker/kernel_profile.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/clock.h"
#include "engine/native/recorder.h"
#include "results/kernels.h"

namespace cotenant {
namespace {

KernelActivity to_record(const DeviceActivity& activity, int64_t t0_ns) {
  static_assert(static_cast<int>(DeviceActivity::Kind::range) == static_cast<int>(KernelActivity::Kind::range));
  return {.start_s = ns_to_s(activity.start_ns - t0_ns),
          .end_s = ns_to_s(activity.end_ns - t0_ns),
          .size = activity.size,
          .threads = activity.threads,
          .name = activity.name,
          .stream = activity.stream,
          .graph = activity.graph,
          .kind = static_cast<KernelActivity::Kind>(activity.kind)};
}

// Whose it is: the only tenant's, or that of the thread that launched it. None: nobody's that we know.
size_t owner_of(const DeviceActivity& activity, std::span<const uint32_t> threads) {
  if (threads.size() == 1) return 0;
  return static_cast<size_t>(std::ranges::find(threads, activity.thread) - threads.begin());
}

void tell(KernelRecords& records, uint64_t count, const char* why) {
  if (count == 0) return;
  records.missing += count;
  records.problem += fmt::format("{}{} {}", records.problem.empty() ? "" : "; ", count, why);
}

}  // namespace

KernelProfile::KernelProfile(const std::vector<TenantOrder>& tenants) : tenants_(tenants) {
  if (std::ranges::all_of(tenants, [](const TenantOrder& tenant) { return tenant.profile_dir.empty(); })) return;
  module_ = &cupti_module();
  module_->start({});
}

void KernelProfile::begin(int64_t t0_ns) {
  if (module_ == nullptr) return;
  t0_ns_ = t0_ns;
  module_->keep_from(t0_ns);
}

void KernelProfile::end(std::span<const uint32_t> threads) {
  if (module_ == nullptr || t0_ns_ == 0) return;
  const DeviceRecording recording = module_->stop();
  std::vector<KernelRecords> of_tenants(tenants_.size());
  uint64_t nobodys = 0;
  for (const DeviceActivity& activity : recording.activities) {
    const size_t owner = owner_of(activity, threads);
    if (owner < of_tenants.size())
      of_tenants[owner].activities.push_back(to_record(activity, t0_ns_));
    else
      ++nobodys;
  }
  for (size_t i = 0; i < of_tenants.size(); ++i) {
    KernelRecords& records = of_tenants[i];
    records.names = recording.names;
    records.problem = recording.problem;
    if (i == 0) {  // of the process: told once
      tell(records, recording.over_limit, "activities came after the limit of what is kept: use a shorter --duration");
      tell(records, recording.dropped, "records were dropped by CUPTI");
      tell(records, recording.untimed, "activities could not be timed");
      tell(records, nobodys, "activities of this process belong to no tenant that is known");
    }
    if (!tenants_[i].profile_dir.empty()) write_kernels(tenants_[i].profile_dir, records);
  }
}

}  // namespace cotenant
