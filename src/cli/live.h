#pragma once

#include <cstdint>
#include <string>

#include "driver/experiment.h"

namespace cotenant {

// The progress of a run on standard error: a line per tenant, rewritten in place on a terminal; elsewhere one line for
// all of them every few seconds. Nothing when `quiet`.
class LiveView {
 public:
  explicit LiveView(bool quiet);
  LiveView(const LiveView&) = delete;
  ~LiveView() { clear(); }

  void show(const LiveRun& run);
  void clear();                        // takes away what stands there
  void line(const std::string& text);  // a line that stays

 private:
  void rewrite(const LiveRun& run);
  void print_line(const LiveRun& run);

  const bool quiet_, terminal_;
  int lines_ = 0;           // that are on the terminal now
  int64_t shown_ns_ = 0;    // when
  std::string shown_name_;  // of which run
};

}  // namespace cotenant
