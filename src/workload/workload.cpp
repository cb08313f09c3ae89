#include "workload/workload.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "base/overloaded.h"

namespace cotenant {
namespace {

int64_t rounded_ns(double s) {
  return std::llround(s * 1e9);
}

const Trace* trace_in(const WorkloadSpec& spec) {
  const auto* replay = std::get_if<Replay>(&spec.arrivals);
  return replay ? replay->trace.get() : nullptr;
}

}  // namespace

DueRequest longest_request(const WorkloadSpec& spec) {
  return {.rows = spec.rows, .seq_len = longest_prompt(spec), .max_new_tokens = longest_answer(spec)};
}

Workload::Source Workload::source_of(const WorkloadSpec& spec, int64_t begin_ns) {
  return std::visit(Overloaded{[&](const ClosedLoop& loop) -> Source {
                                 Closed closed{.paced = PacedLoop(static_cast<int64_t>(spec.period_ms * 1e6), begin_ns),
                                               .think_ns = rounded_ns(loop.think_s),
                                               .ready_ns = FixedQueue<int64_t>(static_cast<size_t>(loop.concurrency))};
                                 for (int i = 0; i < loop.concurrency; ++i)
                                   closed.ready_ns.push(closed.paced.next_ns(begin_ns));
                                 return closed;
                               },
                               [&](const OpenLoop& loop) -> Source { return Open{OpenInstants(loop, spec.seed)}; },
                               [](const Replay&) -> Source { return Traced{}; }},
                    spec.arrivals);
}

Workload::Workload(const WorkloadSpec& spec, int64_t begin_ns)
    : spec_(spec),
      begin_ns_(begin_ns),
      source_(source_of(spec_, begin_ns)),
      prompt_lengths_(spec_.seq_len, spec_.seed, Draws::Purpose::prompt_lengths, trace_in(spec_),
                      &TraceRequest::prompt),
      answer_lengths_(spec_.max_new_tokens, spec_.seed, Draws::Purpose::answer_lengths, trace_in(spec_),
                      &TraceRequest::answer),
      waiting_(open() ? static_cast<size_t>(spec_.max_queue) : 0) {
  look_ahead();
}

std::optional<int64_t> Workload::next_due() {
  return std::visit(Overloaded{[](Closed& closed) -> std::optional<int64_t> {
                                 if (closed.ready_ns.empty()) return std::nullopt;
                                 const int64_t due_ns = closed.ready_ns.front();
                                 closed.ready_ns.pop();
                                 return due_ns;
                               },
                               [this](Open& open) -> std::optional<int64_t> {
                                 const auto offset_ns = open.instants.next_ns();
                                 if (!offset_ns) never_again_ = true;
                                 return offset_ns ? std::optional(begin_ns_ + *offset_ns) : std::nullopt;
                               },
                               [this](Traced& traced) -> std::optional<int64_t> {
                                 const auto& requests = trace_in(spec_)->requests;
                                 never_again_ = traced.next == requests.size();
                                 if (never_again_) return std::nullopt;
                                 return begin_ns_ + requests[traced.next++].at_ns;
                               }},
                    source_);
}

void Workload::look_ahead() {
  coming_.reset();
  if (spec_.exactly > 0 && made_ >= spec_.exactly) never_again_ = true;
  if (never_again_) return;
  const auto due_ns = next_due();
  if (!due_ns) return;
  const auto index = static_cast<size_t>(made_);
  coming_ = DueRequest{.iter = made_++,
                       .due_ns = *due_ns,
                       .rows = spec_.rows,
                       .seq_len = prompt_lengths_.next(index),
                       .max_new_tokens = answer_lengths_.next(index)};
}

std::optional<DueRequest> Workload::next() const {
  return waiting_.empty() ? coming_ : std::optional(waiting_.front());
}

void Workload::sent() {
  ++sent_;
  if (waiting_.empty())
    look_ahead();
  else
    waiting_.pop();
}

void Workload::ended(int64_t at_ns) {
  auto* const closed = std::get_if<Closed>(&source_);
  if (closed == nullptr) return;
  closed->ready_ns.push(closed->paced.next_ns(at_ns + closed->think_ns));
  if (!coming_) look_ahead();
}

std::optional<DueRequest> Workload::rejected(int64_t now_ns) {
  if (!open()) return std::nullopt;
  while (coming_ && coming_->due_ns <= now_ns) {
    const DueRequest request = *coming_;
    const bool turned_away = waiting_.full();
    if (!turned_away) waiting_.push(request);
    look_ahead();
    if (!turned_away) continue;
    ++rejected_;
    return request;
  }
  return std::nullopt;
}

}  // namespace cotenant
