#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/fd.h"
#include "results/event.h"

namespace cotenant {

// The room on disk that the iterations of a run take until its end: a file without a name beside the results (in the
// temporary directory when theirs has been removed), which vanishes with this object or its process. A run's tenants
// share it, so that it costs them no open file each; where a file's size is limited (RLIMIT_FSIZE) there are more.
class IterationStore {
 public:
  explicit IterationStore(std::filesystem::path directory);

  // Takes so many bytes from the start, if there is room for them, which drop() gives back at least.
  void reserve(uint64_t bytes);
  uint64_t append(std::string_view bytes);           // returns where; throws file_error
  void read(uint64_t at, std::string& bytes) const;  // as many as it holds; throws system_error
  // For a run that a full disk has ended: its results need the room, and nobody goes through its iterations any more.
  void drop();

 private:
  Fd& file_at(uint64_t at);

  std::filesystem::path directory_;
  std::vector<Fd> files_;
  uint64_t most_bytes_;  // of one file
  uint64_t end_ = 0;
  bool dropped_ = false;
};

// A tenant's iterations, to be gone through again at the end of a run. Memory stays at one buffer (16 KiB) and 16 bytes
// for each that was put into the store. Keeps the fields that summaries are made of: latency_ms, start_s, end_s,
// status, ttft_ms, tpot_ms, token_s and the counts of tokens. Throws as the store does.
class IterationLog {
 public:
  explicit IterationLog(std::shared_ptr<IterationStore> store) : store_(std::move(store)) {}

  void append(const Iteration& iteration);
  int64_t size() const { return size_; }

  // In the order in which they came; the object is reused.
  void for_each(const std::function<void(const Iteration&)>& use) const;

 private:
  struct Piece {
    uint64_t at, bytes;
  };

  std::shared_ptr<IterationStore> store_;
  std::vector<Piece> pieces_;  // in the store
  std::string buffer_;         // what comes after them
  int64_t size_ = 0;
};

}  // namespace cotenant
