#include "driver/experiment.h"

#include <fmt/format.h>
#include <poll.h>
#include <stdlib.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <ctime>
#include <map>
#include <memory>

#include "base/clock.h"
#include "base/directory.h"
#include "base/error.h"
#include "base/new_file.h"
#include "base/open_files.h"
#include "base/text.h"
#include "base/version.h"
#include "driver/crew.h"
#include "driver/deadlines.h"
#include "driver/recorder.h"
#include "driver/run_telemetry.h"
#include "driver/validity.h"
#include "engine/server/listening.h"
#include "results/attainment.h"
#include "results/output_file.h"
#include "results/steady.h"
#include "results/window.h"
#include "sharing/mps.h"
#include "telemetry/control_groups.h"
#include "telemetry/foreign_load.h"
#include "worker/engine_setup.h"

namespace cotenant {
namespace {

namespace fs = std::filesystem;

constexpr int64_t kTickNs = 20'000'000;     // how often rings are drained and conditions looked at
constexpr int64_t kAheadNs = 50'000'000;    // of T0, at least
constexpr int64_t kFlushNs = 200'000'000;   // what a driver that is killed may lose
constexpr uint64_t kLastBytes = 128 << 10;  // of a tenant, that wait to be written when the disk is full
constexpr int kSignalsApartMs = 100;        // of one job's processes
constexpr double kLeaveEarlyS = 1;          // for a worker to leave after an interruption, when it may be anywhere

std::string utc_now() {
  const std::time_t now = std::time(nullptr);
  std::tm parts;
  ::gmtime_r(&now, &parts);
  char text[32];
  std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &parts);
  return text;
}

const char* name_of(Stage stage) {
  switch (stage) {
    case Stage::started:
      return "loading";
    case Stage::loaded:
      return "loaded";
    case Stage::prepared:
      return "warming up";
    case Stage::warm:
      return "ready";
    case Stage::running:
      return "running";
    case Stage::done:
      return "done";
    case Stage::died:
      return "died";
  }
  return "?";
}

// For what was measured when its own place is gone.
fs::path make_rescue_directory() {
  std::error_code error;
  fs::path parent = fs::temp_directory_path(error);
  if (error) parent = "/tmp";
  std::string name = (parent / "cotenant-rescued-XXXXXX").string();
  if (::mkdtemp(name.data()) == nullptr) throw file_error(name, "mkdtemp");
  return name;
}

LimitsRecord limits_record(const LimitCounts& counts) {
  const auto number = [](const std::optional<uint64_t>& count) {
    return count ? std::optional(static_cast<int64_t>(*count)) : std::nullopt;
  };
  return {number(counts.cpu_periods), number(counts.throttled_periods), counts.throttled_s, number(counts.memory_hits),
          number(counts.oom_kills)};
}

// Each tenant's kernels go beside its events.
RunPlan with_profile_directories(RunPlan plan, const fs::path& directory) {
  if (plan.settings.profiled)
    for (TenantPlan& tenant : plan.tenants)
      tenant.order.profile_dir = fs::absolute(directory / tenant.record.directory).string();
  return plan;
}

// One run, phase by phase. A phase that cannot be finished (a death, a signal, a deadline) is the last one.
class Run {
 public:
  Run(const RunPlan& plan, const fs::path& directory, RunContext& context)
      : plan_(with_profile_directories(plan, directory)),
        directory_(directory),
        context_(context),
        deadlines_(Deadlines::of(plan_, context.deadline_s)),
        started_ns_(now_ns()),
        telemetry_(plan) {
    record_.settings = plan.settings;
    record_.build = {version(), git_commit(), compiler(), build_type()};
    record_.host = plan.host;
    record_.devices = plan.devices;
    telemetry_.describe(record_.devices);
    record_.started_at = utc_now();
    record_.command = context.command;
    record_.validity.warnings = plan.warnings;
    for (const TenantPlan& tenant : plan.tenants) record_.tenants.push_back(tenant.record);
  }

