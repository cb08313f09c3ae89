#include "engine/native/cpu/buffer.h"

#include <fmt/format.h>
#include <sys/mman.h>

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <cstring>

#include "base/error.h"
#include "base/text.h"
#include "engine/native/cpu/parallel.h"

namespace cotenant {
namespace {

constexpr size_t page = 4096;
constexpr size_t huge_page = size_t{2} << 20;
constexpr size_t mapped_from = 2 * huge_page;  // smaller ones come from the heap

// A mapping at a multiple of a huge page: more is mapped, and what stands over is given back.
void* map_aligned(size_t bytes) {
  const size_t length = (bytes + page - 1) / page * page;
  void* mapped = mmap(nullptr, length + huge_page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (mapped == MAP_FAILED) return nullptr;
  const auto start = reinterpret_cast<uintptr_t>(mapped);
  const uintptr_t aligned = (start + huge_page - 1) / huge_page * huge_page;
  if (aligned > start) munmap(mapped, aligned - start);
  if (const size_t over = start + huge_page - aligned; over > 0)
    munmap(reinterpret_cast<void*>(aligned + length), over);
  madvise(reinterpret_cast<void*>(aligned), length, MADV_HUGEPAGE);  // a wish: refusal costs only speed
  return reinterpret_cast<void*>(aligned);
}

void* allocate_zeroed(size_t bytes) {
  void* memory = std::aligned_alloc(64, bytes);
  if (memory) std::memset(memory, 0, bytes);
  return memory;
}

}  // namespace

Buffer::Buffer(size_t bytes) : bytes_(rounded(bytes)) {
  if (bytes == 0) return;
  data_ = static_cast<std::byte*>(bytes_ >= mapped_from ? map_aligned(bytes_) : allocate_zeroed(bytes_));
  if (!data_)
    throw Error(ExitCode::usage, "CPU engine", fmt::format("no {} of memory to be had", format_bytes(bytes_)),
                "Lower batch_size, slots or seq_len, use bfloat16, or run fewer tenants.");
}

Buffer::~Buffer() {
  if (bytes_ >= mapped_from) {
    munmap(data_, (bytes_ + page - 1) / page * page);
  } else {
    std::free(data_);
  }
}

void Buffer::touch() const {
  parallel_for(static_cast<int64_t>((bytes_ + huge_page - 1) / huge_page), [&](int64_t i) {
    const size_t first = static_cast<size_t>(i) * huge_page;
    for (size_t at = first; at < std::min(first + huge_page, bytes_); at += page)
      *static_cast<volatile std::byte*>(data_ + at) = std::byte{0};
  });
}

}  // namespace cotenant
