#pragma once

#include <cstdint>
#include <string>

#include "cli/outlet.h"
#include "driver/experiment.h"

namespace cotenant {

// What a run says on standard error, without ever waiting for a reader (outlet.h): its progress, a line per tenant,
// rewritten in place on a terminal; elsewhere one line for all of them every few seconds. No progress when `quiet`.
class LiveView {
 public:
  explicit LiveView(bool quiet);
  LiveView(const LiveView&) = delete;
  ~LiveView();  // waits a little for a reader that is behind

  void show(const LiveRun& run);
  void clear();                           // takes away what stands there
  void line(const std::string& text);     // a line of progress that stays
  void message(const std::string& text);  // one line or several that are told also when quiet

 private:
  void rewrite(const LiveRun& run);
  void print_line(const LiveRun& run);

  const bool quiet_, terminal_;
  Outlet out_;
  int lines_ = 0;           // that are on the terminal now
  int64_t shown_ns_ = 0;    // when
  std::string shown_name_;  // of which run
};

}  // namespace cotenant
