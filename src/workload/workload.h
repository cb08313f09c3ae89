#pragma once

#include <cstdint>
#include <optional>

#include "workload/paced_loop.h"

// What a tenant sends, and when. A room that knows no engine and no clock: instants in, instants out, so that the
// tenant's own loop asks for the next request and no generator runs beside it.
namespace cotenant {

struct WorkloadSpec {
  int rows = 1;            // of each request: sequences
  int seq_len = 1;         // tokens in a sequence
  int max_new_tokens = 0;  // to be generated for each sequence; 0: a forward pass

  int concurrency = 1;   // requests in flight at most
  double period_ms = 0;  // a request is due so long after the last one was; 0: when another has ended
  int64_t enough = 0;    // requests after which the tenant's part of the experiment is done
  int64_t exactly = 0;   // requests after which it stops; 0: goes on until it is told to
};

// How long a tenant may finish no request before it counts as hung; `pass_s` is that time for requests that follow one
// another.
double patience_s(const WorkloadSpec& spec, double pass_s);

// A request and its instant.
struct DueRequest {
  int64_t iter = 0;
  int64_t due_ns = 0;
  int rows = 1, seq_len = 1, max_new_tokens = 0;

  int64_t tokens_in() const { return int64_t{rows} * seq_len; }
};

class Workload {
 public:
  Workload(const WorkloadSpec& spec, int64_t begin_ns);

  // The next request; none: not before another has ended, or never again.
  std::optional<DueRequest> next() const;
  void sent();                // what next() said
  void ended(int64_t at_ns);  // one of those in flight
  bool over() const { return spec_.exactly > 0 && sent_ >= spec_.exactly; }
  int64_t requests() const { return sent_; }

 private:
  const WorkloadSpec spec_;
  PacedLoop paced_;
  int64_t due_ns_;
  int64_t sent_ = 0;
  int in_flight_ = 0;
};

}  // namespace cotenant
