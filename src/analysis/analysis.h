#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "analysis/surroundings.h"
#include "results/record.h"
#include "stats/hypothesis_tests.h"

// Everything cotenant says about one experiment, from its files alone: plain structs which tables, --json, plots and
// report.html print. How each figure is defined is told in docs/metrics.md. A figure that the files cannot support is
// std::nullopt (or an empty vector), never zero, and `warnings` says why.
namespace cotenant {

// Which column every statistic, test and plot is about (`--metric`).
enum class Metric : uint8_t { latency, gpu, ttft, tpot, itl };
std::string_view to_string(Metric metric);  // "latency", "gpu", ...
std::string_view title(Metric metric);      // "latency", "GPU time", ...
std::string unit_title(Metric metric);      // "latency (ms)", ...; all are milliseconds

enum class Clock : uint8_t { host, cuda_event };
enum class Verdict : uint8_t { fair, hogging, starved, unclear };
std::string_view to_string(Clock clock);
std::string_view to_string(Verdict verdict);

struct Interval {
  double low = 0, high = 0;
};

// Statistics of one column of a tenant, over the iterations that count.
struct Summary {
  size_t count = 0;
  double mean = 0, std = 0, min = 0, max = 0;  // std with n - 1; 0 for one value
  double p25 = 0, p50 = 0, p75 = 0, p90 = 0, p95 = 0, p99 = 0;
  // 95% by order statistics, with the effective size at that quantile in place of n; nullopt: that or the median's is
  // too small.
  std::optional<Interval> ci95_p50, ci95_p95, ci95_p99;
  // effective_size_below of stats/autocorrelation.h; for p95 and p99 the few values beyond are helped out by the
  // median: n over it is at least (m t + 10 t_median) / (m + 10), for m values beyond with n over effective size t by
  // themselves.
  double n_eff_p50 = 0, n_eff_p95 = 0, n_eff_p99 = 0;
  double n_eff = 0;     // effective sample size: count over the integrated autocorrelation time
  size_t outliers = 0;  // beyond 3.5 robust standard deviations (median absolute deviation)
};

// A tenant's iterations in order of time, those outside the window too. Columns have one length or are empty.
struct Samples {
  std::vector<double> latency_ms;
  std::vector<double> start_s, end_s;                      // seconds since T0; empty in the study's files
  std::vector<double> gpu_ms, ttft_ms, tpot_ms, queue_ms;  // NaN where one iteration lacks it; empty where all do
  std::vector<uint8_t> counts;                             // 1: wholly inside the window and completed
  std::vector<double> itl_ms;  // gaps between tokens, pooled over the iterations that count; own length
};

// One value per iteration; empty for ITL, of which an iteration has several.
std::span<const double> column(const Samples& samples, Metric metric);

struct BaselineUse {
  std::string experiment;               // its name
  std::string tenant;                   // its directory in there
  std::filesystem::path directory;      // of the experiment
  std::string why;                      // "baselines/ of this experiment", "--baseline", "solo experiment in data/"
  bool found_by_search = false;         // in the data root: nobody named it
  std::vector<std::string> mismatches;  // what was forced: "GPU: NVIDIA A100 here, NVIDIA H100 alone"
  Summary metric;                       // of the chosen column, alone
  std::optional<double> rate_per_s;     // iterations per second, alone
  std::optional<double> tokens_per_s;
  std::optional<double> sm_clock_mhz;  // mean over the window, of its telemetry
  size_t telemetry_samples = 0, clock_samples = 0, throttled_samples = 0;
  std::vector<double> metric_ms;         // the samples that count, in order of time
  std::vector<double> metric_sorted_ms;  // the same, ascending
};

// A tenant that is a load of known cost (results/record.h, StressRecord). Rates are in `unit`.
struct StressUse {
  std::string kind;  // "spin", "dram", ...
  double intensity = 1;
  std::optional<double> service_ms;     // wanted
  std::optional<double> calibrated_ms;  // reached alone
  std::string unit;                     // "GB/s"; empty: has no rate
  std::optional<double> rate_alone, rate, rate_share;
  std::optional<double> slowdown;  // mean latency / calibrated_ms
  std::optional<int> footprint_sms;
};

struct TenantAnalysis {
  std::string name, directory, model;
  std::string device;  // "cuda:0"; empty if unknown
  Task task = Task::forward;
  std::string engine, dtype;  // empty if unknown
  int batch_size = 0, seq_len = 0;
  Clock clock = Clock::host;
  std::optional<StressUse> stress;  // of a stress engine
  std::optional<std::string> died;  // how, when it did
  // What weights and activations need, computed before loading; 0 if unknown. What the worker held once warm.
  uint64_t weights_bytes = 0, activation_bytes = 0;
  std::optional<uint64_t> resident_bytes;

