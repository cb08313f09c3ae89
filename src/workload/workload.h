#pragma once

#include <cstdint>
#include <optional>
#include <variant>

#include "workload/arrivals.h"
#include "workload/fixed_queue.h"
#include "workload/lengths.h"
#include "workload/paced_loop.h"
#include "workload/spec.h"

// What a tenant sends, and when. A room that knows no engine and no clock: instants in, instants out, so that the
// tenant's own loop asks for the next request and no generator runs beside it.
//
// The same spec and seed give the same requests with the same instants from the start and the same lengths, on every
// machine and however fast they are answered; in a closed loop the instants depend on the answers.
namespace cotenant {

// A request and its instant.
struct DueRequest {
  int64_t iter = 0;
  int64_t due_ns = 0;  // of an open loop and a replay absolute: who is late does not move what comes after
  int rows = 1, seq_len = 1, max_new_tokens = 0;

  int64_t tokens_in() const { return int64_t{rows} * seq_len; }
};

// The greatest that the workload can send, to warm up with and to set deadlines by.
DueRequest longest_request(const WorkloadSpec& spec);

// Nothing is allocated after construction.
class Workload {
 public:
  // `spec`: as check() passes it.
  Workload(const WorkloadSpec& spec, int64_t begin_ns);
  Workload(const Workload&) = delete;

  // Whether requests come without regard to answers, so that they can wait.
  bool open() const { return !std::holds_alternative<Closed>(source_); }

  // The next request to be sent: the first of those that wait, or else the first to come. None: not before another has
  // ended, or never again.
  std::optional<DueRequest> next() const;
  void sent();                // what next() said
  void ended(int64_t at_ns);  // one of those in flight

  // Of an open loop: lets what is due by then into the queue, and hands out, one a call, what finds `max_queue` others
  // in it. To be asked until there is none, when the engine has no room.
  std::optional<DueRequest> rejected(int64_t now_ns);
  size_t waiting() const { return waiting_.size(); }

  bool over() const { return !coming_ && waiting_.empty() && never_again_; }
  int64_t requests() const { return sent_ + rejected_; }

 private:
  struct Closed {
    PacedLoop paced;
    int64_t think_ns;
    FixedQueue<int64_t> ready_ns;  // when each of the clients without a request will send its next one
  };
  struct Open {
    OpenInstants instants;
  };
  struct Traced {
    size_t next = 0;
  };
  using Source = std::variant<Closed, Open, Traced>;

  static Source source_of(const WorkloadSpec& spec, int64_t begin_ns);
  std::optional<int64_t> next_due();
  void look_ahead();

  const WorkloadSpec spec_;
  const int64_t begin_ns_;
  Source source_;
  Lengths prompt_lengths_, answer_lengths_;
  FixedQueue<DueRequest> waiting_;
  std::optional<DueRequest> coming_;  // the first that does not wait yet
  int64_t made_ = 0, sent_ = 0, rejected_ = 0;
  bool never_again_ = false;
};

}  // namespace cotenant
