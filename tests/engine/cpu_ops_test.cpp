#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <filesystem>
#include <fstream>
#include <functional>
#include <nlohmann/json.hpp>
#include <random>

#include "base/error.h"
#include "base/input_file.h"
#include "base/temporary_directory.h"
#include "engine/native/cpu/product_ways.h"
#include "engine/native/devices.h"
#include "truth.h"

// What the CPU's Ops add to the kernels: products, tokens on their way, memory.
namespace cotenant {
namespace {

using truth::test_threads;

std::vector<float> random_floats(int64_t count, uint32_t seed) {
  std::mt19937 generator(seed);
  std::normal_distribution<float> normal(0, 0.5f);
  std::vector<float> values(static_cast<size_t>(count));
  for (float& x : values) x = normal(generator);
  return values;
}

// A tensor in a file of its own, which goes with the program.
TensorSource source_of(const std::vector<float>& values, std::vector<int64_t> shape) {
  static const TemporaryDirectory directory;
  static std::deque<InputFile> files;
  const auto path = directory.path() / std::to_string(files.size());
  std::ofstream(path, std::ios::binary)
      .write(reinterpret_cast<const char*>(values.data()), static_cast<std::streamsize>(values.size() * sizeof(float)));
  return {.name = "x", .dtype = Dtype::f32, .shape = std::move(shape), .file = &files.emplace_back(path), .fill = {}};
}

std::unique_ptr<Ops> cpu_ops(Dtype dtype) {
  OpsOptions options;
  options.dtype = dtype;
  options.threads = test_threads;
  return make_ops(options);
}

double activate(Activation activation, double x) {
  switch (activation) {
    case Activation::none:
      return x;
    case Activation::relu:
      return std::max(x, 0.0);
    case Activation::silu:
      return x / (1 + std::exp(-x));
    case Activation::gelu_erf:
      return x / 2 * (1 + std::erf(x / std::sqrt(2)));
    case Activation::gelu_tanh:
      return x / 2 * (1 + std::tanh(std::sqrt(2 / M_PI) * (x + 0.044715 * x * x * x)));
  }
  return NAN;
}

void run_once(Ops& ops, const std::function<void()>& pass) {
  const auto program = ops.record(pass, "test");
  program->launch();
  program->wait();
}

struct ProductCase {
  int64_t rows, in, out;
  bool in_out, bias, accumulate;
  Activation activation;
};

// A cache of timed products, of this test alone.
class OwnCache {
 public:
  OwnCache() { setenv("XDG_CACHE_HOME", directory_.path().c_str(), 1); }
  ~OwnCache() { unsetenv("XDG_CACHE_HOME"); }
  std::filesystem::path file() const {
    return std::filesystem::directory_iterator(directory_.path() / "cotenant")->path();
  }

