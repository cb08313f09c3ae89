#include "engine/native/native_engine.h"

#include <algorithm>

#include "base/clock.h"
#include "base/error.h"
#include "engine/native/devices.h"
#include "engine/native/native_ops.h"

namespace cotenant {
namespace {

PassShape pass_shape(const EngineOptions& options) {
  return {.rows = options.rows, .seq_len = options.seq_len, .max_new_tokens = options.max_new_tokens};
}

// Records every pass of `transformer`; what a pass needs beyond its buffers (workspaces) is counted that way, too.
void record_all(Ops& ops, Transformer& transformer, bool generates, std::unique_ptr<Program>& forward,
                std::unique_ptr<Program>& prefill, std::unique_ptr<Program>& decode) {
  if (!generates) {
    forward = ops.record([&] { transformer.forward(); }, "forward");
    return;
  }
  prefill = ops.record([&] { transformer.prefill(); }, "prefill");
  decode = ops.record([&] { transformer.decode(); }, "decode");
}

MemoryNeed count_memory(const EngineOptions& options) {
  const std::unique_ptr<Ops> ops = make_ops(ops_options(options, true));
  Transformer transformer(*ops, *options.model, pass_shape(options));
  std::unique_ptr<Program> forward, prefill, decode;
  record_all(*ops, transformer, options.max_new_tokens > 0, forward, prefill, decode);
  return ops->memory();
}

}  // namespace

NativeEngine::NativeEngine(const EngineOptions& options) : options_(options), need_(count_memory(options)) {
  progress_.reserve(static_cast<size_t>(options_.rows) + 2);
}

NativeEngine::~NativeEngine() = default;

void NativeEngine::load() {
  ops_ = make_ops(ops_options(options_, false, need_));
  transformer_ = std::make_unique<Transformer>(*ops_, *options_.model, pass_shape(options_));
}

void NativeEngine::prepare() {
  transformer_->tune();
}

void NativeEngine::warm() {
  record_all(*ops_, *transformer_, generates(), forward_, prefill_, decode_);
  if (ops_->first_run_is_slow()) {
    for (Program* program : {forward_.get(), prefill_.get(), decode_.get()}) {
      if (!program) continue;
      program->launch();
      program->wait();
    }
  }
  // Those of the tuning count, too.
  if (generates()) passes_ = *static_cast<const uint32_t*>(transformer_->ring().count.data);
}

bool NativeEngine::submit(const Request& request) {
  if (busy_) return false;
  const auto tokens = static_cast<size_t>(options_.rows) * static_cast<size_t>(options_.seq_len);
  const bool fits = request.rows == options_.rows && request.tokens.size() == tokens &&
                    (request.max_new_tokens > 0) == generates() && request.max_new_tokens <= options_.max_new_tokens;
  if (!fits) throw internal_error("NativeEngine::submit", "the request has another shape than the engine");
  request_ = request;
  busy_ = true;
  launched_ = produced_ = 0;
  gpu_ms_ = 0;
  return true;
}

void NativeEngine::report(Status status, int64_t at_ns, float gpu_ms) {
  progress_.push_back({.id = request_.id, .status = status, .at_ns = at_ns, .gpu_ms = gpu_ms});
}

std::span<const Progress> NativeEngine::step(int64_t until_ns) {
  progress_.clear();
  if (!busy_) {
    options_.wait == Wait::spin ? wait_until_ns(until_ns) : sleep_until_ns(until_ns);
    return {};
  }
  if (!generates()) {
    step_forward();
  } else {
    if (launched_ == 0) start_generating();
    step_token();
  }
  return progress_;
}

void NativeEngine::step_forward() {
  report(Status::started, now_ns());
  ops_->write(transformer_->input(), request_.tokens);
  forward_->launch();
  forward_->wait();
  const int64_t at_ns = now_ns();
  gpu_ms_ = forward_->gpu_ms();
  busy_ = false;
  report(Status::done, at_ns, gpu_ms_);
}

void NativeEngine::start_generating() {
  report(Status::started, now_ns());
  ops_->write(transformer_->input(), request_.tokens);
  prefill_->launch();
  launched_ = 1;
}

// Hands the device the next pass before it waits for the one whose tokens it reports, so that the device never idles.
void NativeEngine::step_token() {
  if (launched_ < request_.max_new_tokens) {
    decode_->launch();
    ++launched_;
  }
  Program& program = produced_ == 0 ? *prefill_ : *decode_;
  program.wait();
  const int64_t at_ns = now_ns();
  const float gpu_ms = program.gpu_ms();
  gpu_ms_ = gpu_ms < 0 ? -1 : gpu_ms_ + gpu_ms;

  const TokenRing& ring = transformer_->ring();
  const auto slot = passes_ % static_cast<uint32_t>(ring.slots.shape[0]);
  const int32_t* tokens = static_cast<const int32_t*>(ring.slots.data) + slot * static_cast<size_t>(options_.rows);
  for (int32_t row = 0; row < options_.rows; ++row)
    progress_.push_back({.id = request_.id, .status = Status::token, .row = row, .token = tokens[row], .at_ns = at_ns});
  ++passes_;
  ++produced_;
  if (produced_ == request_.max_new_tokens) {
    busy_ = false;
    report(Status::done, at_ns, gpu_ms_);
  }
}

int64_t NativeEngine::logits_width() const {
  return transformer_->logits_width();
}

std::vector<float> NativeEngine::logits() {
  const Tensor& tensor = transformer_->logits();
  std::vector<float> values = ops_->read(tensor);
  const auto stride = static_cast<size_t>(tensor.shape[1]), width = static_cast<size_t>(logits_width());
  if (stride == width) return values;
  for (size_t row = 1; row * stride < values.size(); ++row)
    std::copy_n(values.begin() + static_cast<ptrdiff_t>(row * stride), width,
                values.begin() + static_cast<ptrdiff_t>(row * width));
  values.resize(values.size() / stride * width);
  return values;
}

}  // namespace cotenant
