#include "model/model.h"

#include <bit>
#include <cstring>
#include <functional>
#include <numeric>

#include "base/error.h"

namespace cotenant {
namespace {

// The data is aligned to nothing, hence memcpy, which compilers turn into a plain load.
template <typename Stored, typename Convert>
void convert(const std::byte* data, int64_t count, float* out, Convert to_float) {
  for (int64_t i = 0; i < count; ++i) {
    Stored value;
    std::memcpy(&value, data + static_cast<size_t>(i) * sizeof(Stored), sizeof(Stored));
    out[i] = to_float(value);
  }
}

}  // namespace

int64_t TensorSource::elements() const {
  return std::accumulate(shape.begin(), shape.end(), int64_t{1}, std::multiplies<>());
}

void read_floats(const TensorSource& source, int64_t first, int64_t count, float* out) {
  if (first < 0 || count < 0 || first > source.elements() - count)
    throw internal_error(source.name, "reading beyond the end of a tensor");
  if (source.data == nullptr) {
    for (int64_t i = 0; i < count; ++i) out[i] = random_value(source.fill, static_cast<uint64_t>(first + i));
    return;
  }
  const std::byte* data = source.data + static_cast<size_t>(first) * size_of(source.dtype);
  switch (source.dtype) {
    case Dtype::f32:
      std::memcpy(out, data, static_cast<size_t>(count) * sizeof(float));
      break;
    case Dtype::bf16:
      convert<uint16_t>(data, count, out, bf16_to_float);
      break;
    case Dtype::f16:
      convert<uint16_t>(data, count, out, f16_to_float);
      break;
    case Dtype::i32:
      convert<int32_t>(data, count, out, [](int32_t value) { return static_cast<float>(value); });
      break;
  }
}

}  // namespace cotenant
