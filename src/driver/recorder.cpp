#include "driver/recorder.h"

#include <algorithm>
#include <numeric>

#include "engine/fault.h"

namespace cotenant {
namespace {

constexpr size_t kRecent = 8;

double ms_between(int64_t start_ns, int64_t end_ns) {
  return static_cast<double>(end_ns - start_ns) / 1e6;
}

// Between the first token and the last. Those that came with the first one tell nothing of a pace; an answer of which
// all tokens came at once has none.
std::optional<double> time_per_token(const std::vector<int64_t>& token_ns, int64_t tokens) {
  const auto with_first = std::ranges::count(token_ns, token_ns.front());
  if (tokens <= with_first || token_ns.back() == token_ns.front()) return std::nullopt;
  return ms_between(token_ns.front(), token_ns.back()) / static_cast<double>(tokens - with_first);
}

}  // namespace

double seconds_between(int64_t start_ns, int64_t end_ns) {
  return static_cast<double>(end_ns - start_ns) / 1e9;
}

Iteration to_iteration(const EventSlot& event, const std::vector<int64_t>& token_ns, int64_t t0_ns,
                       const TenantSpec& tenant) {
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
  if (tenant.workload.is_open() && event.status != EventSlot::rejected)
    iteration.queue_ms = ms_between(event.scheduled_ns, event.start_ns);
  iteration.reason = to_text(static_cast<Fault>(event.fault));
  iteration.tokens_in = event.tokens_in;
  iteration.tokens_out = event.tokens_out;
  if (tenant.max_new_tokens == 0 || token_ns.empty()) return iteration;
  iteration.ttft_ms = ms_between(event.scheduled_ns, token_ns.front());
  iteration.tpot_ms = time_per_token(token_ns, event.tokens_out / std::max(1, tenant.batch_size));
  for (const int64_t at_ns : token_ns) iteration.token_s.push_back(seconds_between(t0_ns, at_ns));
  return iteration;
}

Recorder::Recorder(const std::filesystem::path& experiment, const SettingsRecord& settings, const TenantRecord& tenant,
                   std::shared_ptr<IterationStore> store)
    : tenant_(tenant), files_(experiment, settings, tenant, std::move(store)) {}

void Recorder::drain(EventRing& ring, int64_t t0_ns) {
  EventSlot event;
  // As many as the ring holds: a tenant that writes faster than we read must not keep us here.
  for (uint64_t left = ring.capacity(); left > 0 && ring.take(event, token_ns_); --left) {
    const Iteration iteration = to_iteration(event, token_ns_, t0_ns, tenant_);
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
  return last_end_s_ > 0 ? (tenant_.max_new_tokens > 0 ? tally_.tokens_out : tally_.tokens_in) / last_end_s_ : 0;
}

}  // namespace cotenant
