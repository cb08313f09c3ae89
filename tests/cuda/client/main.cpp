#include <cuda_runtime.h>
#include <fmt/format.h>

#include <cstdlib>
#include <cstring>
#include <exception>

#include "../census.h"
#include "base/clock.h"
#include "engine/native/cuda/check.h"

// A program on the GPU that is nobody's tenant, for tests of what other programs do and see:
//
// gpu_client census: prints the multiprocessors that it is told of, those that its blocks ran on, and a product's rate
//
// gpu_client hold SECONDS: keeps a context and does nothing
//
// gpu_client fault: writes to an illegal address
int main(int argc, char** argv) {
  using namespace cotenant;
  const auto is = [&](const char* word) { return argc > 1 && std::strcmp(argv[1], word) == 0; };
  try {
    if (is("census")) {
      int told = 0;
      COTENANT_CUDA("census", cudaDeviceGetAttribute(&told, cudaDevAttrMultiProcessorCount, 0));
      const size_t used = census(nullptr).size();
      fmt::print("{{\"told_sms\": {}, \"used_sms\": {}, \"tflops\": {:.1f}}}\n", told, used, product_tflops(nullptr));
    } else if (is("hold") && argc > 2) {
      COTENANT_CUDA("hold", cudaFree(nullptr));
      sleep_until_ns(now_ns() + s_to_ns(std::atof(argv[2])));
    } else if (is("fault")) {
      launch_fault(nullptr);
      COTENANT_CUDA("fault", cudaDeviceSynchronize());
    } else {
      fmt::print(stderr, "usage: gpu_client census | hold SECONDS | fault\n");
      return 2;
    }
  } catch (const std::exception& error) {
    fmt::print(stderr, "{}\n", error.what());
    return 1;
  }
  return 0;
}
