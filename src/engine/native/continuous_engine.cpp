#include "engine/native/continuous_engine.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/clock.h"
#include "base/error.h"
#include "engine/native/devices.h"
#include "engine/native/native_ops.h"

namespace cotenant {
namespace {

PassShape shape_in_steps(const EngineOptions& options, const SlotShape& slots) {
  return {.rows = 1, .seq_len = options.seq_len, .max_new_tokens = options.max_new_tokens, .slots = slots};
}

}  // namespace

std::vector<ContinuousEngine::Sized> ContinuousEngine::record_steps(Ops& ops, Transformer& transformer,
                                                                    const SlotShape& shape, bool pieces) {
  std::vector<Sized> programs;
  for (const int size : Slots::sizes(pieces ? shape.most_pieces : shape.slots)) {
    const auto pass = [&] { pieces ? transformer.step(shape.slots, size) : transformer.step(size, 0); };
    const std::string name = pieces ? fmt::format("step with {} pieces", size) : fmt::format("step of {}", size);
    programs.push_back({size, ops.record(pass, name)});
  }
  return programs;
}

MemoryNeed ContinuousEngine::count_memory(const EngineOptions& options, const SlotShape& shape) {
  const std::unique_ptr<Ops> ops = make_ops(ops_options(options, true));
  Transformer transformer(*ops, *options.model, shape_in_steps(options, shape));
  record_steps(*ops, transformer, shape, false);
  record_steps(*ops, transformer, shape, true);
  return ops->memory();
}

ContinuousEngine::ContinuousEngine(const EngineOptions& options)
    : options_(options),
      shape_(slot_shape(options.slots, options.seq_len, options.max_new_tokens, options.chunk_tokens)),
      need_(count_memory(options_, shape_)),
      slots_(shape_) {
  const auto slots = static_cast<size_t>(options_.slots);
  admitted_.reserve(slots);
  progress_.reserve(3 * slots);  // started, token, done
  for (Flight& flight : flights_) {
    flight.step.input.reserve(static_cast<size_t>(StepLayout(shape_).size));
    flight.step.tokens.reserve(slots);
  }
}

ContinuousEngine::~ContinuousEngine() = default;

void ContinuousEngine::load() {
  ops_ = make_ops(ops_options(options_, false, need_));
  transformer_ = std::make_unique<Transformer>(*ops_, *options_.model, shape_in_steps(options_, shape_));
}

void ContinuousEngine::prepare() {
  transformer_->tune();
}

void ContinuousEngine::warm() {
  decode_ = record_steps(*ops_, *transformer_, shape_, false);
  mixed_ = record_steps(*ops_, *transformer_, shape_, true);
  if (ops_->first_run_is_slow()) {
    for (auto* programs : {&decode_, &mixed_}) {
      for (const Sized& sized : *programs) {
        sized.program->launch();
        sized.program->wait();
      }
    }
  }
  // Those of the tuning count, too.
  passes_ = *static_cast<const uint32_t*>(transformer_->ring().count.data);
}

bool ContinuousEngine::submit(const Request& request) {
  if (slots_.full()) return false;
  const bool fits = request.rows == 1 && std::ssize(request.tokens) == request.seq_len &&
                    request.seq_len <= options_.seq_len && request.max_new_tokens >= 1 &&
                    request.max_new_tokens <= options_.max_new_tokens;
  if (!fits) throw internal_error("ContinuousEngine::submit", "the request is larger than the engine's slots");
  slots_.admit(request.id, request.tokens, request.max_new_tokens);
  admitted_.push_back(request.id);
  return true;
}

std::span<const Progress> ContinuousEngine::step(int64_t until_ns) {
  progress_.clear();
  if (launched_ == taken_) launch_next();
  if (launched_ == taken_) {
    options_.wait == Wait::spin ? wait_until_ns(until_ns) : sleep_until_ns(until_ns);
    return {};
  }
  if (ops_->runs_beside_host()) launch_next();
  take_oldest();
  return progress_;
}

Program& ContinuousEngine::program_of(std::vector<Sized>& programs, int size) {
  return *std::ranges::find(programs, size, &Sized::size)->program;
}

// If there is anything to do.
void ContinuousEngine::launch_next() {
  Flight& flight = flights_[launched_ % flights_.size()];
  if (!slots_.plan(flight.step)) return;
  for (const uint64_t id : admitted_) progress_.push_back({.id = id, .status = Status::started, .at_ns = now_ns()});
  admitted_.clear();
  const Step& step = flight.step;
  Tensor input = transformer_->step_input();
  if (step.pieces == 0) input.shape[0] = shape_.slots;  // the positions
  ops_->write(input, std::span(step.input).first(static_cast<size_t>(input.elements())));
  flight.program = step.pieces > 0 ? &program_of(mixed_, step.pieces) : &program_of(decode_, step.rows);
  flight.program->launch();
  ++launched_;
}

void ContinuousEngine::take_oldest() {
  Flight& flight = flights_[taken_++ % flights_.size()];
  flight.program->wait();
  const int64_t at_ns = open_since_ns_ = now_ns();
  const TokenRing& ring = transformer_->ring();
  const auto slot = passes_++ % static_cast<uint32_t>(ring.slots.shape[0]);
  const auto* ids = static_cast<const int32_t*>(ring.slots.data) + slot * static_cast<size_t>(ring.slots.shape[1]);
  for (const Step::Token& token : flight.step.tokens) {
    progress_.push_back({.id = token.id, .status = Status::token, .token = ids[token.slot], .at_ns = at_ns});
    if (token.last) progress_.push_back({.id = token.id, .status = Status::done, .at_ns = at_ns});
  }
}

}  // namespace cotenant
