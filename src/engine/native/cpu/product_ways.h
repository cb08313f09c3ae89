#pragma once

#include <compare>
#include <cstdint>
#include <map>
#include <optional>

#include "base/cache.h"
#include "base/dtype.h"

namespace cotenant {

// How a product with bfloat16 weights is computed. Both add up in float32, and differ only in the order of the sum.
enum class ProductWay : uint8_t {
  native,   // by the CPU's bfloat16 instructions, as oneDNN does it
  widened,  // by its float32 ones (widened_product.h), which some CPUs have twice as fast
};

struct ProductShape {
  int64_t rows = 0, in = 0, out = 0;
  Dtype result = Dtype::bf16;
  bool accumulate = false;

  auto operator<=>(const ProductShape&) const = default;
};

// The ways that were faster when they were timed. They are kept in a file so that the second start need not time them
// again: $XDG_CACHE_HOME/cotenant (or ~/.cache/cotenant) / products-<CPU>-<threads>t.json. It names the CPU, the
// library's version, the threads and this program's version; a file that says anything else, or that cannot be
// understood, counts as none and is written anew.
class ProductWays {
 public:
  explicit ProductWays(int threads);

  // Reads the file once, at the first question.
  std::optional<ProductWay> find(const ProductShape& shape);
  void add(const ProductShape& shape, double native_ms, double widened_ms);
  // Writes what was added, together with what others wrote meanwhile. A cache that cannot be written is no failure: a
  // warning says so.
  void save();

 private:
  struct Times {
    double native_ms = 0, widened_ms = 0;
  };
  void read();

  CacheFile file_;
  bool was_read_ = false;
  bool changed_ = false;
  std::map<ProductShape, Times> times_;
};

}  // namespace cotenant
