#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

// What a tenant sends, and when, as it is asked for: plain data.
namespace cotenant {

struct Trace;

// So many clients, each with one request at a time: it waits for the answer, thinks, and sends the next.
struct ClosedLoop {
  int concurrency = 1;
  double think_s = 0;
};

// Requests come whether or not earlier ones have ended, as from users who do not know of each other. Their rate changes
// linearly within a part and may jump between two; the last one's final rate lasts for ever, and where it is 0, no more
// come. Gaps between requests, measured in requests expected meanwhile, have mean 1 and the coefficient of variation
// `cv`: 0 is constant, the first request at the start; 1 is a Poisson process; others have gamma distributed gaps.
struct OpenLoop {
  struct Part {
    double from = 0, to = 0;  // requests/s
    double duration_s = 0;    // of the last one it may be 0
  };
  std::vector<Part> parts;
  double cv = 1;
};

// Requests at the instants of a trace, each counted from the start; none after its last.
struct Replay {
  std::shared_ptr<const Trace> trace;
};

using Arrivals = std::variant<ClosedLoop, OpenLoop, Replay>;

struct Step {
  double rate = 0, duration_s = 0;
};
Arrivals constant_arrivals(double rate);
Arrivals poisson_arrivals(double rate);
Arrivals gamma_arrivals(double rate, double cv);
Arrivals step_arrivals(const std::vector<Step>& steps, double cv = 1);
Arrivals ramp_arrivals(double from, double to, double duration_s, double cv = 1);

// Tokens of a sequence. Bounds are included; a lognormal length beyond one is that bound.
struct FixedLength {
  int tokens = 0;
};
struct UniformLength {
  int least = 0, most = 0;
};
struct LognormalLength {
  double mean = 0;   // of lengths without bounds
  double sigma = 0;  // deviation of their logarithm
  int least = 0, most = 0;
};
struct TracedLength {};

class Length {
 public:
  using Law = std::variant<FixedLength, UniformLength, LognormalLength, TracedLength>;
  Length(int tokens = 0) : law_(FixedLength{tokens}) {}
  template <class L>
  requires std::is_class_v<L> Length(L law) : law_(std::move(law)) {}
  const Law& law() const { return law_; }

 private:
  Law law_;
};

// The sigma of lognormal lengths with that coefficient of variation: sqrt(ln(1 + cv^2)).
double sigma_of_cv(double cv);

// Longest sequence of a request or an answer, as InFlight and engines can hold them.
inline constexpr int most_tokens_of_sequence = 1 << 20;

struct WorkloadSpec {
  int rows = 1;               // of each request: sequences, all of its length
  Length seq_len = 1;         // tokens of a prompt
  Length max_new_tokens = 0;  // to be generated for each sequence; 0: a forward pass

  Arrivals arrivals = ClosedLoop{};
  int max_queue = 1 << 16;  // of open loops: requests that wait for the engine; one more is rejected
  uint64_t seed = 0;        // of arrivals and lengths; no two tenants should share it, or their bursts coincide

  double period_ms = 0;  // of a closed loop: a request is due so long after the last one was; 0: when another has ended
  int64_t exactly = 0;   // requests after which it stops; 0: goes on until it is told to
};

// Throws usage_error, at `where`, for what no generator can do: rates that are negative or beyond 10^6 requests/s, no
// request at all, no finite number, lengths out of order, lengths of a trace without a trace.
void check(const WorkloadSpec& spec, const std::string& where);

// Requests in flight at most; of an open loop as many as the engine takes.
int most_in_flight(const WorkloadSpec& spec);

int longest_prompt(const WorkloadSpec& spec);
int longest_answer(const WorkloadSpec& spec);

// How long a tenant may finish no request before it counts as hung; `pass_s` is that time for requests that follow one
// another. Random gaps may be longer, with a probability below 10^-12 each.
double patience_s(const WorkloadSpec& spec, double pass_s);

}  // namespace cotenant
