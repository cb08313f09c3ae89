#pragma once

#include <filesystem>
#include <map>
#include <optional>
#include <string>

#include "engine/native/cuda/device.h"
#include "engine/native/cuda/product.h"

// Plans that were chosen by timing, kept in a file so that the second start need not time them again:
// $XDG_CACHE_HOME/cotenant (or ~/.cache/cotenant) / plans-<GPU>-<multiprocessors>sm.json. The file names the GPU, the
// library's version, the multiprocessors and this program's version; a file that says anything else, or that cannot be
// understood, counts as none and is written anew.
namespace cotenant {

class PlanCache {
 public:
  explicit PlanCache(const DeviceFacts& device);

  // Reads the file once, at the first question.
  std::optional<Plan> find(const ProductKey& key);
  void add(const ProductKey& key, const Plan& plan);
  // Writes what was added, together with what others wrote meanwhile; the file is replaced whole. A cache that cannot
  // be written is no failure: a warning says so.
  void save();

 private:
  void read();

  std::filesystem::path path_;  // empty: neither XDG_CACHE_HOME nor HOME is set
  std::string identity_;        // GPU, library, multiprocessors, program
  bool was_read_ = false;
  bool changed_ = false;
  std::map<ProductKey, Plan> plans_;
};

}  // namespace cotenant
