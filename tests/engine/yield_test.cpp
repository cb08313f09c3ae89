#include "engine/yield.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <memory>
#include <numeric>
#include <vector>

// Where gates go, and who goes first at them, in virtual time.
namespace cotenant {
namespace {

// The gaps between gates over some passes of these kernels, and at the end of the last pass what has gone on since.
std::vector<double> gaps_of(const std::vector<double>& kernels_us, double quantum_us, int passes) {
  GatePlacer placer(quantum_us);
  std::vector<double> gaps;
  double since_us = 0;
  const auto gate = [&] { gaps.push_back(std::exchange(since_us, 0)); };
  for (int pass = 0; pass < passes; ++pass) {
    placer.begin(false);
    for (const double us : kernels_us) {
      if (placer.before(us)) gate();
      since_us += us;
    }
    if (placer.at_end()) gate();
  }
  gaps.push_back(since_us);
  return gaps;
}

TEST(GatePlacer, NoMoreThanAQuantumLiesBetweenTwoGatesOfAPass) {
  const std::vector<double> kernels(100, 7);
  for (const double quantum_us : {20.0, 50.0, 100.0, 400.0})
    for (const double gap : gaps_of(kernels, quantum_us, 1)) EXPECT_LE(gap, quantum_us);
  EXPECT_EQ(gaps_of(kernels, 70, 1).size(),
            11u);  // ten kernels a quantum; the pass begins and ends in the middle of one
}

TEST(GatePlacer, FromPassToPassThereMayBeAHalfMore) {
  for (const double gap : gaps_of(std::vector<double>(33, 7), 50, 20)) EXPECT_LE(gap, 75);
}

TEST(GatePlacer, AShortPassHasOneGate) {
  EXPECT_EQ(gaps_of({5, 5}, 100, 7).size(), 8u);
  EXPECT_EQ(gaps_of({}, 100, 7).size(), 8u);
}

TEST(GatePlacer, AKernelLongerThanAQuantumHasGatesOnBothSides) {
  EXPECT_EQ(gaps_of({10, 300, 10}, 50, 1), (std::vector<double>{10, 300, 10}));
}

TEST(GatePlacer, DividesWhatIsLongerThanAQuantum) {
  const GatePlacer placer(100);
  EXPECT_EQ(placer.parts(99), 1);
  EXPECT_EQ(placer.parts(100), 1);
  for (const double us : {101.0, 370.0, 1000.0, 12345.0}) EXPECT_LE(us / placer.parts(us), 100) << us;
}

TEST(GivesWay, OnlyToAHigherLevelThatHasWork) {
  const YieldSeat low{.level = 0}, equal{.in_flight = 1, .level = 0}, high{.in_flight = 1, .level = 5},
      idle{.in_flight = 0, .level = 5};
  EXPECT_TRUE(gives_way(low, high, false));
  EXPECT_FALSE(gives_way(low, idle, false));
  EXPECT_FALSE(gives_way(low, equal, false));
  EXPECT_FALSE(gives_way(high, low, false));
}

// Tenants in closed loops, by weight, on a device that whoever passes its gates shares equally. A microsecond a step.
struct Loop {
  double weight = 1;
  double pass_us = 0, host_us = 10;  // between two passes
  double busy_from_us = 0, busy_until_us = 1e9;
};

struct Outcome {
  std::vector<double> device_us;
  double idle_us = 0;
};

Outcome simulate(const std::vector<Loop>& loops, double quantum_us, double begin_us, double end_us) {
  struct State {
    double left_us = 0, to_gate_us = 0, next_pass_us = 0, since_gate_us = 0;
    bool in_flight = false;
  };
  auto page = std::make_unique<YieldPage>();
  page->seats = static_cast<uint32_t>(loops.size());
  page->by_weight = 1;
  std::vector<State> states(loops.size());
  for (size_t i = 0; i < loops.size(); ++i) page->seat[i].per_weight = 1 / loops[i].weight;
  Outcome outcome{std::vector<double>(loops.size()), 0};
  const auto at_gate = [](const State& state) { return state.in_flight && state.to_gate_us <= 0; };
  for (double now_us = 0; now_us < end_us; ++now_us) {
    int running = 0;
    for (uint32_t i = 0; i < loops.size(); ++i) {
      State& state = states[i];
      YieldSeat& seat = page->seat[i];
      const bool has_work = now_us >= loops[i].busy_from_us && now_us < loops[i].busy_until_us;
      if (!state.in_flight && now_us >= state.next_pass_us && has_work) {
        seat.turn_ns = turn_after_idle(*page, i);
        seat.in_flight = 1;
        state = {
            .left_us = loops[i].pass_us, .to_gate_us = 0, .next_pass_us = 0, .since_gate_us = 0, .in_flight = true};
      }
      if (at_gate(state)) {
        seat.turn_ns += static_cast<uint64_t>(state.since_gate_us * 1e3 * seat.per_weight);
        state.since_gate_us = 0;
        bool waits = false;
        for (uint32_t j = 0; j < loops.size(); ++j) waits |= j != i && gives_way(seat, page->seat[j], true);
        if (!waits) state.to_gate_us = std::min(quantum_us, state.left_us);
      }
      running += state.in_flight && state.to_gate_us > 0;
    }
    if (running == 0 && now_us >= begin_us) ++outcome.idle_us;
    for (uint32_t i = 0; i < loops.size(); ++i) {
      State& state = states[i];
      if (!state.in_flight || state.to_gate_us <= 0) continue;
      const double done_us = 1.0 / running;
      state.left_us -= done_us;
      state.to_gate_us -= done_us;
      state.since_gate_us += 1;
      if (now_us >= begin_us) outcome.device_us[i] += done_us;
      if (state.left_us > 1e-9) continue;
      page->seat[i].turn_ns += static_cast<uint64_t>(state.since_gate_us * 1e3 * page->seat[i].per_weight);
      page->seat[i].in_flight = 0;
      state = {.left_us = 0,
               .to_gate_us = 0,
               .next_pass_us = now_us + loops[i].host_us,
               .since_gate_us = 0,
               .in_flight = false};
    }
  }
  return outcome;
}

TEST(Weights, DividePassesOf80TimesTheLengthInProportion) {
  for (const auto& [a, b] : {std::pair(1.0, 1.0), {3.0, 1.0}, {1.0, 4.0}}) {
    const Outcome outcome = simulate({{.weight = a, .pass_us = 300}, {.weight = b, .pass_us = 24'000}}, 100, 0, 1e6);
    const double all_us = outcome.device_us[0] + outcome.device_us[1];
    EXPECT_NEAR(outcome.device_us[0] / all_us, a / (a + b), 0.02 * a / (a + b)) << a << ":" << b;
    EXPECT_LT(outcome.idle_us, 0.03 * 1e6);
  }
}

TEST(Weights, HoldAmongTenants) {
  const std::vector<Loop> loops{{.weight = 1, .pass_us = 700},
                                {.weight = 2, .pass_us = 5'000},
                                {.weight = 3, .pass_us = 1'300},
                                {.weight = 4, .pass_us = 24'000}};
  const Outcome outcome = simulate(loops, 100, 0, 1e6);
  const double all_us = std::accumulate(outcome.device_us.begin(), outcome.device_us.end(), 0.0);
  for (size_t i = 0; i < loops.size(); ++i)
    EXPECT_NEAR(outcome.device_us[i] / all_us, loops[i].weight / 10, 0.02 * loops[i].weight / 10) << i;
}

TEST(Weights, LeaveADeviceToWhoeverHasWork) {
  const Outcome alone = simulate({{.weight = 1, .pass_us = 2'000}, {.weight = 9, .busy_from_us = 2e9}}, 100, 0, 1e6);
  EXPECT_GT(alone.device_us[0], 0.99 * 1e6);
}

// After a second of idleness it may catch up 10 ms, and not the half second that its weight would have been.
TEST(Weights, ALongPauseIsNoClaim) {
  const Outcome outcome = simulate({{.pass_us = 300}, {.pass_us = 24'000, .busy_from_us = 1e6}}, 100, 1e6, 1.2e6);
  EXPECT_NEAR(outcome.device_us[1], 100e3, 12e3);
}

}  // namespace
}  // namespace cotenant
