#pragma once

#include <cuda_runtime.h>

#include <set>

namespace cotenant {

// The multiprocessors on which a grid's blocks ran: every block of a large grid records its %smid and stays for a
// while, so that none is left idle that could be used.
std::set<unsigned> census(cudaStream_t stream);

// Launches a kernel that writes to an address that is nobody's.
void launch_fault(cudaStream_t stream);

// TFLOP/s of a 4096^3 product in half precision, by the library's first choice, over about a quarter of a second.
double product_tflops(cudaStream_t stream);

}  // namespace cotenant