  size_t iterations = 0;  // in the file
  size_t rejected = 0, failed = 0, outside_window = 0;
  Summary latency_ms;
  std::optional<Summary> gpu_ms, ttft_ms, tpot_ms, itl_ms, queue_ms;
  std::optional<double> host_ms;  // mean of latency - gpu time: launches, waits, other tenants' slices
  // `corun: fixed` only: the latencies inside the overlap (latency_ms is over all iterations, as in the study).
  std::optional<Summary> overlap_latency_ms;
  std::vector<double> metric_ms;         // samples of the chosen column that count, in order of time
  std::vector<double> metric_sorted_ms;  // the same, ascending
  Samples samples;

  std::optional<double> tokens_per_s;        // output tokens of generate, batch x seq_len of forward
  std::optional<double> total_tokens_per_s;  // generate: prompts too
  // nullopt where the window is empty.
  std::optional<double> rate_per_s;            // iterations per second in the window, edges pro rata
  SteadyRecord steady;                         // whether it had settled
  std::optional<YieldRecord> yielded;          // where tenants give way to each other
  std::optional<AttainmentRecord> attainment;  // of the requests in the window, where it has objectives
  std::optional<double> offered_per_s;         // open loop: requests that were due, per second
  std::optional<double> arrival_ratio;         // open loop: requests that were due / completed, over the run
  std::optional<double> lag_p99_us;            // open loop: how late its generator sent
  std::optional<double> wall_s;                // the window, or the study's time_elapsed
  std::optional<double> completion_s;          // from the first start to this tenant's last end

  std::optional<BaselineUse> baseline;
  std::optional<double> progress;                                                 // rate shared / rate alone
  std::optional<Interval> progress_interval;                                      // 95%, of batch means or repeats
  std::optional<double> slowdown_mean, slowdown_p50, slowdown_p95, slowdown_p99;  // of latency
  std::optional<Interval> slowdown_p50_interval;
  std::optional<double> ttft_slowdown_p50, tpot_slowdown_p50;
  std::optional<double> contention_ms;  // shared - alone, medians of the chosen column
  std::optional<double> clock_ratio;    // mean SM clock shared / alone
  // What it is bound by when it runs alone: "host", "memory", "compute", "latency"; empty if unknown, and the reason
  // says why: "DRAM 81% busy (at least 60%)", "its run alone has no counters of the device".
  std::string bound, bound_reason;
  std::optional<Verdict> verdict, study_verdict;
  // progress over the geometric mean of the progress of all tenants on its device, on which the verdict rests
  std::optional<double> relative_progress;
  std::optional<Interval> relative_progress_interval;

