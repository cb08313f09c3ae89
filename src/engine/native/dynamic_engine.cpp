#include "engine/native/dynamic_engine.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/clock.h"
#include "base/error.h"
#include "engine/native/devices.h"
#include "engine/native/native_ops.h"

namespace cotenant {

std::vector<DynamicEngine::Sized> DynamicEngine::record_passes(Ops& ops, Transformer& transformer, int rows) {
  std::vector<Sized> passes;
  for (const int size : Slots::sizes(rows))
    passes.push_back({size, ops.record([&] { transformer.forward(size); }, fmt::format("forward of {}", size))});
  return passes;
}

MemoryNeed DynamicEngine::count_memory(const EngineOptions& options) {
  const std::unique_ptr<Ops> ops = make_ops(ops_options(options, true));
  Transformer transformer(*ops, *options.model, PassShape{.rows = options.rows, .seq_len = options.seq_len});
  record_passes(*ops, transformer, options.rows);
  return ops->memory();
}

DynamicEngine::DynamicEngine(const EngineOptions& options)
    : options_(options),
      need_(count_memory(options_)),
      tokens_(static_cast<size_t>(options.rows) * static_cast<size_t>(options.seq_len)) {
  waiting_.reserve(static_cast<size_t>(options_.rows));
  progress_.reserve(2 * static_cast<size_t>(options_.rows));
}

DynamicEngine::~DynamicEngine() = default;

void DynamicEngine::load() {
  ops_ = make_ops(ops_options(options_, false, need_));
  transformer_ = std::make_unique<Transformer>(*ops_, *options_.model,
                                               PassShape{.rows = options_.rows, .seq_len = options_.seq_len});
}

void DynamicEngine::prepare() {
  for (const int rows : Slots::sizes(options_.rows)) ops_->tune([this, rows] { transformer_->forward(rows); });
}

void DynamicEngine::warm() {
  passes_ = record_passes(*ops_, *transformer_, options_.rows);
  if (!ops_->first_run_is_slow()) return;
  for (const Sized& pass : passes_) {
    pass.program->launch();
    pass.program->wait();
  }
}

bool DynamicEngine::submit(const Request& request) {
  if (waiting_.size() == static_cast<size_t>(options_.rows)) return false;
  const auto length = static_cast<size_t>(options_.seq_len);
  if (request.rows != 1 || request.tokens.size() != length || request.max_new_tokens != 0)
    throw internal_error("DynamicEngine::submit", "the request has another shape than the engine");
  std::ranges::copy(request.tokens, tokens_.begin() + static_cast<ptrdiff_t>(waiting_.size() * length));
  waiting_.push_back(request);
  flushed_ = false;
  return true;
}

std::span<const Progress> DynamicEngine::step(int64_t until_ns) {
  progress_.clear();
  int64_t pass_ns = until_ns;  // when there is to be one
  if (!waiting_.empty()) {
    const bool complete = flushed_ || waiting_.size() == static_cast<size_t>(options_.rows);
    const int64_t patience_ns = static_cast<int64_t>(options_.max_wait_ms.value_or(0) * 1e6);
    pass_ns = complete ? 0 : waiting_.front().scheduled_ns + patience_ns;
  }
  const int64_t wake_ns = std::min(pass_ns, until_ns);
  options_.wait == Wait::spin ? wait_until_ns(wake_ns) : sleep_until_ns(wake_ns);
  if (!waiting_.empty() && pass_ns <= now_ns()) run_pass();
  return progress_;
}

void DynamicEngine::run_pass() {
  const auto rows = static_cast<int>(waiting_.size());
  Program& pass = *std::ranges::find_if(passes_, [&](const Sized& sized) { return sized.rows >= rows; })->program;
  const int64_t start_ns = now_ns();
  for (const Request& request : waiting_)
    progress_.push_back({.id = request.id, .status = Status::waited, .at_ns = start_ns});
  ops_->write(transformer_->input(), tokens_);
  pass.launch();
  pass.wait();
  const int64_t at_ns = open_since_ns_ = now_ns();
  const float gpu_ms = pass.gpu_ms();
  for (const Request& request : waiting_)
    progress_.push_back({.id = request.id, .status = Status::done, .at_ns = at_ns, .gpu_ms = gpu_ms});
  waiting_.clear();
}

std::vector<float> DynamicEngine::logits() {
  return ops_->read(transformer_->logits());
}

}  // namespace cotenant
