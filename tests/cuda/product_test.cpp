#include "engine/native/cuda/product.h"

#include <fmt/format.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "device_data.h"
#include "engine/native/cuda/plan_cache.h"
#include "engine/native/cuda/product_check.h"
#include "engine/native/cuda/tuner.h"

// Every way to compute a product against a loop in double precision; the choice among them; where choices are kept.
namespace cotenant {
namespace {

using ProductTest = OnGpu;

constexpr size_t workspace_bytes = size_t{32} << 20;

// y by its definition; x [rows, in], w [columns, in].
std::vector<double> reference(const ProductKey& key, const std::vector<float>& x, const std::vector<float>& w,
                              const std::vector<float>& bias, const std::vector<float>& y) {
  const auto in = static_cast<size_t>(key.in), width = static_cast<size_t>(key.gated ? key.columns / 2 : key.columns);
  const auto dot = [&](size_t r, size_t c) {
    double sum = key.bias ? bias[c] : 0;
    for (size_t i = 0; i < in; ++i) sum += double{x[r * in + i]} * w[c * in + i];
    return sum;
  };
  std::vector<double> result;
  for (size_t r = 0; r < static_cast<size_t>(key.rows); ++r)
    for (size_t c = 0; c < width; ++c) {
      double value = reference_activation(key.activation, dot(r, c));
      if (key.gated) value *= dot(r, c + width);
      result.push_back(key.accumulate ? value + y[r * width + c] : value);
    }
  return result;
}

// Rows of x by RMSNorm, rounded as a kernel of its own rounds them.
std::vector<float> rms_normed(const ProductKey& key, const std::vector<float>& x, const std::vector<float>& scale,
                              double eps) {
  const auto in = static_cast<size_t>(key.in);
  std::vector<float> normed;
  for (size_t r = 0; r < static_cast<size_t>(key.rows); ++r) {
    double squares = 0;
    for (size_t i = 0; i < in; ++i) squares += double{x[r * in + i]} * x[r * in + i];
    const double factor = 1 / std::sqrt(squares / static_cast<double>(in) + eps);
    for (size_t i = 0; i < in; ++i)
      normed.push_back(round_to(key.dtype, static_cast<float>(x[r * in + i] * factor * scale[i])));
  }
  return normed;
}

// `deviation`: of x, and so of the product.
void check_every_way(Random& random, const ProductKey& key, int sms = 132, float deviation = 1) {
  const auto size = [](int64_t a, int64_t b) { return static_cast<size_t>(a * b); };
  const auto x = random.normal(key.dtype, size(key.rows, key.in), deviation),
             scale = random.normal(key.dtype, size(key.in, 1));
  const auto w = random.normal(key.dtype, size(key.columns, key.in), 1 / std::sqrt(static_cast<float>(key.in)));
  const auto bias = random.normal(key.dtype, size(key.columns, 1)),
             y = random.normal(key.dtype, size(key.rows, key.gated ? key.columns / 2 : key.columns));
  constexpr float eps = 1e-5f;
  const std::vector<double> expected = reference(key, key.normed ? rms_normed(key, x, scale, eps) : x, w, bias, y);
  const DeviceArray d_x(key.dtype, x), d_w(key.dtype, w), d_bias(key.dtype, bias), d_scale(key.dtype, scale);
  const DeviceArray normed(key.dtype, x.size()), wide(key.dtype, size(key.rows, key.columns));
  const DeviceMemory workspace = allocate_device(workspace_bytes);
  const Products products(nullptr, workspace.get(), workspace_bytes, sms);
  for (const Plan& plan : products.candidates(key)) {
    SCOPED_TRACE(
        fmt::format("{} by {} {}, seed {}", to_string(key), to_string(plan.method), plan.variant, random.seed()));
    EXPECT_TRUE(products.runs(key, plan));
    DeviceArray d_y(key.dtype, y.size());
    if (key.accumulate) d_y.write(y);
    products.run(key, plan,
                 {.y = d_y.data(),
                  .w = d_w.data(),
                  .bias = d_bias.data(),
                  .x = d_x.data(),
                  .out = key.columns,
                  .norm = {.kind = NormKind::rms,
                           .eps = eps,
                           .scale = {.data = d_scale.data(), .dtype = key.dtype, .shape = {key.in, 1, 1, 1}},
                           .shift = {}},
                  .normed = normed.data(),
                  .wide = wide.data()});
    Difference difference;
    const std::vector<float> values = d_y.read();
    for (size_t i = 0; i < values.size(); ++i) difference.add(values[i], expected[i]);
    expect_close(difference, tolerance(key.dtype));
  }
}

TEST_F(ProductTest, EveryWayComputesTheProduct) {
  Random random;
  for (const Dtype dtype : {Dtype::f32, Dtype::f16, Dtype::bf16})
    for (const auto& [rows, in, columns] : {std::array<int64_t, 3>{128, 64, 128},
                                            {300, 200, 392},
                                            {257, 768, 264},
                                            {5, 256, 384},
                                            {1, 96, 40},
                                            {130, 40, 1000}})
      for (const Activation activation :
           {Activation::none, Activation::gelu_tanh, Activation::gelu_erf, Activation::silu, Activation::relu})
        for (const bool bias : {false, true})
          check_every_way(
              random,
              {.dtype = dtype, .rows = rows, .in = in, .columns = columns, .activation = activation, .bias = bias});
}

// Where the formulas of the activations overflow.
TEST_F(ProductTest, EveryWayActivatesLargeNumbers) {
  Random random;
  for (const Dtype dtype : {Dtype::f16, Dtype::bf16})
    for (const Activation activation : {Activation::gelu_tanh, Activation::gelu_erf, Activation::silu})
      check_every_way(random, {.dtype = dtype, .rows = 256, .in = 128, .columns = 288, .activation = activation}, 132,
                      8000);
}

TEST_F(ProductTest, EveryWayAdds) {
  Random random;
  for (const Dtype dtype : {Dtype::f32, Dtype::f16, Dtype::bf16})
    for (const auto& [rows, in, columns] : {std::array<int64_t, 3>{128, 64, 128}, {300, 200, 392}, {5, 256, 384}})
      check_every_way(random,
                      {.dtype = dtype, .rows = rows, .in = in, .columns = columns, .bias = true, .accumulate = true});
}

TEST_F(ProductTest, EveryWayGates) {
  Random random;
  for (const Dtype dtype : {Dtype::f32, Dtype::f16, Dtype::bf16})
    for (const auto& [rows, in, columns] :
         {std::array<int64_t, 3>{128, 64, 256}, {300, 200, 784}, {257, 768, 528}, {5, 256, 384}})
      for (const bool bias : {false, true})
        check_every_way(random, {.dtype = dtype,
                                 .rows = rows,
                                 .in = in,
                                 .columns = columns,
                                 .activation = Activation::silu,
                                 .bias = bias && rows > 16,
                                 .gated = true});
}

// As in a small share of the device, where each block has many of the product's tiles.
TEST_F(ProductTest, EveryWayGatesOnFewMultiprocessors) {
  Random random;
  for (const Dtype dtype : {Dtype::f16, Dtype::bf16})
    for (const auto& [rows, in, columns] : {std::array<int64_t, 3>{600, 520, 1040}, {257, 64, 2048}, {129, 1024, 784}})
      for (const Activation activation : {Activation::silu, Activation::gelu_tanh})
        check_every_way(
            random,
            {.dtype = dtype, .rows = rows, .in = in, .columns = columns, .activation = activation, .gated = true}, 5);
}

// Ours and the library's, with the norm inside or before.
TEST_F(ProductTest, EveryWayNormsFirst) {
  Random random;
  for (const Dtype dtype : {Dtype::f16, Dtype::bf16})
    for (const int64_t rows : {1, 8, 16})
      for (const bool gated : {false, true}) {
        const ProductKey key{.dtype = dtype,
                             .rows = rows,
                             .in = 1024,
                             .columns = 384,
                             .activation = gated ? Activation::silu : Activation::none,
                             .normed = true,
                             .gated = gated};
        ASSERT_TRUE(std::ranges::any_of(Products(nullptr, nullptr, 0, 132).candidates(key),
                                        [](const Plan& plan) { return plan.method == Plan::Method::gemv_after_norm; }));
        check_every_way(random, key);
      }
}

// Two wrong results that a check of speed alone would let pass.
TEST_F(ProductTest, TheCheckSeesUnwrittenAndWrongResults) {
  const ProductKey key{.dtype = Dtype::f16, .rows = 64, .in = 128, .columns = 256};
  Random random;
  const DeviceArray x(Dtype::f16, random.normal(Dtype::f16, 64 * 128)),
      w(Dtype::f16, random.normal(Dtype::f16, 256 * 128)), y(Dtype::f16, 64 * 256);
  const DeviceMemory workspace = allocate_device(workspace_bytes);
  const Products products(nullptr, workspace.get(), workspace_bytes, 132);
  const ProductOperands operands{.y = y.data(), .w = w.data(), .x = x.data(), .out = 256};
  poison_result(nullptr, key, y.data());
  EXPECT_GT(relative_error(nullptr, key, operands, workspace.get()), 1e30);
  ProductKey half = key;
  half.in = 64;  // as if the second half of the sum were forgotten
  products.run(half, products.candidates(half).front(), operands);
  EXPECT_GT(relative_error(nullptr, key, operands, workspace.get()), 0.1);
  products.run(key, products.candidates(key).front(), operands);
  EXPECT_LT(relative_error(nullptr, key, operands, workspace.get()), tolerated_error(Dtype::f16));
}

// The check knows what y held, and both halves of a gated product.
TEST_F(ProductTest, TheCheckSeesWhatWasNotAddedAndNotGated) {
  Random random;
  const DeviceArray x(Dtype::f16, 64 * 128), w(Dtype::f16, random.normal(Dtype::f16, 256 * 128)),
      y(Dtype::f16, 64 * 256), wide(Dtype::f16, 64 * 256);
  const DeviceMemory workspace = allocate_device(workspace_bytes);
  const Products products(nullptr, workspace.get(), workspace_bytes, 132);
  const ProductOperands operands{.y = y.data(), .w = w.data(), .x = x.data(), .out = 256, .wide = wide.data()};
  const auto error_of = [&](const ProductKey& checked, const ProductKey& computed) {
    poison_result(nullptr, checked, y.data());
    fill_input(nullptr, checked, x.data());
    products.run(computed, products.candidates(computed).front(), operands);
    return relative_error(nullptr, checked, operands, workspace.get());
  };
  const ProductKey plain{.dtype = Dtype::f16, .rows = 64, .in = 128, .columns = 256};
  ProductKey adding = plain, gated = plain, other_gate = plain;
  adding.accumulate = true;
  gated.gated = other_gate.gated = true;
  gated.activation = Activation::silu;
  other_gate.activation = Activation::relu;
  EXPECT_LT(error_of(adding, adding), tolerated_error(Dtype::f16));
  EXPECT_GT(error_of(adding, plain), 0.01);
  EXPECT_LT(error_of(gated, gated), tolerated_error(Dtype::f16));
  EXPECT_GT(error_of(gated, other_gate), 0.01);
}

// A cache directory of its own, and the plan cache's file in it.
class PlanCacheTest : public testing::Test {
 protected:
  void SetUp() override {
    directory_ = std::filesystem::temp_directory_path() / fmt::format("cotenant-plans-{}", getpid());
    setenv("XDG_CACHE_HOME", directory_.c_str(), 1);
    plan_.method = Plan::Method::library;
    plan_.time_us = 12.5f;
    for (size_t i = 0; i < std::size(plan_.algorithm.data); ++i) plan_.algorithm.data[i] = ~uint64_t{0} - i;
  }
  void TearDown() override {
    unsetenv("XDG_CACHE_HOME");
    std::filesystem::remove_all(directory_);
  }
  void fill(const DeviceFacts& device) const {
    PlanCache cache(device);
    cache.add(pass_, key_, plan_);
    cache.save();
  }
  std::filesystem::path file() const { return std::filesystem::directory_iterator(directory_ / "cotenant")->path(); }

