#pragma once

#include <cuda_runtime.h>

#include <cstddef>
#include <cstdint>

#include "engine/native/ops.h"

// What turns logits into the next pass's input, all on the device: the largest logit, the positions, the ring that the
// host reads.
namespace cotenant {

// What argmax needs for `rows` rows. Filled with zeros once; every launch leaves zeros behind.
size_t argmax_scratch_bytes(int64_t rows);

// NaN counts as the largest, as in torch.
void launch_argmax(cudaStream_t stream, const Tensor& ids, const Tensor& logits, int64_t vocab, void* scratch);

void launch_set_positions(cudaStream_t stream, const Tensor& positions, int32_t value);

// `passes` is the device's own count of the ring's passes, so that it need not read the host's memory.
void launch_advance(cudaStream_t stream, const Tensor& positions, const Tensor& ids, const TokenRing& ring,
                    int32_t* passes);

}  // namespace cotenant
