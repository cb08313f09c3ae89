#pragma once

#include <cuda_runtime.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <random>
#include <vector>

#include "base/dtype.h"
#include "engine/native/cuda/check.h"
#include "model/spec.h"

// What the tests of kernels share: memory on the device that tells when it was overrun or left unwritten, random
// values, and the comparison with a reference in double precision.
namespace cotenant {

// Skips where there is no GPU.
template <typename Base>
class SkippedWithoutGpu : public Base {
 protected:
  void SetUp() override {
    int devices = 0;
    if (cudaGetDeviceCount(&devices) != cudaSuccess || devices == 0) GTEST_SKIP() << "there is no CUDA device";
  }
};
class OnGpu : public SkippedWithoutGpu<testing::Test> {};

inline float round_to(Dtype dtype, float value) {
  if (dtype == Dtype::f16) return f16_to_float(float_to_f16(value));
  if (dtype == Dtype::bf16) return bf16_to_float(float_to_bf16(value));
  return value;
}

inline double tolerance(Dtype dtype) {
  return dtype == Dtype::f16 ? 2e-3 : dtype == Dtype::bf16 ? 1.5e-2 : 1e-5;
}

// An activation by its definition.
inline double reference_activation(Activation activation, double x) {
  switch (activation) {
    case Activation::gelu_tanh:
      return 0.5 * x * (1 + std::tanh(std::sqrt(2 / M_PI) * (x + 0.044715 * x * x * x)));
    case Activation::gelu_erf:
      return 0.5 * x * std::erfc(-x / std::sqrt(2.0));
    case Activation::silu:
      return x / (1 + std::exp(-x));
    case Activation::relu:
      return std::max(x, 0.0);
    case Activation::none:
      break;
  }
  return x;
}

// Normal values of a given deviation, rounded to a dtype. Fresh ones in every run; the seed is in every failure's
// trace.
class Random {
 public:
  Random() : seed_(std::random_device{}()), engine_(seed_) {}
  unsigned seed() const { return seed_; }
  std::vector<float> normal(Dtype dtype, size_t count, float deviation = 1) {
    std::normal_distribution<float> distribution(0, deviation);
    std::vector<float> values(count);
    for (float& v : values) v = round_to(dtype, distribution(engine_));
    return values;
  }
  int64_t between(int64_t least, int64_t most) { return std::uniform_int_distribution<int64_t>(least, most)(engine_); }

 private:
  unsigned seed_;
  std::mt19937 engine_;
};

// An array on the device. All bytes are 0xff at first, which is not a number in every dtype, and so are the bytes
// behind it that nobody may write.
class DeviceArray {
 public:
  DeviceArray(Dtype dtype, size_t count) : dtype_(dtype), count_(count) {
    COTENANT_CUDA("test", cudaMalloc(&data_, bytes() + guard_bytes));
    COTENANT_CUDA("test", cudaMemset(data_, 0xff, bytes() + guard_bytes));
  }
  DeviceArray(Dtype dtype, const std::vector<float>& values) : DeviceArray(dtype, values.size()) { write(values); }
  DeviceArray(const DeviceArray&) = delete;
  ~DeviceArray() { cudaFree(data_); }

  void* data() const { return data_; }
  size_t bytes() const { return count_ * size_of(dtype_); }

  void write(const std::vector<float>& values) {
    std::vector<unsigned char> host(bytes());
    for (size_t i = 0; i < count_; ++i) {
      unsigned char* at = host.data() + i * size_of(dtype_);
      if (size_of(dtype_) == 2) {
        const uint16_t bits = dtype_ == Dtype::f16 ? float_to_f16(values[i]) : float_to_bf16(values[i]);
        std::memcpy(at, &bits, 2);
      } else if (dtype_ == Dtype::i32) {
        const auto integer = static_cast<int32_t>(values[i]);
        std::memcpy(at, &integer, 4);
      } else {
        std::memcpy(at, &values[i], 4);
      }
    }
    COTENANT_CUDA("test", cudaMemcpy(data_, host.data(), host.size(), cudaMemcpyHostToDevice));
  }

  void clear() { COTENANT_CUDA("test", cudaMemset(data_, 0, bytes())); }

  // Waits for all work. Fails the test if anything wrote behind the array.
  std::vector<float> read() const {
    COTENANT_CUDA("test", cudaDeviceSynchronize());
    std::vector<unsigned char> host(bytes() + guard_bytes);
    COTENANT_CUDA("test", cudaMemcpy(host.data(), data_, host.size(), cudaMemcpyDeviceToHost));
    for (size_t i = bytes(); i < host.size(); ++i) EXPECT_EQ(host[i], 0xff) << "written behind the end of an array";
    std::vector<float> values(count_);
    for (size_t i = 0; i < count_; ++i) {
      const unsigned char* at = host.data() + i * size_of(dtype_);
      uint16_t bits = 0;
      std::memcpy(&bits, at, 2);
      if (size_of(dtype_) == 4) {
        std::memcpy(&values[i], at, 4);
      } else {
        values[i] = dtype_ == Dtype::f16 ? f16_to_float(bits) : bf16_to_float(bits);
      }
    }
    return values;
  }

 private:
  static constexpr size_t guard_bytes = 1024;
  Dtype dtype_;
  size_t count_;
  void* data_ = nullptr;
};

// Error of the whole against the reference, and of the worst element against the reference's largest.
struct Difference {
  double squared_error = 0, squared_reference = 0, worst = 0, largest = 0;

  void add(float value, double reference) {
    const double error = std::isfinite(value) ? std::abs(value - reference) : HUGE_VAL;
    squared_error += error * error;
    squared_reference += reference * reference;
    worst = std::max(worst, error);
    largest = std::max(largest, std::abs(reference));
  }
  double relative() const { return std::sqrt(squared_error / squared_reference); }
};

inline void expect_close(const Difference& d, double tolerance) {
  EXPECT_GT(d.squared_reference, 0);
  EXPECT_LE(d.relative(), tolerance);
  EXPECT_LE(d.worst, 4 * tolerance * d.largest);
}

}  // namespace cotenant