  std::filesystem::path directory_;
  const DeviceFacts device_{.name = "Some GPU", .sms = 132};
  const ProductKey key_{
      .dtype = Dtype::bf16, .rows = 7, .in = 64, .columns = 128, .activation = Activation::gelu_erf, .bias = true};
  const std::string pass_ = fingerprint({key_});
  Plan plan_;
};

TEST_F(PlanCacheTest, KeepsPlansBetweenProcesses) {
  fill(device_);
  PlanCache cache(device_);
  const std::optional<Plan> found = cache.find(pass_, key_);
  ASSERT_TRUE(found);
  EXPECT_EQ(found->time_us, plan_.time_us);
  EXPECT_EQ(std::memcmp(found->algorithm.data, plan_.algorithm.data, sizeof plan_.algorithm.data), 0);
  ProductKey other = key_;
  other.rows = 8;
  EXPECT_FALSE(cache.find(pass_, other));
  EXPECT_FALSE(cache.find(fingerprint({key_, other}), key_));  // in another pass another way may be the best
}

TEST_F(PlanCacheTest, ForgetsWhatBelongsToAnotherShareOrMachine) {
  fill(device_);
  EXPECT_FALSE(PlanCache({.name = "Some GPU", .sms = 66}).find(pass_, key_));
  EXPECT_FALSE(PlanCache({.name = "Another GPU", .sms = 132}).find(pass_, key_));
  std::filesystem::copy_file(file(), directory_ / "cotenant" / "plans-another-gpu-132sm.json");
  EXPECT_FALSE(PlanCache({.name = "Another GPU", .sms = 132}).find(pass_, key_));  // the content counts, not the name
}

TEST_F(PlanCacheTest, IgnoresAndMendsADamagedFile) {
  fill(device_);
  std::string text;
  {
    std::ifstream stream(file());
    text.assign(std::istreambuf_iterator<char>(stream), {});
  }
  for (const std::string& damaged : {std::string(), text.substr(0, text.size() / 2), std::string("[]"),
                                     std::string("{\"identity\": 3}"), std::string(1000, '\0')}) {
    std::ofstream(file()) << damaged;
    EXPECT_FALSE(PlanCache(device_).find(pass_, key_));
    fill(device_);
    EXPECT_TRUE(PlanCache(device_).find(pass_, key_));
  }
}

TEST_F(PlanCacheTest, TwoWritersKeepEachOthersPlans) {
  PlanCache first(device_), second(device_);
  ProductKey other = key_;
  other.in = 4096;
  first.add(pass_, key_, plan_);
  second.add(pass_, other, plan_);
  first.save();
  second.save();
  PlanCache cache(device_);
  EXPECT_TRUE(cache.find(pass_, key_));
  EXPECT_TRUE(cache.find(pass_, other));
}

}  // namespace
}  // namespace cotenant
