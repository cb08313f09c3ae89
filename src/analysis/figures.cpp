#include "analysis/figures.h"

#include <algorithm>
#include <array>
#include <functional>

namespace cotenant {
namespace {

using T = TenantAnalysis;
using A = AttainmentRecord;
using S = SteadyRecord;
using Y = YieldRecord;
using enum Shown;

template <auto field>
constexpr auto of = [](const T& tenant) { return tenant.*field; };

template <auto field>
std::optional<double> of_steady(const T& tenant) {
  return std::invoke(field, tenant.steady);
}

template <auto field>
std::optional<double> of_yielded(const T& tenant) {
  if (!tenant.yielded) return std::nullopt;
  return static_cast<double>(std::invoke(field, *tenant.yielded));
}

// Of the time from T0 to its last request.
std::optional<double> given_way(const T& tenant) {
  if (!tenant.yielded || !tenant.completion_s || *tenant.completion_s <= 0) return std::nullopt;
  return std::min(1.0, tenant.yielded->waited_ms * 1e-3 / *tenant.completion_s);
}

template <auto field>
std::optional<double> of_attainment(const T& tenant) {
  if (!tenant.attainment || tenant.attainment->requests == 0) return std::nullopt;
  return std::invoke(field, *tenant.attainment);
}

constexpr std::array figures{
    TenantFigure{"host_ms", "host", "ms", never, of<&T::host_ms>},
    TenantFigure{"tokens_per_s", "tokens/s", "tokens/s", count, of<&T::tokens_per_s>},
    TenantFigure{"total_tokens_per_s", "tokens/s with prompts", "tokens/s", never, of<&T::total_tokens_per_s>},
    TenantFigure{"requests_per_s", "requests/s", "requests/s", never, of<&T::rate_per_s>},
    TenantFigure{"offered_requests_per_s", "offered/s", "requests/s", fixed, of<&T::offered_per_s>},
    TenantFigure{"goodput_requests_per_s", "goodput/s", "requests/s", fixed, of_attainment<&A::goodput_requests_per_s>},
    TenantFigure{"goodput_tokens_per_s", "goodput tokens/s", "tokens/s", never,
                 of_attainment<&A::goodput_tokens_per_s>},
    TenantFigure{"attainment", "met", "1", percent, of_attainment<&A::share>},
    TenantFigure{"arrival_ratio", "offered / served", "1", never, of<&T::arrival_ratio>},
    TenantFigure{"lag_p99_us", "lag p99", "us", never, of<&T::lag_p99_us>},
    TenantFigure{"wall_s", "window", "s", never, of<&T::wall_s>},
    TenantFigure{"completion_s", "completion", "s", never, of<&T::completion_s>},
    TenantFigure{"slowdown_p50", "slowdown", "1", times, of<&T::slowdown_p50>, of<&T::slowdown_p50_interval>},
    TenantFigure{"slowdown_mean", "slowdown of the mean", "1", never, of<&T::slowdown_mean>},
    TenantFigure{"slowdown_p95", "slowdown of p95", "1", never, of<&T::slowdown_p95>},
    TenantFigure{"slowdown_p99", "slowdown of p99", "1", never, of<&T::slowdown_p99>},
    TenantFigure{"ttft_slowdown_p50", "slowdown of TTFT", "1", never, of<&T::ttft_slowdown_p50>},
    TenantFigure{"tpot_slowdown_p50", "slowdown of TPOT", "1", never, of<&T::tpot_slowdown_p50>},
    TenantFigure{"contention_ms", "contention (ms)", "ms", on_pages, of<&T::contention_ms>},
    TenantFigure{"clock_ratio", "clock", "1", times, of<&T::clock_ratio>},
    TenantFigure{"progress", "progress", "1", fixed, of<&T::progress>, of<&T::progress_interval>},
    TenantFigure{"rate_spread", "spread of the rate", "1", never, of_steady<&S::rate_spread>},
    TenantFigure{"latency_spread", "spread of the latency", "1", never, of_steady<&S::latency_spread>},
    TenantFigure{"given_way", "gave way", "1", percent, given_way},
    TenantFigure{"yield_gates", "gates", "1", never, of_yielded<&Y::gates>},
    TenantFigure{"yield_waits", "waits at gates", "1", never, of_yielded<&Y::waits>},
    TenantFigure{"yield_longest_wait_ms", "longest wait at a gate (ms)", "ms", never, of_yielded<&Y::longest_wait_ms>},
    TenantFigure{"yield_bound_hits", "waits cut off", "1", never, of_yielded<&Y::bound_hits>},
    TenantFigure{"relative_progress", "relative progress", "1", never, of<&T::relative_progress>,
                 of<&T::relative_progress_interval>},
};

}  // namespace

std::span<const TenantFigure> tenant_figures() {
  return figures;
}

bool is_shown(const TenantFigure& figure, std::span<const TenantAnalysis> tenants) {
  return figure.shown != never &&
         std::ranges::any_of(tenants, [&](const T& tenant) { return figure.value(tenant).has_value(); });
}

}  // namespace cotenant