  ExperimentRecord execute() {
    try {
      check_free_memory();
      open_files();
      allow_open_files(open_files_needed(plan_));
      crew_ = std::make_unique<Crew>(plan_, context_, start_sharing(), directory_);
      if (load() && prepare() && warm_up()) {
        go();
        watch();
      }
      end();
      stop_sharing();
      finish_record();
    } catch (const Error& error) {
      if (t0_ns_ == 0 || flush_what_there_is()) throw;
      throw_rescued(error);
    }
    return record_;
  }

 private:
  struct Phase {
    std::string name;
    int64_t start_ns, end_ns;
  };

  // A file could not be written: the samples that wait get the room that is kept for them. False: some have none.
  bool flush_what_there_is() {
    crew_->request_stop();
    store_->drop();
    bool all = true;
    for (size_t i = 0; i < recorders_.size(); ++i) try {
        recorders_[i].drain(crew_->ring(i), t0_ns_);
        recorders_[i].files().flush();
      } catch (const Error&) {
        all = false;
      }
    try {
      telemetry_.flush();
    } catch (const Error&) {
    }
    return all;
  }

  // The place takes nothing any more, as one that has become read-only: another may.
  [[noreturn]] void throw_rescued(const Error& error) {
    const fs::path before = directory_;
    std::string what = "What was measured";
    try {
      move_away();
      for (Recorder& recorder : recorders_) recorder.files().flush();
      write_file(directory_ / "experiment.json", to_json(record_));
    } catch (const Error&) {
      if (directory_ == before) throw error;
      what = "Part of what was measured";
    }
    throw Error(error.code(), error.where(), error.message(),
                fmt::format("{} {} is in {}.", error.remedy(), what, directory_.string()));
  }

  // Somebody has removed the directory, or files in it, which are ours as long as they are open.
  bool is_removed() {
    std::error_code error;
    return !fs::is_directory(directory_, error) ||
           std::ranges::any_of(recorders_, [](Recorder& recorder) { return recorder.files().is_gone(); });
  }

  void move_away() {
    directory_ = make_rescue_directory();
    write_file(directory_ / "config.yaml", plan_.config_text);
    for (Recorder& recorder : recorders_) recorder.files().move_to(directory_);
    telemetry_.move_to(directory_ / "telemetry.jsonl");
    crew_->move_logs(directory_);
  }

  bool halted() const { return crew_->anyone_died() || signal_; }

  // Before any process takes some of it.
  void check_free_memory() const {
    for (const DeviceRecord& device : plan_.devices) {
      const DeviceMemoryNeed need = device_memory_needed(plan_, device.device);
      const auto memory = telemetry_.memory_of(device.device);
      if (memory && need.bytes > memory->free_bytes)
        throw device_memory_error(
            plan_, device.device, need,
            fmt::format("{} of {} are free", format_bytes(memory->free_bytes), format_bytes(memory->total_bytes)));
    }
  }

  void open_files() {
    make_directory(directory_);
    write_file(directory_ / "config.yaml", plan_.config_text);
    store_ = std::make_shared<IterationStore>(directory_);
    store_->reserve(kLastBytes * record_.tenants.size());
    for (const TenantRecord& tenant : record_.tenants)
      recorders_.emplace_back(directory_, plan_.settings, tenant, store_);
  }

  // What each tenant's worker needs in its environment. Under mps each device's daemon is there afterwards: of its own,
  // so that what ends one device's tenants does not end another's.
  std::vector<Environment> start_sharing() {
    const auto all = [&](const Environment& environment) {
      return std::vector<Environment>(plan_.tenants.size(), environment);
    };
    if (plan_.settings.device == "cpu") return all({});
    if (plan_.settings.sharing != SharingMode::mps) return all(without_mps());
    for (const DeviceRecord& device : record_.devices) {
      const auto [daemon, is_new] = mps_.try_emplace(device.device, context_.keeper, device.uuid);
      record_.daemon.ready_s = std::max(record_.daemon.ready_s.value_or(0), daemon->second.ready_s());
    }
    std::vector<Environment> environments;
    for (const TenantRecord& tenant : record_.tenants) environments.push_back(mps_.at(tenant.device).environment());
    return environments;
  }

