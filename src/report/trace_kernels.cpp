#include "report/trace_kernels.h"

#include <algorithm>
#include <map>
#include <utility>
#include <vector>

#include "analysis/kernels.h"
#include "results/kernels.h"

namespace cotenant {
namespace {

constexpr int kFirstThread = 1000;  // of a tenant's tracks of activities: its requests are on thread `pid`

std::string args_of(const KernelActivity& activity) {
  std::string args = activity.kind == KernelActivity::Kind::kernel
                         ? fmt::format(R"({{"blocks":{},"threads":{})", activity.size, activity.threads)
                         : fmt::format(R"({{"bytes":{})", activity.size);
  if (activity.graph != 0) args += fmt::format(R"(,"graph":{})", activity.graph);
  return args + "}";
}

// Slices of one thread may not overlap: what begins before the slices of a stream have ended goes to its next lane.
class Lanes {
 public:
  Lanes(EventWriter& events, int pid) : events_(events), pid_(pid) {}

  int thread_for(bool is_range, uint32_t stream, double start_s, double end_s) {
    auto& lanes = streams_[{is_range, stream}];
    size_t lane = 0;
    while (lane < lanes.size() && lanes[lane].busy_until_s > start_s) ++lane;
    if (lane == lanes.size()) lanes.push_back({name_lane(is_range, stream, lane), 0});
    lanes[lane].busy_until_s = end_s;
    return lanes[lane].thread;
  }

 private:
  struct Lane {
    int thread;
    double busy_until_s;
  };

  int name_lane(bool is_range, uint32_t stream, size_t lane) {
    std::string name = is_range ? "ranges" : fmt::format("stream {}", stream);
    if (lane > 0) name += fmt::format(" ({})", lane + 1);
    events_.metadata(pid_, next_, "thread_name", name);
    return next_++;
  }

  EventWriter& events_;
  int pid_;
  int next_ = kFirstThread;
  std::map<std::pair<bool, uint32_t>, std::vector<Lane>> streams_;
};

void write_activities(EventWriter& events, int pid, KernelRecords& records) {
  std::ranges::sort(records.activities, {}, &KernelActivity::start_s);
  Lanes lanes(events, pid);
  for (const KernelActivity& activity : records.activities) {
    const bool is_range = !activity.on_device();
    const int thread = lanes.thread_for(is_range, is_range ? 0 : activity.stream, activity.start_s, activity.end_s);
    events.complete(pid, thread, records.names[activity.name], activity.start_s, activity.end_s,
                    std::string(to_string(activity.kind)).c_str(), is_range ? "{}" : args_of(activity));
  }
}

void write_device(EventWriter& events, int pid, const std::vector<std::vector<TimeSpan>>& tenants) {
  events.metadata(pid, 0, "process_name", "device");
  events.sort_index(pid);
  events.metadata(pid, 1, "thread_name", "busy");
  for (const TimeSpan& span : spans_with_at_least(tenants, 1))
    events.complete(pid, 1, "busy", span.start_s, span.end_s);
  events.metadata(pid, 2, "thread_name", "kernels of several tenants");
  for (const TimeSpan& span : spans_with_at_least(tenants, 2))
    events.complete(pid, 2, "several tenants", span.start_s, span.end_s);
}

}  // namespace

void write_kernel_tracks(EventWriter& events, const LoadedExperiment& experiment) {
  std::vector<std::vector<TimeSpan>> busy;
  for (size_t i = 0; i < experiment.tenants.size(); ++i) {
    const auto directory = experiment.directory / experiment.tenants[i].directory;
    if (!has_kernels(directory)) continue;
    KernelRecords records = read_kernels(directory);
    write_activities(events, pid_of(i), records);
    busy.push_back(merge_spans(kernel_spans(records)));
  }
  if (!busy.empty()) write_device(events, pid_of(experiment.tenants.size()), busy);
}

}  // namespace cotenant
