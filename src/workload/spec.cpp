#include "workload/spec.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include "base/error.h"
#include "base/overloaded.h"
#include "workload/elementary.h"
#include "workload/trace.h"

namespace cotenant {
namespace {

constexpr double kMostRate = 1e6;  // beyond it a generator only makes rejections
constexpr double kMostCv = 100;
constexpr double kMostS = 1e9;
constexpr int kMostInFlight = 1 << 20;

// Whatever the number is, NaN included.
void expect_within(double value, double least, double most, const std::string& where, const char* what) {
  if (!(value >= least && value <= most))
    throw usage_error(where, fmt::format("expected {} from {:g} to {:g}, found {:g}", what, least, most, value));
}

void check_closed(const ClosedLoop& loop, const std::string& where) {
  expect_within(loop.concurrency, 1, kMostInFlight, where, "a concurrency");
  expect_within(loop.think_s, 0, kMostS, where, "a think time in s");
}

void check_open(const OpenLoop& loop, const std::string& where) {
  if (loop.parts.empty()) throw usage_error(where, "expected at least one rate, found none");
  double most_rate = 0;
  for (const OpenLoop::Part& part : loop.parts) {
    const bool last = &part == &loop.parts.back();
    expect_within(part.from, 0, kMostRate, where, "a rate in requests/s");
    expect_within(part.to, 0, kMostRate, where, "a rate in requests/s");
    expect_within(part.duration_s, 0, kMostS, where, "a duration in s");
    if (!last && part.duration_s == 0)
      throw usage_error(where, "expected a duration above 0", "The rate after it would begin at once: leave it out.");
    most_rate = std::max({most_rate, part.from, part.to});
  }
  if (most_rate == 0)
    throw usage_error(where, "at a rate of 0 no request is ever sent", "Give a rate above 0, or leave the tenant out.");
  expect_within(loop.cv, 0, kMostCv, where, "a coefficient of variation");
}

void check_bounds(int least, int most, int lowest, const std::string& where) {
  expect_within(least, lowest, most_tokens_of_sequence, where, "a shortest length in tokens");
  expect_within(most, least, most_tokens_of_sequence, where, "a longest length in tokens");
}

void check_length(const Length& length, bool traced, int lowest, const std::string& where) {
  std::visit(Overloaded{[&](const FixedLength& fixed) {
                          expect_within(fixed.tokens, lowest, most_tokens_of_sequence, where, "a length in tokens");
                        },
                        [&](const UniformLength& uniform) { check_bounds(uniform.least, uniform.most, lowest, where); },
                        [&](const LognormalLength& lognormal) {
                          check_bounds(lognormal.least, lognormal.most, lowest, where);
                          expect_within(lognormal.mean, 1e-3, 1e9, where, "a mean length in tokens");
                          expect_within(lognormal.sigma, 0, 10, where, "a sigma");
                        },
                        [&](const TracedLength&) {
                          if (!traced)
                            throw usage_error(where, "lengths are to come from a trace, but there is none",
                                              "Replay a trace, or give the lengths.");
                        }},
             length.law());
}

const Trace* trace_of(const WorkloadSpec& spec) {
  const Replay* replay = std::get_if<Replay>(&spec.arrivals);
  return replay ? replay->trace.get() : nullptr;
}

int longest(const Length& length, int in_trace) {
  return std::visit(Overloaded{[](const FixedLength& fixed) { return fixed.tokens; },
                               [](const UniformLength& uniform) { return uniform.most; },
                               [](const LognormalLength& lognormal) { return lognormal.most; },
                               [&](const TracedLength&) { return in_trace; }},
                    length.law());
}

// Within which a next request comes, all but surely: gamma distributed gaps of mean 1 have tails like exp(-x / cv^2).
// Behind a last rate of 0 none is waited for.
double longest_gap_s(const OpenLoop& loop) {
  const double expected = 30 * std::max(1.0, loop.cv * loop.cv);
  double gap_s = 0;
  for (const OpenLoop::Part& part : loop.parts) {
    const bool last = &part == &loop.parts.back();
    if (!last || part.from != part.to) gap_s += std::min(part.duration_s, expected / std::min(part.from, part.to));
    if (last && part.to > 0) gap_s += expected / part.to;
  }
  return std::min(gap_s, kMostS);
}

}  // namespace

Arrivals constant_arrivals(double rate) {
  return gamma_arrivals(rate, 0);
}

Arrivals poisson_arrivals(double rate) {
  return gamma_arrivals(rate, 1);
}

Arrivals gamma_arrivals(double rate, double cv) {
  return OpenLoop{.parts = {{.from = rate, .to = rate, .duration_s = 0}}, .cv = cv};
}

Arrivals step_arrivals(const std::vector<Step>& steps, double cv) {
  OpenLoop loop{.parts = {}, .cv = cv};
  for (const Step& step : steps)
    loop.parts.push_back({.from = step.rate, .to = step.rate, .duration_s = step.duration_s});
  return loop;
}

Arrivals ramp_arrivals(double from, double to, double duration_s, double cv) {
  return OpenLoop{.parts = {{.from = from, .to = to, .duration_s = duration_s}}, .cv = cv};
}

double sigma_of_cv(double cv) {
  return std::sqrt(natural_log(1 + cv * cv));
}

void check(const WorkloadSpec& spec, const std::string& where) {
  std::visit(Overloaded{[&](const ClosedLoop& loop) { check_closed(loop, where); },
                        [&](const OpenLoop& loop) { check_open(loop, where); },
                        [&](const Replay& replay) {
                          if (!replay.trace || replay.trace->requests.empty())
                            throw usage_error(where, "the trace has no request");
                        }},
             spec.arrivals);
  check_length(spec.seq_len, trace_of(spec) != nullptr, 1, where);
  check_length(spec.max_new_tokens, trace_of(spec) != nullptr, 0, where);
  expect_within(spec.max_queue, 0, kMostInFlight, where, "a number of requests that may wait");
}

int most_in_flight(const WorkloadSpec& spec) {
  const ClosedLoop* loop = std::get_if<ClosedLoop>(&spec.arrivals);
  return loop ? loop->concurrency : kMostInFlight;
}

int longest_prompt(const WorkloadSpec& spec) {
  const Trace* trace = trace_of(spec);
  return longest(spec.seq_len, trace ? trace->longest_prompt : 0);
}

int longest_answer(const WorkloadSpec& spec) {
  const Trace* trace = trace_of(spec);
  return longest(spec.max_new_tokens, trace ? trace->longest_answer : 0);
}

double patience_s(const WorkloadSpec& spec, double pass_s) {
  return pass_s + std::visit(Overloaded{[&](const ClosedLoop& loop) { return loop.think_s + spec.period_ms * 1e-3; },
                                        [](const OpenLoop& loop) { return longest_gap_s(loop); },
                                        [](const Replay& replay) { return replay.trace->longest_gap_s; }},
                             spec.arrivals);
}

}  // namespace cotenant