  void stop_sharing() {
    watch_daemons();
    for (auto& [device, daemon] : mps_)
      record_.daemon.gone_s = std::max(record_.daemon.gone_s.value_or(0), daemon.stop());
    mps_.clear();
  }

  // Which workers the daemon knows; without it a program would run on and say nothing.
  void note_clients() {
    for (auto& [device, daemon] : mps_) note_clients(device, daemon);
  }

  void note_clients(const std::string& device, const MpsDaemon& daemon) {
    if (const auto servers = daemon.servers()) gpu_helpers_.insert(servers->begin(), servers->end());
    const auto clients = daemon.clients();
    if (!clients)
      record_.validity.warnings.push_back({"the MPS daemon did not say which clients it has",
                                           "run again: whether the tenants shared the device by mps is not known"});
    for (size_t i = 0; clients && i < record_.tenants.size(); ++i) {
      if (record_.tenants[i].device != device) continue;
      const auto is_client = [&](pid_t pid) { return std::ranges::count(*clients, pid) > 0; };
      const bool found = std::ranges::any_of(crew_->processes_of(i), is_client);
      // Whether a program or a server uses the GPU at all, and since when, is its own affair.
      if (found || !(plan_.tenants[i].program || plan_.tenants[i].order.server()))
        record_.tenants[i].mps_client = found;
    }
  }

  // A daemon that has ended leaves its clients without service: they fail, or hang.
  void watch_daemons() {
    for (auto& [device, daemon] : mps_) {
      const auto death = daemon.death();
      if (!death || !record_.daemon.death.empty()) continue;
      record_.daemon.death = *death + (mps_.size() > 1 ? ", that of " + device : "");
      crew_->give_up_all("the MPS daemon ended: " + record_.daemon.death);
    }
  }

  void enter(const std::string& phase) {
    if (!phases_.empty()) phases_.back().end_ns = now_ns();
    phases_.push_back({phase, now_ns(), 0});
    crew_->set_phase(phase);
  }

  // One turn of every waiting loop.
  void tick() {
    crew_->wait(now_ns() + kTickNs);
    if (const auto end = context_.keeper.revive())
      record_.validity.warnings.push_back(
          {"the process that ends what a killed driver leaves was itself ended (" + *end + ")",
           "find out what ends processes here; a new one was started"});
    watch_daemons();
    while (const auto number = context_.signals.take()) {
      if (signal_) crew_->give_up_all(fmt::format("killed after a second {}", signal_name(*number)));
      signal_ = number;
    }
    if (t0_ns_ != 0) {
      drain();
      telemetry_.tick(t0_ns_);
    }
    if (context_.show) context_.show(live());
  }

  // Waits until every tenant (or one of them) has reached a stage. Who has not at the deadline is given up.
  bool reach(Stage stage, double deadline_s, std::optional<size_t> only = std::nullopt) {
    const int64_t deadline_ns = now_ns() + s_to_ns(deadline_s);
    const auto reached = [&](size_t i) { return crew_->tenants()[i].stage >= stage; };
    const auto everyone = [&] {
      for (size_t i = 0; i < crew_->tenants().size(); ++i)
        if ((!only || *only == i) && !reached(i)) return false;
      return true;
    };
    while (!everyone() && !halted() && now_ns() < deadline_ns) tick();
    if (!halted() && !everyone()) give_up_late(stage, deadline_s, only);
    return !halted();
  }

  void give_up_late(Stage stage, double deadline_s, std::optional<size_t> only = std::nullopt) {
    for (size_t i = 0; i < crew_->tenants().size(); ++i)
      if (crew_->tenants()[i].stage < stage && (!only || *only == i))
        crew_->give_up(i, fmt::format("hung: did not finish phase {} within {:g} s", phases_.back().name, deadline_s));
  }

  // Else the requests would go to another server than the one that is started for them.
  void check_ports() const {
    for (const TenantPlan& tenant : plan_.tenants)
      if (const ServerSpec* server = tenant.order.server();
          server && !server->command.empty() && is_listening(server->base_url))
        throw usage_error(server->base_url,
                          fmt::format("somebody else listens there already, and the server of {} is to be started",
                                      tenant.order.name),
                          "End it, give the server another port, or leave out command to use the one that is there.");
  }

