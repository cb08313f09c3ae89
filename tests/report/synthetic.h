#pragma once

#include <algorithm>
#include <cmath>
#include <random>
#include <string>
#include <vector>

#include "analysis/analysis.h"
#include "stats/describe.h"
#include "stats/intervals.h"

// Analysed experiments with made-up samples, so that what is drawn can be checked against what went in.
namespace cotenant {

inline Summary summary_of(const std::vector<double>& values) {
  Summary s;
  const auto sorted = sorted_copy(values);
  s.count = values.size();
  s.mean = mean(values);
  s.std = standard_deviation(values);
  s.min = sorted.front();
  s.max = sorted.back();
  for (auto [place, q] :
       {std::pair{&s.p25, 0.25}, {&s.p50, 0.5}, {&s.p75, 0.75}, {&s.p90, 0.9}, {&s.p95, 0.95}, {&s.p99, 0.99}}) {
    *place = percentile(sorted, q);
  }
  s.ci95_p50 = Interval{s.p50 * 0.99, s.p50 * 1.01};
  s.n_eff = static_cast<double>(s.count) / 3;
  return s;
}

inline void set_metric(TenantAnalysis& tenant, std::vector<double> samples_ms) {
  tenant.metric_sorted_ms = sorted_copy(samples_ms);
  tenant.latency_ms = samples_ms.empty() ? Summary{} : summary_of(samples_ms);
  tenant.metric_ms = std::move(samples_ms);
}

// Lognormal latencies around `median_ms`, back to back from time 0, the last tenth outside the window.
inline TenantAnalysis synthetic_tenant(const std::string& name, double median_ms, size_t iterations, uint64_t seed) {
  std::mt19937_64 random(seed);
  std::lognormal_distribution<double> latency(std::log(median_ms), 0.12);
  TenantAnalysis tenant;
  tenant.name = tenant.directory = name;
  tenant.model = "distilgpt2";
  tenant.task = Task::forward;
  tenant.batch_size = 8;
  tenant.seq_len = 128;
  double now_s = 0;
  std::vector<double> counting;
  for (size_t i = 0; i < iterations; ++i) {
    const double ms = latency(random) * (random() % 97 == 0 ? 1.8 : 1);
    const bool counts = i * 10 < iterations * 9;
    tenant.samples.latency_ms.push_back(ms);
    tenant.samples.start_s.push_back(now_s);
    now_s += ms * 1e-3;
    tenant.samples.end_s.push_back(now_s);
    tenant.samples.counts.push_back(counts);
    if (counts) counting.push_back(ms);
  }
  tenant.iterations = iterations;
  tenant.metric_sorted_ms = sorted_copy(tenant.metric_ms);
  set_metric(tenant, std::move(counting));
  tenant.rate_per_s = 1e3 / tenant.latency_ms.mean;
  tenant.tokens_per_s = *tenant.rate_per_s * 1024;
  tenant.wall_s = now_s;
  return tenant;
}

inline PairTest synthetic_pair(size_t a, size_t b) {
  PairTest pair;
  pair.a = a;
  pair.b = b;
  pair.p_holm = std::pow(10.0, -static_cast<double>(a + 2 * b));
  pair.u_p = pair.t_p = pair.p_holm / 2;
  pair.rank_biserial = 0.3;
  pair.cohens_d = -0.4;
  pair.hodges_lehmann_ms = 0.12;
  return pair;
}

// `tenants` that share a device, with a baseline, fairness and tests.
inline ExperimentAnalysis synthetic_experiment(const std::vector<std::string>& names, size_t iterations = 400,
                                               double apart = 1.1) {
  ExperimentAnalysis experiment;
  experiment.name = "synthetic";
  experiment.directory = "data/synthetic";
  experiment.valid = true;
  experiment.sharing = "mps";
  experiment.corun = Corun::overlap;
  experiment.device.name = "NVIDIA H100 80GB HBM3";
  experiment.device.bound = "memory";
  experiment.device.bound_reason = "DRAM 81% busy (threshold 60%)";
  double median_ms = 4, stp = 0, tokens_per_s = 0;
  for (size_t i = 0; i < names.size(); ++i, median_ms *= apart) {
    TenantAnalysis tenant = synthetic_tenant(names[i], median_ms, iterations, i + 1);
    BaselineUse baseline;
    baseline.experiment = "synthetic";
    baseline.tenant = "alone";
    baseline.why = "baselines/ of this experiment";
    tenant.baseline = baseline;
    tenant.progress = 0.62 - 0.03 * static_cast<double>(i);
    tenant.slowdown_p50 = 1 / *tenant.progress;
    tenant.slowdown_mean = *tenant.slowdown_p50 * 1.02;
    tenant.slowdown_p95 = *tenant.slowdown_p50 * 1.1;
    tenant.slowdown_p99 = *tenant.slowdown_p50 * 1.3;
    tenant.slowdown_p50_interval = Interval{*tenant.slowdown_p50 * 0.97, *tenant.slowdown_p50 * 1.03};
    tenant.verdict = i == 0 ? Verdict::hogging : Verdict::fair;
    stp += *tenant.progress;
    tokens_per_s += *tenant.tokens_per_s;
    experiment.tenants.push_back(std::move(tenant));
  }
  experiment.stp = stp;
  experiment.antt = 1.7;
  experiment.device.tokens_per_s = tokens_per_s;
  experiment.window_s = Interval{0.1, 1.4};
  if (names.size() > 1) {
    experiment.fairness = Fairness{"latency_mean",
                                   {0.05, 0.03, 1.2, 0.9, 8.5, 0.997},
                                   {{"p25", 0.04, 1.1}, {"p50", 0.05, 1.2}, {"p99", 0.08, 1.4}}};
    experiment.progress_fairness = Fairness{"progress", {0.06, 0.03, 1.2, 0.1, 9.5, 0.996}, {}};
    Significance tests;
    tests.levene = {3.1, 0.02};
    tests.omnibus = {120.5, 1e-9};
    for (size_t a = 0; a < names.size(); ++a) {
      for (size_t b = a + 1; b < names.size(); ++b) tests.pairs.push_back(synthetic_pair(a, b));
    }
    experiment.significance = tests;
  }
  experiment.warnings = {
      "distilgpt2_1: 100 samples are too few for an interval of p99, which needs 368: raise num_iters."};
  return experiment;
}

}  // namespace cotenant
