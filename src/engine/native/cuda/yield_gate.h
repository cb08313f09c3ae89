#pragma once

#include <cuda_runtime.h>

#include <cstdint>

#include "engine/yield.h"

// The gate itself: a kernel of one warp between two kernels of a pass. While nobody goes first it lets its successor
// start at once, so that it costs the overlap of a launch and no more; while somebody does it waits, alone on its
// multiprocessor, and its successor is not there yet.
namespace cotenant {

// What the gates of one tenant remember from gate to gate, in device memory.
struct GateMemory {
  uint64_t left_ns;     // that this pass may still wait
  uint64_t resumed_ns;  // when it left the last gate, by %globaltimer
  uint64_t turn_ns, device_ns, waits, waited_ns, longest_wait_ns, bound_hits;  // what the seat shows
};

struct YieldGate {
  YieldPage* page = nullptr;  // as the device sees it
  GateMemory* memory = nullptr;
  uint32_t seat = 0, seats = 0;
  uint32_t above[most_yield_seats / 32] = {};  // by level: whose seats are looked at
  uint64_t most_wait_ns = 0;
  bool by_weight = false;
  bool first = false;  // of a pass
  bool last = false;   // of a pass: only counts the device time
};

void launch_yield_gate(cudaStream_t stream, const YieldGate& gate);

}  // namespace cotenant