  bool load() {
    enter("load");
    check_ports();
    crew_->start_programs(false);
    crew_->tell({"", command::Load{}});
    return reach(Stage::loaded, deadlines_.load_s);
  }

  // One at a time, with the device otherwise idle; commands, which once started go on, together at last.
  bool prepare() {
    enter("prepare");
    for (size_t i = 0; i < record_.tenants.size(); ++i) {
      if (record_.tenants[i].command()) continue;
      crew_->tell(i, {"", command::Prepare{}});
      if (!reach(Stage::prepared, deadlines_.prepare_s, i)) return false;
    }
    crew_->start_programs(true);
    for (size_t i = 0; i < record_.tenants.size(); ++i)
      if (record_.tenants[i].command()) crew_->tell(i, {"", command::Prepare{}});
    return reach(Stage::prepared, deadlines_.load_s);
  }

  bool warm_up() {
    enter("warm up");
    crew_->tell({"", command::Warm{}});
    return reach(Stage::warm, deadlines_.warm_s);
  }

  void go() {
    enter("run");
    crew_->look();
    note_clients();
    load_before_ = snapshot_load();
    limits_before_ = count_limits(control_groups_);
    telemetry_.start(directory_ / "telemetry.jsonl", [this] { return tenant_processes(); });
    t0_ns_ = now_ns() + ahead_ns();
    record_.t0_wall_s = wall_clock_s() + ns_to_s(t0_ns_ - now_ns());
    crew_->tell({"", command::Go{t0_ns_}});
    write_file(directory_ / "experiment.json", to_json(record_));  // for readers of a run whose driver was killed
  }

  std::vector<TenantProcesses> tenant_processes() {
    crew_->look();
    std::vector<TenantProcesses> processes;
    for (size_t i = 0; i < record_.tenants.size(); ++i)
      processes.push_back({record_.tenants[i].name, crew_->processes_of(i)});
    return processes;
  }

  // Time for everyone to finish the pass it is in and to run one more just before T0. A single tenant is in none.
  int64_t ahead_ns() const {
    int64_t pass_ns = 0;
    for (size_t i = 0; i < record_.tenants.size(); ++i)
      if (!record_.tenants[i].command())  // which goes on by itself
        pass_ns = std::max(pass_ns, crew_->tenants()[i].warm.longest_pass_ns);
    return record_.tenants.size() == 1 ? kAheadNs + pass_ns : std::max(kAheadNs, 2 * pass_ns);
  }

  void watch() {
    last_completed_.assign(recorders_.size(), {0, t0_ns_});
    while (!halted() && !crew_->all_over() && !crew_->anyone_ended_early() && !enough() && !too_long()) {
      tick();
      give_up_stalled();
    }
    stop_ns_ = now_ns();
    crew_->look();
    telemetry_.stop();
    crew_->request_stop();
    load_after_ = snapshot_load();
    record_.limits = limits_record(count_limits(control_groups_) - limits_before_);
    enter("stop");
    settle();
    drain();
  }

  // A tenant that finishes no request for much longer than its passes take hangs.
  void give_up_stalled() {
    const double pass_s = deadlines_.stall_s(ns_to_s(crew_->longest_pass_ns()));
    for (size_t i = 0; i < recorders_.size(); ++i) {
      const double patience_s = pass_s + plan_.tenants[i].quiet_s + plan_.tenants[i].longest_request_s;
      auto& [completed, since_ns] = last_completed_[i];
      if (recorders_[i].iterations().size() > completed) {
        completed = recorders_[i].iterations().size();
        since_ns = now_ns();
      } else if (crew_->tenants()[i].stage == Stage::running && now_ns() - since_ns > s_to_ns(patience_s)) {
        crew_->give_up(i, fmt::format("hung: finished no request for {:g} s", patience_s));
      }
    }
  }

