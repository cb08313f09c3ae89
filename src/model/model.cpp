#include "model/model.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <functional>
#include <numeric>
#include <span>

#include "base/error.h"

namespace cotenant {
namespace {

// Reads in pieces that stay in cache. The bytes are aligned to nothing, hence memcpy, which compilers turn into a plain
// load.
template <typename Stored, typename Convert>
void convert(const TensorSource& source, int64_t first, int64_t count, float* out, Convert to_float) {
  constexpr int64_t most = 8192;
  std::array<std::byte, most * sizeof(Stored)> bytes;
  for (int64_t done = 0; done < count; done += most) {
    const int64_t n = std::min(most, count - done);
    source.file->read_at(source.offset + static_cast<uint64_t>(first + done) * sizeof(Stored),
                         std::span(bytes).first(static_cast<size_t>(n) * sizeof(Stored)));
    for (int64_t i = 0; i < n; ++i) {
      Stored value;
      std::memcpy(&value, bytes.data() + static_cast<size_t>(i) * sizeof(Stored), sizeof(Stored));
      out[done + i] = to_float(value);
    }
  }
}

}  // namespace

int64_t TensorSource::elements() const {
  return std::accumulate(shape.begin(), shape.end(), int64_t{1}, std::multiplies<>());
}

void read_floats(const TensorSource& source, int64_t first, int64_t count, float* out) {
  if (first < 0 || count < 0 || first > source.elements() - count)
    throw internal_error(source.name, "reading beyond the end of a tensor");
  if (source.file == nullptr) {
    for (int64_t i = 0; i < count; ++i) out[i] = random_value(source.fill, static_cast<uint64_t>(first + i));
    return;
  }
  switch (source.dtype) {
    case Dtype::f32:
      source.file->read_at(source.offset + static_cast<uint64_t>(first) * sizeof(float),
                           std::as_writable_bytes(std::span(out, static_cast<size_t>(count))));
      break;
    case Dtype::bf16:
      convert<uint16_t>(source, first, count, out, bf16_to_float);
      break;
    case Dtype::f16:
      convert<uint16_t>(source, first, count, out, f16_to_float);
      break;
    case Dtype::i32:
      convert<int32_t>(source, first, count, out, [](int32_t value) { return static_cast<float>(value); });
      break;
  }
}

}  // namespace cotenant