  std::optional<size_t> settled_after;  // late warm-up: the samples before this one are of another level
  std::optional<size_t> changed_after;  // the same, too late for a warm-up: the level changed in the middle
  // Of a value's shift between the parts before and after either: (before - after) / after, of the medians.
  double settling_shift = 0;
};

// The statistics of one column; null for a tenant that lacks it.
const Summary* summary_of(const TenantAnalysis& tenant, Metric metric);

struct Spread {
  double cv = 0, gini = 0, max_min_ratio = 0, range = 0, max_deviation_percent = 0, jain = 0;
};

struct Fairness {
  std::string basis;  // "latency_mean" (all tenants do the same work; "gpu_mean", ... with --metric) or "progress"
  Spread spread;
  struct AtQuantile {
    std::string name;  // "p25", "p50", "p75", "p99"
    double cv = 0, max_min_ratio = 0;
  };
  std::vector<AtQuantile> by_quantile;  // of the column at that quantile; by progress: of alone / shared there
};

// How far the work rates (iterations per second in the window) of tenants of one work are apart.
struct RateSpread {
  std::string work;                 // "distilgpt2, batch 8 x 128"
  size_t tenants = 0;               // at least 2
  double max_min_ratio = 1;         // largest / smallest rate
  size_t fastest = 0, slowest = 0;  // indices of tenants
};

struct PairTest {
  size_t a = 0, b = 0;  // indices of tenants
  double t = 0, t_p = 0, cohens_d = 0;
  double u = 0, u_p = 0, rank_biserial = 0;
  double p_holm = 0;  // Holm's correction of u_p over all pairs
  double cliffs_delta = 0;
  std::optional<double> hodges_lehmann_ms;  // median of the differences a - b; nullopt above a million pairs
};

// The study's tests. They assume independent samples, which consecutive iterations are not: never a verdict's basis.
struct Significance {
  TestResult levene;
  bool equal_variances = false;  // Levene's p above 0.05: ANOVA and Student; else Kruskal-Wallis and Welch
  TestResult omnibus;
  std::vector<PairTest> pairs;  // empty with more tenants than most_tenants_paired (fairness.h)
};

// Of one device, or of several together: then tokens, power, memory and counts of samples are sums, and the clock, the
// utilisations and the occupancy means over the devices.
struct DeviceAnalysis {
  std::string name;                        // "NVIDIA H100 80GB HBM3"; empty on the CPU, or if unknown
  std::string uuid;                        // of this very chip; likewise
  std::optional<double> tokens_per_s;      // all tenants in the window; fixed and the study's: until the last is done
  std::optional<double> max_completion_s;  // the longest tenant
  std::optional<double> overlap_s;         // in which all tenants were active
  // The same work one after another, each alone: how much sooner the shared run is done with it. Equals STP.
  std::optional<double> tokens_per_s_alone_in_turn;
  std::optional<double> sm_clock_mhz, power_w, joules_per_token, memory_used_bytes;
  std::optional<double> sm_percent, tensor_percent, dram_percent, occupancy_percent;  // means over the window
  size_t telemetry_samples = 0, clock_samples = 0, throttled_samples = 0;
  std::string bound;         // "host", "memory", "compute", "latency"; empty if unknown
  std::string bound_reason;  // "DRAM 81% busy (at least 60%)"; why it is unknown where `bound` is empty
};

// One of the devices, with its own tenants: tokens and completion are theirs.
struct PerDeviceAnalysis : DeviceAnalysis {
  std::string device;  // "cuda:0"; empty if unknown
  std::optional<double> stp, antt;
  std::optional<Interval> stp_interval;
  std::optional<double> jain;  // of progress; nullopt with fewer than two tenants
};

// One run of a repeated experiment (repeats/NN; the experiment's own run is the first).
struct RepeatAnalysis {
  std::string name;                                 // "01"
  bool valid = true;                                // false: its file says that it is not
  std::vector<double> p50_ms, mean_ms, rate_per_s;  // of the chosen column, per tenant as in `tenants`
  // Against the baseline of this repeat.
  std::vector<std::optional<double>> progress, slowdown_p50;
  bool own_baselines = false;  // measured with it; else those of the first run
};

struct ExperimentAnalysis {
  std::string name;
  std::filesystem::path directory;
  bool study_form = false;  // only <tenant>/events.jsonl
  Metric metric = Metric::latency;
  std::optional<bool> valid;                                                  // nullopt: the files do not say
  std::vector<std::string> reasons;                                           // why it is not valid
  std::string sharing, commit, version, started_at, host, driver, cuda, cpu;  // empty if unknown
  std::optional<Corun> corun;
  std::optional<Surroundings> surroundings;

  std::vector<TenantAnalysis> tenants;
  std::optional<Interval> window_s;        // since T0
  DeviceAnalysis device;                   // all together
  std::vector<PerDeviceAnalysis> devices;  // each by itself
  std::optional<double> stp, antt;
  std::optional<Interval> stp_interval;
  std::optional<Fairness> fairness;           // null with one tenant, or with different work and no baseline
  std::optional<Fairness> progress_fairness;  // with a baseline also where `fairness` is by latency
  std::vector<RateSpread> rate_spreads;       // one for each work that two tenants or more do
  std::optional<Significance> significance;   // tenants of the same work only
  std::vector<RepeatAnalysis> repeats;        // empty: not repeated

  std::vector<std::string> warnings;               // each a sentence that ends in what to do
  std::optional<std::filesystem::path> telemetry;  // telemetry.jsonl
  std::optional<std::filesystem::path> config;     // config.yaml
};

struct AnalysisRequest {
  std::filesystem::path directory;                // of the experiment; "<name>.incomplete" too
  std::optional<std::filesystem::path> baseline;  // --baseline
  bool force_baseline = false;
  bool find_baselines = true;
  bool search_baselines = true;  // also in the data root, where nobody named one
  Metric metric = Metric::latency;
};

// Whether its tenants were on more than one device.
inline bool has_several_devices(const ExperimentAnalysis& analysis) {
  return analysis.devices.size() > 1;
}

// Of an analysis whose figures alone are still needed: its memory no longer grows with the requests.
void forget_samples(ExperimentAnalysis& analysis);

// Reads and analyses one experiment. Throws usage_error for a directory without events, an empty or torn file (with
// the line), a baseline of other work, and a metric that the files do not have.
ExperimentAnalysis analyze_experiment(const AnalysisRequest& request);

}  // namespace cotenant
