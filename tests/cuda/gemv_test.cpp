#include "engine/native/cuda/gemv.h"

#include <fmt/format.h>

#include <memory>

#include "device_data.h"

namespace cotenant {
namespace {

using GemvTest = OnGpu;

struct Case {
  Dtype dtype = Dtype::f16;
  int64_t rows = 1, in = 0, out = 0, padded_out = 0;
  Activation activation = Activation::none;
  bool bias = false, accumulate = false, gated = false;
  bool norm = false;

  int64_t outputs() const { return gated ? out / 2 : out; }        // of y, with a meaning
  int64_t stride() const { return gated ? out / 2 : padded_out; }  // of the rows of y
  std::string text() const {
    return fmt::format("{} {} x {} -> {} ({}), activation {}, bias {}, accumulate {}, gated {}, norm {}",
                       to_string(dtype), rows, in, out, padded_out, static_cast<int>(activation), bias, accumulate,
                       gated, norm);
  }
};

// Inputs on the host, as the device has them.
struct Data {
  std::vector<float> w, x, y, bias, scale;
};

Data make_data(Random& random, const Case& c) {
  const auto width = static_cast<size_t>(c.stride());
  return {
      .w = random.normal(c.dtype, static_cast<size_t>(c.padded_out * c.in), 1 / std::sqrt(static_cast<float>(c.in))),
      .x = random.normal(c.dtype, static_cast<size_t>(c.rows * c.in)),
      .y = random.normal(c.dtype, static_cast<size_t>(c.rows) * width),
      .bias = random.normal(c.dtype, static_cast<size_t>(c.out)),
      .scale = random.normal(c.dtype, static_cast<size_t>(c.in))};
}

constexpr double eps = 1e-5;

std::vector<double> reference_rows(const Case& c, const Data& data) {
  std::vector<double> x(data.x.begin(), data.x.end());
  if (!c.norm) return x;
  for (int64_t r = 0; r < c.rows; ++r) {
    double* row = x.data() + r * c.in;
    double squares = 0;
    for (int64_t i = 0; i < c.in; ++i) squares += row[i] * row[i] / static_cast<double>(c.in);
    for (int64_t i = 0; i < c.in; ++i) row[i] *= data.scale[static_cast<size_t>(i)] / std::sqrt(squares + eps);
  }
  return x;
}

// [rows, outputs], without padding.
std::vector<double> reference(const Case& c, const Data& data) {
  const std::vector<double> x = reference_rows(c, data);
  const auto product = [&](int64_t row, int64_t output) {
    double sum = 0;
    for (int64_t i = 0; i < c.in; ++i)
      sum += x[static_cast<size_t>(row * c.in + i)] * data.w[static_cast<size_t>(output * c.in + i)];
    return sum;
  };
  std::vector<double> y;
  for (int64_t r = 0; r < c.rows; ++r) {
    for (int64_t o = 0; o < c.outputs(); ++o) {
      const double value = product(r, o) + (c.bias ? data.bias[static_cast<size_t>(o)] : 0);
      if (c.gated) {
        const int64_t up = c.outputs() + o;
        y.push_back(reference_activation(c.activation, value) *
                    (product(r, up) + (c.bias ? data.bias[static_cast<size_t>(up)] : 0)));
      } else if (c.accumulate) {
        y.push_back(value + data.y[static_cast<size_t>(r * c.stride() + o)]);
      } else {
        y.push_back(reference_activation(c.activation, value));
      }
    }
  }
  return y;
}

void check(const Case& c, const std::vector<double>& expected, const std::vector<float>& y) {
  Difference difference;
  for (int64_t r = 0; r < c.rows; ++r)
    for (int64_t o = 0; o < c.outputs(); ++o)
      difference.add(y[static_cast<size_t>(r * c.stride() + o)], expected[static_cast<size_t>(r * c.outputs() + o)]);
  expect_close(difference, tolerance(c.dtype));
}

class Operands {
 public:
  Operands(const Case& c, const Data& data)
      : case_(c),
        w_(c.dtype, data.w),
        x_(c.dtype, data.x),
        y_(c.dtype, data.y.size()),
        bias_(c.dtype, data.bias),
        scale_(c.dtype, data.scale) {}