  // Requests in flight are finished, whoever else has died.
  void settle() {
    double deadline_s = deadlines_.stop_s(ns_to_s(crew_->longest_pass_ns()));
    for (const TenantPlan& tenant : plan_.tenants) deadline_s = std::max(deadline_s, tenant.longest_request_s);
    const int64_t deadline_ns = now_ns() + s_to_ns(deadline_s);
    while (!crew_->all_over() && now_ns() < deadline_ns) tick();
    if (!crew_->all_over()) give_up_late(Stage::done, deadline_s);
  }

  bool is_fixed() const { return plan_.tenants.front().order.fixed_iters > 0; }

  // Overlap: everyone has its iterations and the window its length.
  bool enough() const {
    if (is_fixed()) return false;
    double window_start_s = 0;
    for (size_t i = 0; i < recorders_.size(); ++i) {
      if (record_.tenants[i].is_load_only()) continue;
      const bool over = crew_->tenants()[i].stage == Stage::done;  // its workload has ended, and no more will come
      if (!over && recorders_[i].tally().completed < record_.tenants[i].num_iters) return false;
      window_start_s = std::max(window_start_s, recorders_[i].first_start_s().value_or(0));
    }
    return ns_to_s(now_ns() - t0_ns_) >= window_start_s + plan_.settings.min_duration_s;
  }

  bool too_long() const { return now_ns() - t0_ns_ > s_to_ns(plan_.settings.max_duration_s); }

  void drain() {
    for (size_t i = 0; i < recorders_.size(); ++i) {
      recorders_[i].drain(crew_->ring(i), t0_ns_);
      if (crew_->ring(i).damaged()) crew_->give_up(i, "wrote over the memory in which its samples are handed on");
    }
    if (now_ns() - flushed_ns_ < kFlushNs) return;
    flushed_ns_ = now_ns();
    for (Recorder& recorder : recorders_) recorder.files().flush();
    telemetry_.flush();
  }

  void end() {
    const bool early = halted();
    crew_->end(early ? kLeaveEarlyS : deadlines_.leave_s);
    if (t0_ns_ != 0) drain();
    phases_.back().end_ns = now_ns();
  }

  LiveRun live() const {
    LiveRun live{plan_.name,
                 phases_.back().name,
                 ns_to_s(now_ns() - (t0_ns_ != 0 ? t0_ns_ : started_ns_)),
                 plan_.settings.min_duration_s,
                 {}};
    for (size_t i = 0; i < recorders_.size(); ++i) {
      const Recorder& recorder = recorders_[i];
      Stage stage = crew_->tenants()[i].stage;
      if (stage == Stage::done && record_.tenants[i].is_load_only()) stage = Stage::running;
      live.tenants.push_back({record_.tenants[i].name, name_of(stage), recorder.tally().completed,
                              record_.tenants[i].num_iters, recorder.recent_ms(), recorder.tokens_per_s()});
    }
    return live;
  }

  void finish_record() {
    const fs::path place = directory_;
    const bool removed = is_removed();
    if (removed) move_away();
    fill_record();
    if (removed)
      throw usage_error(place.string(), "was removed while the run was going on",
                        fmt::format("What was measured is in {}.", directory_.string()));
  }

  // Who ends a job, a cluster's scheduler for instance, signals all of its processes, and a worker may be gone before
  // we have heard of it: then it is the run that was interrupted, not a tenant that died.
  void hear_late_signal() {
    if (signal_ || !crew_->anyone_died()) return;
    pollfd descriptor{context_.signals.fd(), POLLIN, 0};
    ::poll(&descriptor, 1, kSignalsApartMs);
    signal_ = context_.signals.take();
  }

