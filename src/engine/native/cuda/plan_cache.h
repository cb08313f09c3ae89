#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>

#include "base/cache.h"
#include "engine/native/cuda/device.h"
#include "engine/native/cuda/product.h"

// Plans that were chosen by timing, for each pass apart, since the best way of a product depends on what runs beside
// it. They are kept in a file so that the second start need not time them again: $XDG_CACHE_HOME/cotenant (or
// ~/.cache/cotenant) / plans-<GPU>-<multiprocessors>sm.json. The file names the GPU, the library's version, the
// multiprocessors and this program's version; a file that says anything else, or that cannot be understood, counts as
// none and is written anew.
namespace cotenant {

// Of a pass that has these products.
std::string fingerprint(const std::set<ProductKey>& products);

class PlanCache {
 public:
  explicit PlanCache(const DeviceFacts& device);

  // Reads the file once, at the first question.
  // `pass`: what names a pass (fingerprint()).
  std::optional<Plan> find(const std::string& pass, const ProductKey& key);
  void add(const std::string& pass, const ProductKey& key, const Plan& plan);
  // Writes what was added, together with what others wrote meanwhile; the file is replaced whole. A cache that cannot
  // be written is no failure: a warning says so.
  void save();

 private:
  void read();

  CacheFile file_;
  bool was_read_ = false;
  bool changed_ = false;
  std::map<std::pair<std::string, ProductKey>, Plan> plans_;  // by pass and product
};

}  // namespace cotenant
