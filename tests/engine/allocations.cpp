#include "allocations.h"

#include <link.h>
#include <malloc.h>

#include <atomic>
#include <cstdlib>
#include <cstring>
#include <new>

#ifdef COTENANT_SANITIZED
#define COTENANT_COUNTS_ALLOCATIONS 0
#else
#define COTENANT_COUNTS_ALLOCATIONS 1
#endif

namespace cotenant {
namespace {

std::atomic<size_t> own_allocations{0};

struct AddressRange {
  uintptr_t first = 0, last = 0;
};

// Where oneDNN's code lies in this process.
AddressRange find_onednn() {
  AddressRange range;
  dl_iterate_phdr(
      [](dl_phdr_info* object, size_t, void* out) {
        if (!std::strstr(object->dlpi_name, "dnnl")) return 0;
        auto& found = *static_cast<AddressRange*>(out);
        for (int i = 0; i < object->dlpi_phnum; ++i)
          if (const auto& segment = object->dlpi_phdr[i]; segment.p_type == PT_LOAD && (segment.p_flags & PF_X))
            found = {object->dlpi_addr + segment.p_vaddr, object->dlpi_addr + segment.p_vaddr + segment.p_memsz};
        return 1;
      },
      &range);
  return range;
}

}  // namespace

// Called by operator new with its return address.
void count_allocation(const void* caller) {
  static const AddressRange onednn = find_onednn();
  const auto address = reinterpret_cast<uintptr_t>(caller);
  if (address < onednn.first || address >= onednn.last) ++own_allocations;
}

bool allocations_are_counted() {
  return COTENANT_COUNTS_ALLOCATIONS;
}

namespace {
int64_t heap_bytes() {
  const struct mallinfo2 info = mallinfo2();
  return static_cast<int64_t>(info.uordblks + info.hblkhd);
}
}  // namespace

AllocationCounter::AllocationCounter() : count_at_start_(own_allocations), bytes_at_start_(heap_bytes()) {}
size_t AllocationCounter::count() const {
  return own_allocations - count_at_start_;
}
int64_t AllocationCounter::bytes_kept() const {
  return heap_bytes() - bytes_at_start_;
}

}  // namespace cotenant

#if COTENANT_COUNTS_ALLOCATIONS
void* operator new(size_t bytes) {
  cotenant::count_allocation(__builtin_return_address(0));
  if (void* memory = std::malloc(bytes ? bytes : 1)) return memory;
  throw std::bad_alloc();
}
void operator delete(void* memory) noexcept {
  std::free(memory);
}
void operator delete(void* memory, size_t) noexcept {
  std::free(memory);
}
#endif