  void fill_record() {
    const int64_t zero_ns = t0_ns_ != 0 ? t0_ns_ : started_ns_;
    for (const Phase& phase : phases_)
      record_.phases.push_back(
          {phase.name, seconds_between(zero_ns, phase.start_ns), seconds_between(zero_ns, phase.end_ns)});
    hear_late_signal();
    if (signal_) record_.validity.interrupted_by = signal_name(*signal_);
    std::vector<Tally> tallies;
    for (size_t i = 0; i < recorders_.size(); ++i)
      if (!record_.tenants[i].is_load_only()) tallies.push_back(recorders_[i].tally());
    const bool by_stop = !is_fixed();
    const auto stop_s = by_stop && stop_ns_ != 0 ? std::optional(seconds_between(t0_ns_, stop_ns_)) : std::nullopt;
    if (t0_ns_ != 0) record_.window = overlap_window(tallies, stop_s);
    for (size_t i = 0; i < recorders_.size(); ++i) finish_tenant(i);
    finish_devices();
    finish_host();
    std::set<pid_t> gpu_users = crew_->pids();
    gpu_users.insert(::getpid());
    gpu_users.insert(gpu_helpers_.begin(), gpu_helpers_.end());
    telemetry_.finish(record_, gpu_users);
    std::vector<IterationSource> samples;
    for (const Recorder& recorder : recorders_)
      samples.push_back([&](const auto& use) { recorder.iterations().for_each(use); });
    judge(record_, samples, context_.strict);
    write_file(directory_ / "experiment.json", to_json(record_));
  }

  void finish_tenant(size_t i) {
    TenantRecord& tenant = record_.tenants[i];
    Recorder& recorder = recorders_[i];
    const TenantState& state = crew_->tenants()[i];
    const bool generates = tenant.max_new_tokens > 0;
    const std::array windows{record_.window, std::optional<WindowRecord>()};
    const auto iterations = [&](const auto& use) { recorder.iterations().for_each(use); };
    const std::vector<TenantSummary> summaries = summarize(iterations, windows, generates);
    recorder.files().finish(summaries[1]);
    tenant.summary = summaries[0];
    if (is_fixed()) tenant.whole_run = summaries[1];
    tenant.schedule = state.done.schedule;
    if (record_.window) {
      SteadyTally steady(*record_.window);
      iterations([&](const Iteration& iteration) { steady.add(iteration); });
      tenant.steady = steady.result();
    }
    tenant.served = state.done.server;
    tenant.yielded = state.done.yielded;
    if (tenant.slo.any()) {
      const auto& counted = is_fixed() ? windows[1] : windows[0];
      AttainmentTally attained(tenant.slo, counted, generates);
      iterations([&](const Iteration& iteration) { attained.add(iteration); });
      tenant.attainment = attained.over(counted ? counted->duration_s() : summaries[1].completion_s.value_or(0));
    }
    tenant.usage = state.done.usage;
    tenant.exit = state.exit;
    if (state.ended_early)
      tenant.exit.ended_early = state.ended_early->code ? state.ended_early->text() : "its output ended";
    if (const std::string problem = crew_->log_problem(i); !problem.empty())
      record_.validity.warnings.push_back(
          {fmt::format("what the program of {} printed is not all in its program.log: {}", tenant.name, problem),
           "make room there if you need it: nothing else is lost"});
    // By the worker's own count, where there is one: nothing may get lost on the way either.
    tenant.exit.events_dropped = state.stage == Stage::done ? state.done.requests - recorder.iterations().size()
                                                            : static_cast<int64_t>(crew_->ring(i).dropped());
    tenant.resident_bytes = state.warm.resident_bytes;
    tenant.pid = crew_->pid_of(i);
    if (state.loaded.sm_count > 0) tenant.sm_granted = state.loaded.sm_count;
    if (state.loaded.weights_bytes + state.loaded.activation_bytes > 0) {
      tenant.weights_bytes = state.loaded.weights_bytes;
      tenant.activation_bytes = state.loaded.activation_bytes;
    }
    finish_stress(tenant, state.prepared.stress);
    tenant.weights_hash = state.loaded.weights_hash;
    tenant.input_hash = state.loaded.input_hash;
    tenant.tokens_hash = state.warm.tokens_hash;
    if (!state.loaded.weights_origin.empty()) tenant.weights_origin = state.loaded.weights_origin;
    if (recorder.first_start_s()) tenant.start_skew_us = *recorder.first_start_s() * 1e6;
  }

