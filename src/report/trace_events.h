#pragma once

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <functional>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "base/printable.h"

// The Trace Event Format, event by event:
// https://docs.google.com/document/d/1CvAClvFfyA5R-PhYUmn5OOQtYMH4h6I0nSsKchNAySU
namespace cotenant {

inline constexpr int run_pid = 1;  // the run itself; tenants follow

inline int pid_of(size_t tenant) {
  return run_pid + 1 + static_cast<int>(tenant);
}

inline std::string json_text(std::string_view text) {
  return printable_json(nlohmann::json(text).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace));
}

// Writes the list of events: their common fields, and the commas between them.
class EventWriter {
 public:
  // `origin_s`: what becomes time 0.
  EventWriter(const std::function<void(std::string_view)>& write, double origin_s)
      : write_(write), origin_s_(origin_s) {}

  void metadata(int pid, int tid, const char* what, const std::string& name) {
    begin();
    fmt::format_to(out(), R"({{"ph":"M","pid":{},"tid":{},"name":"{}","args":{{"name":{}}}}})", pid, tid, what,
                   json_text(name));
  }
  void sort_index(int pid) {
    begin();
    fmt::format_to(out(), R"({{"ph":"M","pid":{0},"tid":0,"name":"process_sort_index","args":{{"sort_index":{0}}}}})",
                   pid);
  }
  // A slice of a thread. `args` is a JSON object.
  void complete(int pid, int tid, const std::string& name, double start_s, double end_s, const char* category = "run",
                std::string_view args = "{}") {
    begin();
    fmt::format_to(out(), R"({{"ph":"X","pid":{},"tid":{},"cat":"{}","name":{},"ts":{:.3f},"dur":{:.3f},"args":{}}})",
                   pid, tid, category, json_text(name), microseconds(start_s), std::max(0.0, end_s - start_s) * 1e6,
                   args);
  }
  // An async slice; those of one id nest. `args` is a JSON object.
  void slice(int pid, int64_t id, const char* name, double start_s, double end_s, std::string_view args = "{}") {
    open(pid, id, name, start_s, args);
    close(pid, id, name, end_s);
  }
  void open(int pid, int64_t id, const char* name, double at_s, std::string_view args = "{}") {
    begin();
    fmt::format_to(
        out(),
        R"({{"ph":"b","pid":{0},"tid":{0},"cat":"request","id":"{0}.{1}","name":"{2}","ts":{3:.3f},"args":{4}}})", pid,
        id, name, microseconds(at_s), args);
  }
  void close(int pid, int64_t id, const char* name, double at_s) {
    begin();
    fmt::format_to(out(),
                   R"({{"ph":"e","pid":{0},"tid":{0},"cat":"request","id":"{0}.{1}","name":"{2}","ts":{3:.3f}}})", pid,
                   id, name, microseconds(at_s));
  }
  void instant(int pid, const char* name, double at_s) {
    begin();
    fmt::format_to(out(), R"({{"ph":"i","pid":{0},"tid":{0},"cat":"request","name":"{1}","ts":{2:.3f},"s":"t"}})", pid,
                   name, microseconds(at_s));
  }
  void counter(int pid, const std::string& name, const std::string& series, double at_s, double value) {
    if (!std::isfinite(value)) return;
    begin();
    fmt::format_to(out(), R"({{"ph":"C","pid":{},"tid":0,"name":{},"ts":{:.3f},"args":{{{}:{:.6g}}}}})", pid,
                   json_text(name), microseconds(at_s), json_text(series), value);
  }
  void flush() {
    write_(std::string_view(buffer_.data(), buffer_.size()));
    buffer_.clear();
  }

 private:
  fmt::appender out() { return fmt::appender(buffer_); }
  // A clock before the origin would be a defect of the files: it is drawn at the origin.
  double microseconds(double s) const { return std::max(0.0, s - origin_s_) * 1e6; }
  void begin() {
    if (buffer_.size() > 1 << 16) flush();
    buffer_.append(std::string_view(any_ ? ",\n" : "\n"));
    any_ = true;
  }

  const std::function<void(std::string_view)>& write_;
  double origin_s_;
  bool any_ = false;
  fmt::memory_buffer buffer_;
};

}  // namespace cotenant