  std::vector<float> run(const Data& data, const GemvPlan* plan) {
    COTENANT_CUDA("test", cudaMemset(y_.data(), 0xff, y_.bytes()));
    if (case_.accumulate) y_.write(data.y);
    if (plan) {
      launch_gemv(nullptr, gemv(), *plan);
    } else {
      launch_gemv(nullptr, gemv());
    }
    return y_.read();
  }

  Gemv gemv() const {
    Gemv g{.dtype = case_.dtype,
           .y = y_.data(),
           .w = w_.data(),
           .bias = case_.bias ? bias_.data() : nullptr,
           .x = x_.data(),
           .rows = case_.rows,
           .in = case_.in,
           .out = case_.out,
           .padded_out = case_.padded_out,
           .activation = case_.activation,
           .accumulate = case_.accumulate,
           .gated = case_.gated,
           .norm = {}};
    if (case_.norm) {
      g.norm = {
          .kind = NormKind::rms, .eps = eps, .scale = {scale_.data(), case_.dtype, {case_.in, 1, 1, 1}}, .shift = {}};
    }
    return g;
  }

 private:
  Case case_;
  DeviceArray w_, x_, y_, bias_, scale_;
};

void check_all_plans(Random& random, const Case& c) {
  SCOPED_TRACE(c.text());
  ASSERT_TRUE(gemv_supported(c.dtype, c.rows, c.in, c.out));
  const Data data = make_data(random, c);
  const std::vector<double> expected = reference(c, data);
  Operands operands(c, data);
  for (const GemvPlan& plan : gemv_plans()) {
    SCOPED_TRACE(fmt::format("{} tiles, {} warps, {} stages", plan.tiles, plan.warps, plan.stages));
    if (!gemv_plan_fits(plan, c.rows, c.norm)) continue;
    check(c, expected, operands.run(data, &plan));
  }
  SCOPED_TRACE("default plan");
  check(c, expected, operands.run(data, nullptr));
}

TEST_F(GemvTest, MultipliesEveryNumberOfRows) {
  Random random;
  SCOPED_TRACE(fmt::format("seed {}", random.seed()));
  for (const Dtype dtype : {Dtype::f16, Dtype::bf16})
    for (int64_t rows = 1; rows <= gemv_max_rows; ++rows)
      check_all_plans(random, {.dtype = dtype, .rows = rows, .in = 768, .out = 200, .padded_out = 256, .bias = true});
}

TEST_F(GemvTest, MultipliesEveryShape) {
  Random random;
  SCOPED_TRACE(fmt::format("seed {}", random.seed()));
  for (const int64_t in : {8, 24, 64, 72, 1032, 3072, 14336})
    for (const int64_t out : {1, 8, 33, 520}) {
      const Dtype dtype = random.between(0, 1) ? Dtype::f16 : Dtype::bf16;
      check_all_plans(
          random,
          {.dtype = dtype, .rows = random.between(1, 16), .in = in, .out = out, .padded_out = (out + 63) / 64 * 64});
      check_all_plans(random, {.dtype = dtype, .rows = random.between(1, 16), .in = in, .out = out, .padded_out = out});
    }
}

TEST_F(GemvTest, AppliesEveryActivation) {
  Random random;
  SCOPED_TRACE(fmt::format("seed {}", random.seed()));
  for (const Dtype dtype : {Dtype::f16, Dtype::bf16})
    for (const Activation activation :
         {Activation::none, Activation::gelu_tanh, Activation::gelu_erf, Activation::silu, Activation::relu}) {
      check_all_plans(
          random,
          {.dtype = dtype, .rows = 5, .in = 320, .out = 96, .padded_out = 128, .activation = activation, .bias = true});
      check_all_plans(random, {.dtype = dtype,
                               .rows = 9,
                               .in = 320,
                               .out = 208,
                               .padded_out = 208,
                               .activation = activation,
                               .gated = true});
    }
}

TEST_F(GemvTest, Accumulates) {
  Random random;
  SCOPED_TRACE(fmt::format("seed {}", random.seed()));
  for (const Dtype dtype : {Dtype::f16, Dtype::bf16})
    for (const int64_t rows : {1, 8, 13})
      for (const bool bias : {false, true})
        check_all_plans(random, {.dtype = dtype,
                                 .rows = rows,
                                 .in = 1024,
                                 .out = 300,
                                 .padded_out = 320,
                                 .bias = bias,
                                 .accumulate = true});
}

TEST_F(GemvTest, NormsItsInput) {
  Random random;
  SCOPED_TRACE(fmt::format("seed {}", random.seed()));
  for (const Dtype dtype : {Dtype::f16, Dtype::bf16})
    for (const int64_t rows : {1, 3, 8, 11, 16}) {
      check_all_plans(random, {.dtype = dtype, .rows = rows, .in = 1000, .out = 264, .padded_out = 320, .norm = true});
      check_all_plans(random, {.dtype = dtype,
                               .rows = rows,
                               .in = 3072,
                               .out = 128,
                               .padded_out = 128,
                               .activation = Activation::silu,
                               .bias = true,
                               .gated = true,
                               .norm = true});
    }
}

TEST_F(GemvTest, KnowsWhatItCannotDo) {
  EXPECT_FALSE(gemv_supported(Dtype::f32, 1, 64, 64));
  EXPECT_FALSE(gemv_supported(Dtype::f16, 17, 64, 64));
  EXPECT_FALSE(gemv_supported(Dtype::f16, 0, 64, 64));
  EXPECT_FALSE(gemv_supported(Dtype::f16, 1, 12, 64));
}

// Kernels of a graph overlap with their predecessors; each must still see all that these wrote.
TEST_F(GemvTest, KeepsItsOrderInAGraph) {
  constexpr Dtype dtype = Dtype::f16;
  constexpr int64_t rows = 8, width = 512;
  constexpr int links = 12, replays = 100;
  Random random;
  SCOPED_TRACE(fmt::format("seed {}", random.seed()));
  std::vector<std::unique_ptr<DeviceArray>> weights;
  for (int i = 0; i < links; ++i)
    weights.push_back(std::make_unique<DeviceArray>(
        dtype, random.normal(dtype, width * width, 1 / std::sqrt(static_cast<float>(width)))));
  const std::vector<float> start = random.normal(dtype, rows * width);
  DeviceArray initial(dtype, start), a(dtype, start), b(dtype, start);
  cudaStream_t stream;
  COTENANT_CUDA("test", cudaStreamCreate(&stream));

  // Two buffers take turns, so that one kernel overwrites what the one before has just read.
  const auto run_chain = [&](bool one_by_one) {
    COTENANT_CUDA("test", cudaMemcpyAsync(a.data(), initial.data(), a.bytes(), cudaMemcpyDeviceToDevice, stream));
    for (int i = 0; i < links; ++i) {
      const DeviceArray &x = i % 2 ? b : a, &y = i % 2 ? a : b;
      launch_gemv(stream, {.dtype = dtype,
                           .y = y.data(),
                           .w = weights[static_cast<size_t>(i)]->data(),
                           .x = x.data(),
                           .rows = rows,
                           .in = width,
                           .out = width,
                           .padded_out = width});
      if (one_by_one) COTENANT_CUDA("test", cudaStreamSynchronize(stream));
    }
  };
  run_chain(true);
  const std::vector<float> expected = a.read();

  cudaGraph_t graph;
  cudaGraphExec_t program;
  COTENANT_CUDA("test", cudaStreamBeginCapture(stream, cudaStreamCaptureModeThreadLocal));
  run_chain(false);
  COTENANT_CUDA("test", cudaStreamEndCapture(stream, &graph));
  COTENANT_CUDA("test", cudaGraphInstantiate(&program, graph, 0));
  for (int i = 0; i < replays; ++i) {
    COTENANT_CUDA("test", cudaGraphLaunch(program, stream));
    ASSERT_EQ(a.read(), expected) << "replay " << i;
  }
  COTENANT_CUDA("test", cudaGraphExecDestroy(program));
  COTENANT_CUDA("test", cudaGraphDestroy(graph));
  COTENANT_CUDA("test", cudaStreamDestroy(stream));
}

}  // namespace
}  // namespace cotenant