  // What a stressor reached alone, by its worker, and in the window, by its completed requests.
  static void finish_stress(TenantRecord& tenant, const std::optional<StressRecord>& calibrated) {
    if (!tenant.stress || !calibrated) return;
    StressRecord stress = *calibrated;
    stress.intensity = tenant.stress->intensity;
    stress.period_ms = tenant.stress->period_ms;
    stress.sms = tenant.stress->sms;
    const TenantSummary& summary = tenant.summary;
    if (summary.requests_per_s && stress.work_per_request)
      stress.rate = *summary.requests_per_s * *stress.work_per_request;
    if (stress.rate && stress.rate_alone.value_or(0) > 0) stress.rate_share = *stress.rate / *stress.rate_alone;
    if (summary.latency.mean_ms && stress.calibrated_ms.value_or(0) > 0)
      stress.slowdown = *summary.latency.mean_ms / *stress.calibrated_ms;
    tenant.stress = stress;
  }

  // Of the tenants of a device, or of all: their tokens over the window; with corun: fixed over the time until the last
  // one was done.
  DeviceSummary summary_of(const std::optional<std::string>& device) const {
    DeviceSummary summary;
    double per_s = 0, tokens = 0;
    for (const TenantRecord& tenant : record_.tenants) {
      if (device && tenant.device != *device) continue;
      per_s += tenant.summary.tokens_per_s.value_or(0);
      if (tenant.whole_run)
        tokens += tenant.whole_run->tokens_per_s.value_or(0) * tenant.whole_run->completion_s.value_or(0);
      if (tenant.summary.completion_s)
        summary.max_completion_s = std::max(summary.max_completion_s.value_or(0), *tenant.summary.completion_s);
    }
    if (is_fixed() && summary.max_completion_s.value_or(0) > 0)
      summary.tokens_per_s = tokens / *summary.max_completion_s;
    else if (record_.window)
      summary.tokens_per_s = per_s;
    return summary;
  }

  void finish_devices() {
    record_.device_summary = summary_of(std::nullopt);
    for (DeviceRecord& device : record_.devices) device.summary = summary_of(device.device);
  }

  void finish_host() {
    if (!load_before_ || !load_after_) return;
    std::set<pid_t> ours = crew_->pids();
    ours.insert(::getpid());
    if (const auto foreign = foreign_load(*load_before_, *load_after_, ours)) {
      record_.foreign.busy_cores = foreign->busy_cores;
      record_.foreign.top_process = foreign->top_process;
    }
  }

  const RunPlan plan_;
  fs::path directory_;
  RunContext& context_;
  const Deadlines deadlines_;
  const int64_t started_ns_;
  RunTelemetry telemetry_;

  ExperimentRecord record_;
  std::shared_ptr<IterationStore> store_;
  std::vector<Recorder> recorders_;
  std::map<std::string, MpsDaemon> mps_;  // of each device
  std::set<pid_t> gpu_helpers_;           // besides the workers, that use the GPU for this run: the servers of MPS
  std::unique_ptr<Crew> crew_;            // its workers leave before the daemon does
  std::vector<Phase> phases_;
  std::optional<int> signal_;
  int64_t t0_ns_ = 0, stop_ns_ = 0;                          // 0: not reached
  int64_t flushed_ns_ = 0;                                   // when the samples so far were last written out
  std::vector<std::pair<int64_t, int64_t>> last_completed_;  // per tenant: requests so far, and when that last grew
  std::optional<LoadSnapshot> load_before_, load_after_;
  const ControlGroups control_groups_ = find_control_groups();
  LimitCounts limits_before_;
};

}  // namespace

ExperimentRecord run_experiment(const RunPlan& plan, const fs::path& directory, RunContext& context) {
  return Run(plan, directory, context).execute();
}

ExitCode exit_code_of(const ExperimentRecord& record) {
  for (const int number : SignalWatch::numbers)
    if (record.validity.interrupted_by == signal_name(number)) return interrupted_by(number);
  const bool died = std::ranges::any_of(record.tenants, [](const TenantRecord& tenant) { return tenant.exit.died; });
  if (died) return ExitCode::tenant_died;
  if (!record.validity.valid) return ExitCode::invalid;
  return std::ranges::any_of(record.tenants, misses_threshold) ? ExitCode::threshold : ExitCode::valid;
}

bool is_complete(ExitCode code) {
  return code == ExitCode::valid || code == ExitCode::invalid || code == ExitCode::threshold;
}

}  // namespace cotenant
