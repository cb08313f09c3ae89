#include <cublasLt.h>
#include <cuda_fp16.h>

#include <vector>

#include "census.h"
#include "engine/native/cuda/check.h"
#include "engine/native/cuda/handles.h"

namespace cotenant {
namespace {

constexpr unsigned most_sms = 1024;

__global__ void record_place(unsigned* blocks_at) {
  unsigned place = 0;
  asm volatile("mov.u32 %0, %%smid;" : "=r"(place));
  atomicAdd(blocks_at + place, 1u);
  for (const long long start = clock64(); clock64() - start < 200000;) {
  }
}

__global__ void write_nowhere(int* address) {
  *address = 1;
}

}  // namespace

std::set<unsigned> census(cudaStream_t stream) {
  const DeviceMemory memory = allocate_device(most_sms * sizeof(unsigned));
  auto* counts = static_cast<unsigned*>(memory.get());
  COTENANT_CUDA("census", cudaMemsetAsync(counts, 0, most_sms * sizeof(unsigned), stream));
  record_place<<<8 * most_sms, 32, 0, stream>>>(counts);
  COTENANT_CUDA("census", cudaGetLastError());
  std::vector<unsigned> host(most_sms);
  COTENANT_CUDA("census",
                cudaMemcpyAsync(host.data(), counts, most_sms * sizeof(unsigned), cudaMemcpyDeviceToHost, stream));
  COTENANT_CUDA("census", cudaStreamSynchronize(stream));
  std::set<unsigned> places;
  for (unsigned sm = 0; sm < most_sms; ++sm)
    if (host[sm] > 0) places.insert(sm);
  return places;
}

void launch_fault(cudaStream_t stream) {
  write_nowhere<<<1, 1, 0, stream>>>(reinterpret_cast<int*>(16));
}

double product_tflops(cudaStream_t stream) {
  constexpr int n = 4096;
  constexpr size_t bytes = size_t{n} * n * sizeof(__half), workspace_bytes = size_t{32} << 20;
  const DeviceMemory memory = allocate_device(3 * bytes + workspace_bytes);
  auto* a = static_cast<std::byte*>(memory.get());
  COTENANT_CUDA("product", cudaMemsetAsync(a, 0x3c, 3 * bytes, stream));  // 1.06
  cublasLtHandle_t handle = nullptr;
  COTENANT_CUBLAS("product", cublasLtCreate(&handle));
  const LtHandle owned(handle);
  cublasLtMatmulDesc_t operation = nullptr;
  COTENANT_CUBLAS("product", cublasLtMatmulDescCreate(&operation, CUBLAS_COMPUTE_32F, CUDA_R_32F));
  const LtMatmulDesc owned_operation(operation);
  const cublasOperation_t transposed = CUBLAS_OP_T;
  COTENANT_CUBLAS("product", cublasLtMatmulDescSetAttribute(operation, CUBLASLT_MATMUL_DESC_TRANSA, &transposed,
                                                            sizeof transposed));
  cublasLtMatrixLayout_t layout = nullptr;
  COTENANT_CUBLAS("product", cublasLtMatrixLayoutCreate(&layout, CUDA_R_16F, n, n, n));
  const LtLayout owned_layout(layout);
  cublasLtMatmulPreference_t preference = nullptr;
  COTENANT_CUBLAS("product", cublasLtMatmulPreferenceCreate(&preference));
  const LtPreference owned_preference(preference);
  COTENANT_CUBLAS("product", cublasLtMatmulPreferenceSetAttribute(preference, CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES,
                                                                  &workspace_bytes, sizeof workspace_bytes));
  cublasLtMatmulHeuristicResult_t found{};
  int count = 0;
  COTENANT_CUBLAS("product", cublasLtMatmulAlgoGetHeuristic(handle, operation, layout, layout, layout, layout,
                                                            preference, 1, &found, &count));
  const float one = 1, zero = 0;
  const auto multiply = [&](int times) {
    for (int i = 0; i < times; ++i)
      COTENANT_CUBLAS(
          "product", cublasLtMatmul(handle, operation, &one, a, layout, a + bytes, layout, &zero, a + 2 * bytes, layout,
                                    a + 2 * bytes, layout, &found.algo, a + 3 * bytes, workspace_bytes, stream));
  };
  const Event begin = make_event(), end = make_event();
  float ms = 0;
  int times = 8;
  for (multiply(times); ms < 250; times *= 2) {
    COTENANT_CUDA("product", cudaEventRecord(begin.get(), stream));
    multiply(times);
    COTENANT_CUDA("product", cudaEventRecord(end.get(), stream));
    COTENANT_CUDA("product", cudaEventSynchronize(end.get()));
    COTENANT_CUDA("product", cudaEventElapsedTime(&ms, begin.get(), end.get()));
  }
  return 2.0 * n * n * n * (times / 2.0) / (ms * 1e-3) / 1e12;
}

}  // namespace cotenant
