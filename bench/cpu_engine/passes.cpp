#include <fmt/format.h>

#include <algorithm>
#include <random>
#include <vector>

#include "base/clock.h"
#include "cpu_engine/measure.h"
#include "engine/options.h"
#include "model/model.h"
#include "model/open.h"

namespace cotenant::bench {
namespace {

struct Pass {
  std::string model;
  Dtype dtype;
  int rows, seq_len, max_new_tokens;

  std::string name() const {
    return fmt::format("{} {} {} {}x{}", max_new_tokens ? "generate" : "forward", model, to_string(dtype), rows,
                       seq_len);
  }
};

std::vector<Pass> passes(const Ceilings& ceilings) {
  std::vector<Pass> all;
  for (const Dtype dtype : {Dtype::f32, Dtype::bf16}) {
    if (dtype == Dtype::bf16 && ceilings.bf16_gflops == 0) continue;
    all.push_back({"distilgpt2", dtype, 8, 128, 0});
    all.push_back({"distilbert-base-uncased", dtype, 8, 128, 0});
    all.push_back({"distilgpt2", dtype, 1, 128, 64});
  }
  return all;
}

struct Ready {
  std::unique_ptr<Engine> engine;
  std::shared_ptr<const Model> model;
  std::vector<int32_t> tokens;
  double load_ms = 0;
};

Ready make_ready(const Pass& pass, int threads) {
  Ready ready;
  const int64_t start_ns = now_ns();
  ready.model = std::make_shared<const Model>(open_model(pass.model, "random", 0));
  EngineOptions options;
  options.model = ready.model;
  options.dtype = pass.dtype;
  options.rows = pass.rows;
  options.seq_len = pass.seq_len;
  options.max_new_tokens = pass.max_new_tokens;
  options.threads = threads;
  ready.engine = make_engine(options);
  ready.engine->load();
  ready.engine->prepare();
  ready.engine->warm();
  ready.load_ms = ns_to_ms(now_ns() - start_ns);

  std::mt19937 generator(0);
  std::uniform_int_distribution<int32_t> any(0, static_cast<int32_t>(ready.model->spec.vocab_size) - 1);
  ready.tokens.resize(static_cast<size_t>(pass.rows * pass.seq_len));
  for (int32_t& token : ready.tokens) token = any(generator);
  return ready;
}

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

void forward(const Pass& pass, const Options& options, const Ceilings& ceilings) {
  const Ready ready = make_ready(pass, options.threads);
  const double ms = median_ms(options.seconds, [&] {
    ready.engine->submit({.tokens = ready.tokens, .rows = pass.rows});
    ready.engine->step(now_ns());
  });
  print({.name = pass.name(),
         .ms = ms,
         .flops = forward_flops(ready.model->spec, pass.rows, pass.seq_len),
         .ceiling = pass.dtype == Dtype::bf16 ? ceilings.bf16_gflops : ceilings.f32_gflops},
        options.json);
}

// The time of a token is (last - first) / (tokens - 1), as the peer counts it.
void generate(const Pass& pass, const Options& options, const Ceilings& ceilings) {
  const Ready ready = make_ready(pass, options.threads);
  std::vector<double> first_ms, token_ms;
  const int64_t start_ns = now_ns();
  while (token_ms.size() < 5 || ns_to_s(now_ns() - start_ns) < options.seconds) {
    const int64_t sent_ns = now_ns();
    ready.engine->submit({.tokens = ready.tokens, .rows = pass.rows, .max_new_tokens = pass.max_new_tokens});
    int64_t first_ns = 0, last_ns = 0;
    for (bool done = false; !done;)
      for (const Progress& progress : ready.engine->step(now_ns())) {
        if (progress.status == Status::token) last_ns = progress.at_ns;
        if (progress.status == Status::token && first_ns == 0) first_ns = progress.at_ns;
        done = progress.status == Status::done;
      }
    first_ms.push_back(ns_to_ms(first_ns - sent_ns));
    token_ms.push_back(ns_to_ms(last_ns - first_ns) / (pass.max_new_tokens - 1));
  }
  print({.name = pass.name() + " per token",
         .ms = median(token_ms),
         .bytes = static_cast<double>(ready.engine->memory_needed()->weights_bytes) -
                  static_cast<double>(ready.model->spec.vocab_size * ready.model->spec.hidden) *
                      static_cast<double>(size_of(pass.dtype)),  // the embedding is only looked up
         .ceiling = ceilings.read_gb_per_s,
         .extra_ms = median(first_ms)},
        options.json);
}

void load(const Options& options) {
  const Pass pass{"distilgpt2", Dtype::f32, 8, 128, 0};
  const Ready ready = make_ready(pass, options.threads);
  const auto bytes = static_cast<double>(ready.engine->memory_needed()->weights_bytes);
  print(
      {.name = "load distilgpt2 float32, random weights", .ms = ready.load_ms, .bytes = bytes, .ceiling = bytes * 1e-6},
      options.json);
}

}  // namespace

void run_passes(const Options& options, const Ceilings& ceilings) {
  if (std::string("load distilgpt2").find(options.only) != std::string::npos) load(options);
  for (const Pass& pass : passes(ceilings)) {
    if (pass.name().find(options.only) == std::string::npos) continue;
    pass.max_new_tokens ? generate(pass, options, ceilings) : forward(pass, options, ceilings);
  }
}

}  // namespace cotenant::bench
