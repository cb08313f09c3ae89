#include "engine/native/cuda/yield_gate.h"

#include "engine/native/cuda/launch.h"

namespace cotenant {
namespace {

constexpr unsigned look_again_ns = 200;  // asleep between two looks at the page, each of which takes about 1 us

__device__ uint64_t global_ns() {
  uint64_t ns;
  asm volatile("mov.u64 %0, %%globaltimer;" : "=l"(ns));
  return ns;
}

__device__ uint32_t load_word(const uint32_t* word) {
  uint32_t value;
  asm volatile("ld.relaxed.sys.global.u32 %0, [%1];" : "=r"(value) : "l"(word) : "memory");
  return value;
}

__device__ uint64_t load_word(const uint64_t* word) {
  uint64_t value;
  asm volatile("ld.relaxed.sys.global.u64 %0, [%1];" : "=l"(value) : "l"(word) : "memory");
  return value;
}

__device__ void store_word(uint64_t* word, uint64_t value) {
  asm volatile("st.relaxed.sys.global.u64 [%0], %1;" ::"l"(word), "l"(value) : "memory");
}

// Whether anybody goes first; the same for the whole warp.
__device__ bool anybody_first(const YieldGate& gate, uint64_t turn_ns) {
  bool found = false;
  for (uint32_t i = threadIdx.x; i < gate.seats; i += 32) {
    if (!(gate.above[i / 32] >> (i % 32) & 1)) continue;
    const YieldSeat& there = gate.page->seat[i];
    found |= load_word(&there.in_flight) > 0 && (!gate.by_weight || load_word(&there.turn_ns) < turn_ns);
  }
  return __any_sync(~0u, found);
}

__device__ void show(const YieldGate& gate) {
  const GateMemory& memory = *gate.memory;
  YieldSeat& seat = gate.page->seat[gate.seat];
  store_word(&seat.waits, memory.waits);
  store_word(&seat.waited_ns, memory.waited_ns);
  store_word(&seat.longest_wait_ns, memory.longest_wait_ns);
  store_word(&seat.bound_hits, memory.bound_hits);
}

// Until nobody goes first any more, or the pass has waited for as long as it may.
__device__ void wait_for_others(const YieldGate& gate, uint64_t turn_ns) {
  GateMemory& memory = *gate.memory;
  const uint64_t begin_ns = global_ns(), left_ns = gate.first ? gate.most_wait_ns : memory.left_ns;
  bool somebody = true;
  uint64_t waited_ns = 0;
  while (waited_ns < left_ns && (somebody = anybody_first(gate, turn_ns))) {
    __nanosleep(look_again_ns);
    waited_ns = global_ns() - begin_ns;
  }
  if (threadIdx.x != 0) return;
  memory.left_ns = left_ns - min(left_ns, waited_ns);
  if (left_ns == 0) return;  // it does not wait any more
  ++memory.waits;
  memory.waited_ns += waited_ns;
  // The host clears it when a measurement begins.
  memory.longest_wait_ns = max(load_word(&gate.page->seat[gate.seat].longest_wait_ns), waited_ns);
  memory.bound_hits += somebody;
  show(gate);
}

__global__ void __launch_bounds__(32) level_gate(const YieldGate gate) {
  const bool somebody = anybody_first(gate, 0);
  if (!somebody) let_successor_start();
  wait_for_predecessor();
  if (somebody)
    wait_for_others(gate, 0);
  else if (gate.first && threadIdx.x == 0)
    gate.memory->left_ns = gate.most_wait_ns;
}

// Counts what was computed since the last gate, before it looks who is behind.
__global__ void __launch_bounds__(32) weight_gate(const YieldGate gate) {
  wait_for_predecessor();
  GateMemory& memory = *gate.memory;
  YieldSeat& seat = gate.page->seat[gate.seat];
  uint64_t turn_ns = gate.first ? load_word(&seat.turn_ns) : memory.turn_ns;
  if (!gate.first) {
    const uint64_t used_ns = global_ns() - memory.resumed_ns;
    turn_ns += static_cast<uint64_t>(static_cast<double>(used_ns) * seat.per_weight);
    __syncwarp();
    if (threadIdx.x == 0) {
      memory.device_ns += used_ns;
      store_word(&seat.turn_ns, turn_ns);
      store_word(&seat.device_ns, memory.device_ns);
    }
  }
  if (gate.last) return;
  if (anybody_first(gate, turn_ns))
    wait_for_others(gate, turn_ns);
  else if (gate.first && threadIdx.x == 0)
    memory.left_ns = gate.most_wait_ns;
  if (threadIdx.x != 0) return;
  memory.turn_ns = turn_ns;
  memory.resumed_ns = global_ns();
}

}  // namespace

void launch_yield_gate(cudaStream_t stream, const YieldGate& gate) {
  launch("yield", stream, gate.by_weight ? weight_gate : level_gate, dim3(1), dim3(32), 0, gate);
}

}  // namespace cotenant
