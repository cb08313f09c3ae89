#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>

#include "base/fd.h"
#include "results/event.h"

namespace cotenant {

// A tenant's iterations, to be gone through again at the end of a run. Memory stays at one buffer (16 KiB) however many
// there are: what does not fit into it goes into a file without a name beside the results (in the temporary directory
// when theirs has been removed), which vanishes with this object or its process. Keeps the fields that summaries are
// made of: latency_ms, start_s, end_s, status, ttft_ms, tpot_ms, token_s and the counts of tokens. Throws file_error.
class IterationLog {
 public:
  explicit IterationLog(std::filesystem::path directory) : directory_(std::move(directory)) {}

  void append(const Iteration& iteration);
  int64_t size() const { return size_; }

  // In the order in which they came; the object is reused.
  void for_each(const std::function<void(const Iteration&)>& use) const;

 private:
  void spill();

  std::filesystem::path directory_;
  Fd file_;             // opened when the buffer is full for the first time
  uint64_t bytes_ = 0;  // in the file
  std::string buffer_;  // what comes after them
  int64_t size_ = 0;
};

}  // namespace cotenant
