#include "engine/native/cuda/yield_gates.h"

#include <atomic>
#include <utility>

#include "base/error.h"

namespace cotenant {
namespace {

template <typename T>
void store(T& word, T value) {
  std::atomic_ref(word).store(value, std::memory_order_relaxed);
}

RegisteredMemory register_page(YieldPage* page, const std::string& device) {
  int ordinal = 0, maps = 0;
  COTENANT_CUDA("yield", cudaGetDevice(&ordinal));
  COTENANT_CUDA("yield", cudaDeviceGetAttribute(&maps, cudaDevAttrCanMapHostMemory, ordinal));
  if (maps == 0)
    throw usage_error("sharing.yield", device + " cannot read the host's memory, where tenants say who goes first",
                      "Remove yield, or use another GPU.");
  COTENANT_CUDA("yield", cudaHostRegister(page, sizeof *page, cudaHostRegisterMapped));
  return RegisteredMemory(page);
}

}  // namespace

YieldGates::YieldGates(const YieldPlace& place, const std::string& device)
    : place_(place),
      registered_(register_page(place.page, device)),
      memory_(allocate_device(sizeof(GateMemory))),
      placer_(place.quantum_us) {
  COTENANT_CUDA("yield", cudaMemset(memory_.get(), 0, sizeof(GateMemory)));
  void* there = nullptr;
  COTENANT_CUDA("yield", cudaHostGetDevicePointer(&there, place.page, 0));
  gate_.page = static_cast<YieldPage*>(there);
  gate_.memory = static_cast<GateMemory*>(memory_.get());
  gate_.seat = place.seat;
  gate_.seats = place.page->seats;
  gate_.most_wait_ns = place.page->most_wait_ns;
  gate_.by_weight = place.page->by_weight != 0;
  for (uint32_t i = 0; i < gate_.seats; ++i)
    if (i != place.seat && (gate_.by_weight || place.page->seat[i].level > own().level))
      gate_.above[i / 32] |= uint32_t{1} << (i % 32);
}

YieldGates::~YieldGates() {
  store(own().in_flight, 0u);
}

bool YieldGates::may_wait() const {
  for (const uint32_t seats : gate_.above)
    if (seats != 0) return true;
  return false;
}

void YieldGates::begin_pass() {
  placer_.begin(gate_.by_weight);
  first_ = true;
}

void YieldGates::before(cudaStream_t stream, double us) {
  if (may_wait() && placer_.before(us)) place_gate(stream, false);
}

int YieldGates::parts(double us) const {
  return may_wait() ? placer_.parts(us) : 1;
}

int YieldGates::end_pass(cudaStream_t stream) {
  if (!may_wait()) return 0;
  if (gate_.by_weight)
    place_gate(stream, true);
  else if (placer_.at_end())
    place_gate(stream, false);
  return placer_.placed();
}

void YieldGates::place_gate(cudaStream_t stream, bool last) {
  YieldGate gate = gate_;
  gate.first = std::exchange(first_, false);
  gate.last = last;
  launch_yield_gate(stream, gate);
}

void YieldGates::launched(int gates) {
  YieldSeat& seat = own();
  if (gate_.by_weight && seat.in_flight == 0) store(seat.turn_ns, turn_after_idle(*place_.page, place_.seat));
  store(seat.passed, seat.passed + static_cast<uint64_t>(gates));
  store(seat.in_flight, seat.in_flight + 1);
}

void YieldGates::over() {
  store(own().in_flight, own().in_flight - 1);
}

}  // namespace cotenant
