#include "driver/recorder.h"

#include <algorithm>
#include <numeric>

namespace cotenant {
namespace {

constexpr size_t kRecent = 8;

double ms_between(int64_t start_ns, int64_t end_ns) {
  return static_cast<double>(end_ns - start_ns) / 1e6;
}

}  // namespace

double seconds_between(int64_t start_ns, int64_t end_ns) {
  return static_cast<double>(end_ns - start_ns) / 1e9;
}

Iteration to_iteration(const EventSlot& event, const std::vector<int64_t>& token_ns, int64_t t0_ns, bool generates,
                       bool open_loop) {
  Iteration iteration;
  iteration.iter = event.iter;
  iteration.latency_ms = ms_between(event.scheduled_ns, event.end_ns);
  if (event.gpu_ms >= 0) iteration.gpu_ms = event.gpu_ms;
  iteration.scheduled_s = seconds_between(t0_ns, event.scheduled_ns);
  iteration.start_s = seconds_between(t0_ns, event.start_ns);
  iteration.end_s = seconds_between(t0_ns, event.end_ns);
  iteration.status = event.status == 0   ? IterationStatus::ok
                     : event.status == 1 ? IterationStatus::rejected
                                         : IterationStatus::failed;
  if (open_loop && event.status != 1) iteration.queue_ms = ms_between(event.scheduled_ns, event.start_ns);
  iteration.tokens_in = event.tokens_in;
  iteration.tokens_out = event.tokens_out;
  if (!generates || token_ns.empty()) return iteration;
  iteration.ttft_ms = ms_between(event.scheduled_ns, token_ns.front());
  if (token_ns.size() > 1)
    iteration.tpot_ms = (iteration.latency_ms - *iteration.ttft_ms) / static_cast<double>(token_ns.size() - 1);
  for (const int64_t at_ns : token_ns) iteration.token_s.push_back(seconds_between(t0_ns, at_ns));
  return iteration;
}

Recorder::Recorder(const std::filesystem::path& experiment, const SettingsRecord& settings, const TenantRecord& tenant,
                   std::shared_ptr<IterationStore> store)
    : generates_(tenant.max_new_tokens > 0),
      open_loop_(tenant.workload.is_open()),
      files_(experiment, settings, tenant, std::move(store)) {}

void Recorder::drain(EventRing& ring, int64_t t0_ns) {
  EventSlot event;
  // As many as the ring holds: a tenant that writes faster than we read must not keep us here.
  for (uint64_t left = ring.capacity(); left > 0 && ring.take(event, token_ns_); --left) {
    const Iteration iteration = to_iteration(event, token_ns_, t0_ns, generates_, open_loop_);
    files_.append(iteration);
    tally_.add(iteration);
    first_start_s_ = std::min(first_start_s_.value_or(*iteration.start_s), *iteration.start_s);
    last_end_s_ = std::max(last_end_s_, *iteration.end_s);
    if (iteration.status != IterationStatus::ok) continue;
    recent_ms_.push_back(iteration.latency_ms);
    if (recent_ms_.size() > kRecent) recent_ms_.pop_front();
  }
}

std::optional<double> Recorder::recent_ms() const {
  if (recent_ms_.empty()) return std::nullopt;
  return std::accumulate(recent_ms_.begin(), recent_ms_.end(), 0.0) / static_cast<double>(recent_ms_.size());
}

double Recorder::tokens_per_s() const {
  return last_end_s_ > 0 ? (generates_ ? tally_.tokens_out : tally_.tokens_in) / last_end_s_ : 0;
}

}  // namespace cotenant