 private:
  const TemporaryDirectory directory_;
};

struct Arithmetic {
  Dtype dtype;
  ProductWay way;
};

class Products : public testing::TestWithParam<std::tuple<Arithmetic, ProductCase>> {};

TEST_P(Products, AreXTimesWPlusB) {
  const auto& [arithmetic, c] = GetParam();
  const Dtype dtype = arithmetic.dtype;
  if (!cpu_engine_has(dtype)) GTEST_SKIP() << "this CPU has no bfloat16";
  const OwnCache cache;
  ProductWays ways(test_threads);
  ways.add({c.rows, c.in, c.out, dtype, c.accumulate}, 2, arithmetic.way == ProductWay::widened ? 1 : 3);
  ways.save();
  const auto ops = cpu_ops(dtype);
  // Two parts, stacked along the outputs, as q, k and v are.
  const int64_t parts[] = {c.out / 3, c.out - c.out / 3};
  std::vector<std::vector<float>> weights, biases;
  LinearSource source{.weights = {}, .biases = {}, .in_out = c.in_out, .in = c.in, .out = c.out};
  for (uint32_t p = 0; p < 2; ++p) {
    weights.push_back(random_floats(parts[p] * c.in, 10 + p));
    biases.push_back(random_floats(parts[p], 20 + p));
  }
  for (size_t p = 0; p < 2; ++p) {
    source.weights.push_back(
        source_of(weights[p], c.in_out ? std::vector{c.in, parts[p]} : std::vector{parts[p], c.in}));
    if (c.bias) source.biases.push_back(source_of(biases[p], {parts[p]}));
  }
  const std::vector<float> inputs = random_floats(c.rows * c.in, 1), before = random_floats(c.rows * c.out, 2);
  const Tensor x = ops->upload(source_of(inputs, {c.rows, c.in}));
  const Tensor y = ops->upload(source_of(before, {c.rows, c.out}));
  const Weight weight = ops->pack(source);
  ops->loaded();
  const std::vector<float> x_values = ops->read(x), y_values = ops->read(y);
  run_once(*ops, [&] { ops->linear(y, weight, x, c.activation, c.accumulate); });
  const std::vector<float> found = ops->read(y);

  const auto stored = [&](float value) {
    return double{dtype == Dtype::bf16 ? bf16_to_float(float_to_bf16(value)) : value};
  };
  for (int64_t row = 0; row < c.rows; ++row)
    for (int64_t n = 0; n < c.out; ++n) {
      const size_t p = n < parts[0] ? 0 : 1;
      const int64_t column = n - (p ? parts[0] : 0);
      double sum = c.bias ? double{biases[p][static_cast<size_t>(column)]} : 0;
      for (int64_t k = 0; k < c.in; ++k)
        sum += double{x_values[static_cast<size_t>(row * c.in + k)]} *
               stored(weights[p][static_cast<size_t>(c.in_out ? k * parts[p] + column : column * c.in + k)]);
      const auto at = static_cast<size_t>(row * c.out + n);
      const double wanted = activate(c.activation, sum) + (c.accumulate ? double{y_values[at]} : 0);
      ASSERT_NEAR(found[at], wanted, (dtype == Dtype::bf16 ? 0x1p-7 : 1e-5) * (1 + std::abs(wanted)))
          << "row " << row << " column " << n;
    }
}

const std::vector<ProductCase> product_cases{
    {5, 36, 131, false, true, false, Activation::gelu_tanh}, {5, 36, 131, true, true, false, Activation::gelu_erf},
    {1, 48, 1100, false, false, false, Activation::none},    {33, 70, 36, true, true, true, Activation::none},
    {4, 41, 600, true, true, false, Activation::relu},       {2, 64, 64, false, true, false, Activation::silu},
    {130, 33, 47, false, false, true, Activation::none},
};
INSTANTIATE_TEST_SUITE_P(Cases, Products,
                         testing::Combine(testing::Values(Arithmetic{Dtype::f32, ProductWay::native},
                                                          Arithmetic{Dtype::bf16, ProductWay::native},
                                                          Arithmetic{Dtype::bf16, ProductWay::widened}),
                                          testing::ValuesIn(product_cases)));

const ProductShape some_shape{.rows = 8, .in = 64, .out = 96, .result = Dtype::bf16, .accumulate = true};

TEST(ProductWays, TheFasterWayIsKept) {
  const OwnCache cache;
  ProductWays first(2);
  EXPECT_FALSE(first.find(some_shape));
  first.add(some_shape, 2, 1);
  first.save();

  ProductWays second(2);
  EXPECT_EQ(second.find(some_shape), ProductWay::widened);
  ProductShape other = some_shape;
  other.rows = 9;
  EXPECT_FALSE(second.find(other));
  second.add(other, 1, 2);
  second.save();
  EXPECT_EQ(ProductWays(2).find(some_shape), ProductWay::widened);
  EXPECT_EQ(ProductWays(2).find(other), ProductWay::native);
  EXPECT_FALSE(ProductWays(3).find(some_shape));  // with other threads another may be faster
}

TEST(ProductWays, AFileOfAnotherMachineOrOfNonsenseIsNone) {
  const OwnCache cache;
  ProductWays first(2);
  first.add(some_shape, 2, 1);
  first.save();
  std::ifstream stream(cache.file());
  std::string identity, products;
  std::getline(stream, identity);
  std::getline(stream, products, '\0');
  for (const std::string& nonsense : {"another CPU\n" + products, std::string("[1, 2"), identity, identity + "\n[1, 2",
                                      identity + "\n[{}]", identity + "\n7"}) {
    std::ofstream(cache.file()) << nonsense;
    EXPECT_FALSE(ProductWays(2).find(some_shape)) << nonsense;
  }
  std::ofstream(cache.file()) << identity + "\n" + products;
  EXPECT_TRUE(ProductWays(2).find(some_shape));
}

TEST(ProductWays, TuningTimesTheProductsOfAPass) {
  if (!cpu_engine_has(Dtype::bf16)) GTEST_SKIP() << "this CPU has no bfloat16";
  const OwnCache cache;
  const auto ops = cpu_ops(Dtype::bf16);
  const std::vector<float> weights = random_floats(96 * 64, 1);
  const Weight weight =
      ops->pack({.weights = {source_of(weights, {96, 64})}, .biases = {}, .in_out = false, .in = 64, .out = 96});
  const Tensor x = ops->allocate(Dtype::bf16, {8, 64, 1, 1}), y = ops->allocate(Dtype::bf16, {8, 96, 1, 1});
  ops->tune([&] { ops->linear(y, weight, x, Activation::none, true); });
  std::ifstream stream(cache.file());
  std::string identity;
  std::getline(stream, identity);
  const auto products = nlohmann::json::parse(stream);
  ASSERT_EQ(products.size(), 1u);
  EXPECT_GT(products[0]["native_ms"], 0);
  EXPECT_GT(products[0]["widened_ms"], 0);
  EXPECT_TRUE(ProductWays(test_threads).find(some_shape));
}

TEST(CpuOps, RefusesADtypeItCannotComputeIn) {
  OpsOptions options;
  options.dtype = Dtype::f16;
  EXPECT_THROW(make_ops(options), Error);
}

TEST(CpuOps, RefusesADeviceThatThereIsNot) {
  OpsOptions options;
  options.device = "tpu";
  EXPECT_THROW(make_ops(options), Error);
}

TEST(CpuOps, TokensGoRoundTheRing) {
  const auto ops = cpu_ops(Dtype::f32);
  const TokenRing ring = ops->make_ring(3, 2);
  const Tensor ids = ops->allocate(Dtype::i32, {2, 1, 1, 1}), positions = ops->allocate(Dtype::i32, {2, 1, 1, 1});
  const auto start = ops->record([&] { ops->set_positions(positions, 10); }, "start");
  const auto program = ops->record([&] { ops->advance(positions, ids, ring); }, "advance");
  start->launch();
  start->wait();
  for (int32_t pass = 0; pass < 5; ++pass) {
    ops->write(ids, std::vector<int32_t>{pass, -pass});
    program->launch();
    program->wait();
  }
  EXPECT_THAT(ops->read(ring.slots), testing::ElementsAre(3, -3, 4, -4, 2, -2));
  EXPECT_THAT(ops->read(ring.count), testing::ElementsAre(5));
  EXPECT_THAT(ops->read(positions), testing::ElementsAre(15, 15));
}

// Its threads read the files: none of them may end the program.
TEST(CpuOps, AFileThatIsCutWhileItIsLoadedIsAnError) {
  const TemporaryDirectory directory;
  const auto path = directory.path() / "weights";
  constexpr int64_t in = 600, out = 700;
  std::ofstream(path).close();
  std::filesystem::resize_file(path, in * out * sizeof(float));
  const InputFile file(path);
  std::filesystem::resize_file(path, in * out);
  const auto ops = cpu_ops(Dtype::f32);
  for (const bool in_out : {false, true}) {
    const TensorSource source{.name = "x",
                              .dtype = Dtype::f32,
                              .shape = in_out ? std::vector{in, out} : std::vector{out, in},
                              .file = &file,
                              .fill = {}};
    for (const auto& load : {std::function([&] { ops->upload(source); }), std::function([&] {
                               ops->pack({.weights = {source}, .biases = {}, .in_out = in_out, .in = in, .out = out});
                             })}) {
      try {
        load();
        ADD_FAILURE();
      } catch (const Error& error) {
        EXPECT_EQ(error.code(), ExitCode::usage);
        EXPECT_THAT(error.what(), testing::HasSubstr("it was cut while it was read"));
      }
    }
  }
}

TEST(CpuOps, ProgramsRunInTheOrderOfTheirLaunches) {
  const auto ops = cpu_ops(Dtype::f32);
  const Tensor tensor = ops->allocate(Dtype::i32, {1, 1, 1, 1});
  const auto first = ops->record([&] { ops->set_positions(tensor, 1); }, "first");
  const auto second = ops->record([&] { ops->set_positions(tensor, 2); }, "second");
  first->launch();
  second->launch();
  first->wait();
  EXPECT_THAT(ops->read(tensor), testing::ElementsAre(2));  // read waits for all work
}

TEST(CpuOps, LastRowsAreTheLastOfEachSequence) {
  const auto ops = cpu_ops(Dtype::f32);
  const std::vector<float> values{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11};
  const Tensor x = ops->constant(Dtype::f32, {6, 2, 1, 1}, values.data());
  const Tensor y = ops->allocate(Dtype::f32, {2, 2, 1, 1});
  run_once(*ops, [&] { ops->last_rows(y, x); });
  EXPECT_THAT(ops->read(y), testing::ElementsAre(4, 5, 10, 11));
}

TEST(CpuOps, PoisonFillsActivationsAndNothingElse) {
  const auto ops = cpu_ops(Dtype::f32);
  const float one = 1;
  const Tensor activation = ops->allocate(Dtype::bf16, {3, 1, 1, 1});
  const Tensor table = ops->constant(Dtype::f32, {1, 1, 1, 1}, &one);
  const Tensor integer = ops->allocate(Dtype::i32, {1, 1, 1, 1});
  EXPECT_THAT(ops->read(activation), testing::Each(0.f));
  ops->poison();
  EXPECT_THAT(ops->read(activation), testing::Each(testing::IsNan()));
  EXPECT_THAT(ops->read(table), testing::Each(1.f));
  EXPECT_THAT(ops->read(integer), testing::Each(0.f));
}

}  // namespace
}  // namespace cotenant
