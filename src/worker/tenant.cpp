#include "worker/tenant.h"

#include <fmt/format.h>
#include <pthread.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <exception>

#include "base/affinity.h"
#include "base/clock.h"
#include "base/device_name.h"
#include "base/error.h"
#include "base/overloaded.h"
#include "base/text.h"
#include "engine/native/devices.h"
#include "engine/options.h"
#include "model/model.h"
#include "worker/engine_setup.h"
#include "worker/fingerprint.h"
#include "worker/timed_loop.h"
#include "worker/usage.h"
#include "worker/watch.h"

namespace cotenant {
namespace {

constexpr int64_t kPromptNs = 5'000'000;  // in which the driver answers the last tenant that is warm

// As this process sees them: under MPS its share's. 0 on the CPU.
int sms_of(const std::string& device, const DeviceShare* share) {
  if (share) return share->sms();
  if (device == "cpu") return 0;
  const auto devices = cuda_status().devices;
  const size_t ordinal = device_ordinal(device);
  return ordinal < devices.size() ? devices[ordinal].sms : 0;
}

std::optional<StressRecord> stress_record(const std::optional<Calibration>& calibration) {
  if (!calibration) return std::nullopt;
  StressRecord record;
  record.footprint_sms = calibration->footprint_sms;
  record.unit = calibration->unit;
  record.work_per_request = calibration->work_per_request;
  record.calibrated_ms = calibration->service_ms;
  record.rate_alone = calibration->rate();
  return record;
}

std::optional<ServerRecord> server_record(const std::optional<ServerFacts>& facts) {
  if (!facts) return std::nullopt;
  ServerRecord record{.prompts = facts->prompts,
                      .exact_prompts = facts->exact_prompts,
                      .other_prompts = facts->other_prompts,
                      .counted_by_chunk_usage = facts->per_chunk,
                      .counted_by_usage = facts->by_usage,
                      .counted_by_chunks = facts->by_chunks,
                      .tokens_asked = facts->tokens_asked,
                      .chunks = facts->chunks,
                      .tokens = facts->tokens,
                      .connections = facts->connections,
                      .faults = {}};
  for (const ServerFacts::FaultCount& one : facts->faults)
    record.faults.push_back({to_text(one.fault), one.count, one.example});
  return record;
}

}  // namespace

Tenant::Tenant(TenantOrder order, std::shared_ptr<const DeviceShare> share, EventRing ring, Wires wires,
               std::optional<YieldTable> yield, std::function<void(const Report&)> report)
    : order_(std::move(order)),
      share_(std::move(share)),
      ring_(std::move(ring)),
      wires_(std::move(wires)),
      yield_(std::move(yield)),
      report_(std::move(report)),
      thread_([this] { live(); }) {}

Tenant::~Tenant() {
  thread_.join();
}

void Tenant::post(const Command& command) {
  if (const auto* go = std::get_if<command::Go>(&command.what)) t0_ns_ = go->t0_ns;
  if (command.is<command::Exit>()) leaving_ = true;
  {
    const std::lock_guard lock(mutex_);
    commands_.push_back(command);
  }
  arrived_.notify_one();
}

Command Tenant::next_command() {
  std::unique_lock lock(mutex_);
  arrived_.wait(lock, [this] { return !commands_.empty(); });
  Command command = std::move(commands_.front());
  commands_.pop_front();
  return command;
}

bool Tenant::command_within(int64_t patience_ns) {
  std::unique_lock lock(mutex_);
  return arrived_.wait_for(lock, std::chrono::nanoseconds(patience_ns), [this] { return !commands_.empty(); });
}

void Tenant::live() {
  thread_id_ = static_cast<uint32_t>(::gettid());
  ::pthread_setname_np(::pthread_self(), order_.name.substr(0, 15).c_str());
  try {
    // The cores of a server that was started for the tenant are the server's.
    if (!order_.cpus.empty() && (!order_.server() || order_.is_elsewhere()))
      set_affinity(order_.cpus);  // before the engine starts threads, which inherit it
    for (Command command = next_command(); !command.is<command::Exit>(); command = next_command()) obey(command);
    engine_.reset();
  } catch (const std::exception& error) {
    failed_ = true;
    tell(report::Failed{one_line(error.what())});
  }
}

void Tenant::obey(const Command& command) {
  std::visit(Overloaded{[&](const command::Load&) { load(); }, [&](const command::Prepare&) { prepare(); },
                        [&](const command::Warm&) { warm(); }, [&](const command::Go&) { run(); },
                        [](const command::Order&) {}, [](const command::Exit&) {}},  // the worker's
             command.what);
}

EngineOptions Tenant::options() const {
  EngineOptions options = engine_options(order_, model_, share_);
  if (yield_) options.yield = {yield_->page(), *order_.yield_seat, order_.yield_quantum_us};
  return options;
}

void Tenant::load() {
  if (order_.command()) return tell(report::Loaded{});  // it is started when the others are prepared
  model_ = open_model_of(order_);
  if (order_.external())
    engine_ = std::make_unique<ExternalEngine>(external_options(order_), std::move(wires_.from), std::move(wires_.to));
  else
    engine_ = make_engine(options());
  engine_->load();
  const auto vocabulary = engine_->vocabulary();
  input_ = vocabulary ? synthetic_input(order_, *vocabulary) : synthetic_input(order_, model_.get());
  workload_ = workload_of(order_);
  in_flight_.emplace(std::min(most_in_flight(workload_), engine_->capacity()), longest_answer(workload_));
  report::Loaded loaded;
  if (model_) {
    loaded.weights_origin = model_->origin;
    loaded.weights_hash = fingerprint(*model_);
  }
  if (!input_.empty()) loaded.input_hash = fingerprint(input_);
  if (loaded.weights_origin.empty()) loaded.weights_origin = engine_->origin();
  if (!order_.server() && !order_.external()) loaded.sm_count = sms_of(order_.device, share_.get());
  const MemoryNeed need = engine_->memory_needed().value_or(MemoryNeed{});
  loaded.weights_bytes = need.weights_bytes;
  loaded.activation_bytes = need.activation_bytes;
  tell(std::move(loaded));
}

void Tenant::prepare() {
  if (order_.command()) return prepare_command();
  engine_->prepare();
  tell(report::Prepared{stress_record(engine_->calibration())});
}

int64_t Tenant::one_pass() {
  DueRequest request = longest_request(workload_);
  request.iter = --warm_up_iter_;
  const EventSlot event = run_request(*engine_, request, input_, *in_flight_);
  return event.end_ns - event.start_ns;
}

int64_t Tenant::warm_up() {
  const int64_t until_ns = now_ns() + s_to_ns(order_.warmup_s);
  int64_t longest_ns = one_pass();
  for (int passes = 1; (passes < order_.num_warmup || now_ns() < until_ns) && !leaving_; ++passes) {
    const int64_t pass_ns = one_pass();
    longest_ns = passes == 1 ? pass_ns : std::max(longest_ns, pass_ns);  // the first one is slower than those to come
  }
  return longest_ns;
}

// Goes on, unrecorded, until T0 is known, so that whoever still warms up does so beside everybody else; unless it was
// the last one, which hears of T0 at once.
void Tenant::warm() {
  if (order_.command()) return warm_command();
  engine_->warm();
  report::Warm warm;
  if (!order_.server() && order_.max_new_tokens > 0) {
    const DueRequest first = longest_request(workload_);
    warm.tokens_hash = fingerprint_of_answer(*engine_, {.iter = -1,
                                                        .tokens = input_,
                                                        .rows = first.rows,
                                                        .seq_len = first.seq_len,
                                                        .max_new_tokens = first.max_new_tokens,
                                                        .scheduled_ns = now_ns()});
  }
  warm.longest_pass_ns = longest_pass_ns_ = warm_up();
  warm.resident_bytes = resident_bytes();
  tell(std::move(warm));
  if (command_within(kPromptNs)) return;
  while (t0_ns_ == 0 && !leaving_) one_pass();
}

void Tenant::run() {
  if (order_.command()) return run_command();
  while (now_ns() + longest_pass_ns_ < t0_ns_ && !leaving_) one_pass();
  if (leaving_) return;
  const Usage before = usage_now();
  wait_until_ns(t0_ns_);
  std::optional<YieldRecord> yielded;
  if (yield_) {
    clear_longest(*yield_->page(), *order_.yield_seat);
    yielded = yield_so_far(*yield_->page(), *order_.yield_seat);
  }
  Workload workload(workload_, now_ns());
  const LoopResult result = run_timed_loop(*engine_, workload, input_, *in_flight_, ring_);
  report::Done done;
  done.requests = result.requests;
  done.usage = usage_since(before);
  if (workload.open())
    done.schedule = ScheduleRecord{.offered = result.requests + result.waiting,
                                   .rejected = result.rejected,
                                   .waiting = result.waiting,
                                   .lag_p50_us = ns_to_ms(result.lag.at(0.5)) * 1e3,
                                   .lag_p99_us = ns_to_ms(result.lag.at(0.99)) * 1e3,
                                   .lag_max_us = ns_to_ms(result.lag.most_ns()) * 1e3};
  done.server = server_record(engine_->server_facts());
  if (yielded) done.yielded = yield_since(*yielded, *yield_->page(), *order_.yield_seat);
  tell(done);
}

Watcher Tenant::watcher() {
  return {*watched_, leaving_, [this](std::string text) { tell(report::Notice{std::move(text)}); }};
}

// Until it has made progress.
void Tenant::prepare_command() {
  if (const CommandSpec& command = *order_.command(); command.is_seen()) {
    watched_.emplace(std::move(wires_.from), std::move(wires_.to), command.progress);
    if (!wait_for_progress(watcher())) return;
  }
  tell(report::Prepared{});
}

void Tenant::warm_command() {
  report::Warm warm;
  if (watched_)
    warm.longest_pass_ns = longest_pass_ns_ =
        watch_warm_up(watcher(), order_.num_warmup, now_ns() + s_to_ns(order_.warmup_s));
  if (!leaving_) tell(std::move(warm));
}

void Tenant::run_command() {
  const Usage before = usage_now();
  report::Done done;
  if (watched_) {
    const WatchRules rules{.begin_ns = t0_ns_,
                           .exactly = order_.fixed_iters,
                           .longest_ns = longest_pass_ns_,
                           .tokens = int64_t{order_.batch_size} * order_.seq_len};
    done.requests = watch_iterations(watcher(), rules, ring_);
  }
  done.usage = usage_since(before);
  tell(done);
}

}  // namespace cotenant
