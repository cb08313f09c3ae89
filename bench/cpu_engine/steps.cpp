#include <fmt/format.h>

#include <string>

#include "cpu_engine/measure.h"
#include "engine/native/devices.h"

namespace cotenant::bench {
namespace {

constexpr int64_t hidden = 768, heads = 12, head_dim = 64, intermediate = 3072, vocab = 50257;

// One dtype's operations at the shapes of distilgpt2.
class Steps {
 public:
  Steps(const Options& options, const Ceilings& ceilings, Dtype dtype)
      : options_(options), ceilings_(ceilings), dtype_(dtype) {}

  void run() {
    for (const int64_t tokens : {int64_t{1024}, int64_t{1}}) {
      product("qkv", tokens, hidden, 3 * hidden, Activation::none, false);
      product("attention out, added", tokens, hidden, hidden, Activation::none, true);
      product("up, gelu", tokens, hidden, intermediate, Activation::gelu_tanh, false);
      product("down, added", tokens, intermediate, hidden, Activation::none, true);
      product("head", tokens, hidden, vocab, Activation::none, false);
    }
    attend(true);
    attend(false);
    norm();
  }

 private:
  std::unique_ptr<Ops> ops() const {
    OpsOptions options;
    options.dtype = dtype_;
    options.threads = options_.threads;
    return make_ops(options);
  }

  void measure(const std::string& what, Ops& ops, double flops, double bytes, const std::function<void()>& pass) {
    const auto program = ops.record(pass, "step");
    const double ms = median_ms(options_.seconds / 4, [&] {
      program->launch();
      program->wait();
    });
    const double peak = dtype_ == Dtype::bf16 ? ceilings_.bf16_gflops : ceilings_.f32_gflops;
    print({.name = fmt::format("{} {}", what, to_string(dtype_)),
           .ms = ms,
           .flops = flops,
           .bytes = bytes,
           .ceiling = flops > 0 ? peak : ceilings_.read_gb_per_s},
          options_.json);
  }

  bool wanted(const std::string& what) const { return what.find(options_.only) != std::string::npos; }

  void product(const std::string& name, int64_t tokens, int64_t in, int64_t out, Activation activation, bool add) {
    const std::string what = fmt::format("{} {}x{}x{}", name, tokens, in, out);
    if (!wanted(what)) return;
    const auto o = ops();
    LinearSource source;
    source.weights = {{.name = "w", .shape = {out, in}, .fill = {.key = 1, .half_width = 0.03f}}};
    source.biases = {{.name = "b", .shape = {out}, .fill = {.key = 2, .half_width = 0.03f}}};
    source.in = in;
    source.out = out;
    const Weight weight = o->pack(source);
    const Tensor x = o->allocate(dtype_, {tokens, in, 1, 1}), y = o->allocate(dtype_, {tokens, out, 1, 1});
    const double elements = static_cast<double>(in) * static_cast<double>(out);
    measure(what, *o, tokens > 1 ? 2 * elements * static_cast<double>(tokens) : 0,
            elements * static_cast<double>(size_of(dtype_)), [&] { o->linear(y, weight, x, activation, add); });
  }

  void attend(bool causal) {
    const std::string what = fmt::format("attend {} 8x128", causal ? "causal" : "full");
    if (!wanted(what)) return;
    const auto o = ops();
    const Tensor qkv = o->allocate(dtype_, {1024, 3 * hidden, 1, 1}), y = o->allocate(dtype_, {1024, hidden, 1, 1});
    const Attention attention{
        .heads = heads, .kv_heads = heads, .head_dim = head_dim, .causal = causal, .scale = 0.125f};
    const double flops = 4.0 * 8 * heads * 128 * 128 * head_dim * (causal ? 0.5 : 1);
    measure(what, *o, flops, 0, [&] { o->attend(y, qkv, 8, attention); });
  }

  void norm() {
    const std::string what = "norm 1024x768";
    if (!wanted(what)) return;
    const auto o = ops();
    const auto vector = [&] {
      return o->upload({.name = "n", .shape = {hidden}, .fill = {.key = 3, .mean = 1, .half_width = 0.1f}});
    };
    const Norm norm{.scale = vector(), .shift = vector()};
    const Tensor x = o->allocate(dtype_, {1024, hidden, 1, 1}), y = o->allocate(dtype_, {1024, hidden, 1, 1});
    measure(what, *o, 0, 2.0 * 1024 * hidden * static_cast<double>(size_of(dtype_)), [&] { o->norm(y, x, norm); });
  }

  const Options& options_;
  const Ceilings& ceilings_;
  const Dtype dtype_;
};

}  // namespace

void run_steps(const Options& options, const Ceilings& ceilings) {
  Steps(options, ceilings, Dtype::f32).run();
  if (ceilings.bf16_gflops > 0) Steps(options, ceilings, Dtype::bf16).run();
}

}  // namespace cotenant::bench
