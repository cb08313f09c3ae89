#include "engine/native/cpu/buffer.h"

#include <fmt/format.h>
#include <sys/mman.h>

#include <cstdint>
#include <cstdlib>
#include <cstring>

#include "base/error.h"
#include "base/text.h"
#include "engine/native/cpu/parallel.h"

namespace cotenant {
namespace {

constexpr size_t huge_page = size_t{2} << 20;
constexpr size_t huge_from = 2 * huge_page;  // below, the rounding to huge pages would waste too much

// Touches every page, on all threads.
void zero(std::byte* data, size_t bytes) {
  constexpr size_t piece = huge_page;
  parallel_for(static_cast<int64_t>((bytes + piece - 1) / piece), [&](int64_t i) {
    const size_t first = static_cast<size_t>(i) * piece;
    std::memset(data + first, 0, std::min(piece, bytes - first));
  });
}

}  // namespace

Buffer::Buffer(size_t bytes) : bytes_(rounded(bytes)) {
  if (bytes == 0) return;
  const bool huge = bytes >= huge_from;
  const size_t alignment = huge ? huge_page : 64;
  void* memory = nullptr;
  if (posix_memalign(&memory, alignment, bytes_) != 0)
    throw Error(ExitCode::usage, "CPU engine", fmt::format("no {} of memory to be had", format_bytes(bytes_)),
                "Lower batch_size or seq_len, use bfloat16, or run fewer tenants.");
  data_ = static_cast<std::byte*>(memory);
  if (huge) madvise(data_, bytes_, MADV_HUGEPAGE);  // a wish: refusal costs only speed
  zero(data_, bytes_);
}

Buffer::~Buffer() {
  std::free(data_);
}

}  // namespace cotenant
