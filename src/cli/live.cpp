#include "cli/live.h"

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>

#include "base/clock.h"
#include "base/printable.h"
#include "base/text.h"
#include "report/table.h"
#include "report/text.h"

namespace cotenant {
namespace {

constexpr int64_t kRewriteNs = 100'000'000;
constexpr int64_t kLineNs = 5'000'000'000;
constexpr int64_t kReaderPatienceNs = 5'000'000'000;
constexpr size_t kMostKeptBytes = 1 << 20;

size_t terminal_columns() {
  winsize size{};
  return ::ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 80;
}

std::string heading(const LiveRun& run) {
  std::string text = fmt::format("{}: {}", run.name, run.phase);
  if (run.phase == "run") {
    text += " " + format_duration_s(std::max(0.0, run.elapsed_s));
    if (run.min_duration_s > 0) text += " of at least " + format_duration_s(run.min_duration_s);
  }
  return text;
}

std::string count_of(const LiveTenant& tenant) {
  return fmt::format("{}/{}", tenant.completed, tenant.num_iters);
}

std::string speed_of(const LiveTenant& tenant) {
  if (!tenant.recent_ms) return "";
  return fmt::format("{} ms, {} tokens/s", format_ms(*tenant.recent_ms), format_count(tenant.tokens_per_s.value_or(0)));
}

}  // namespace

LiveView::LiveView(bool quiet)
    : quiet_(quiet), terminal_(::isatty(STDERR_FILENO) == 1), out_(STDERR_FILENO, kMostKeptBytes) {}

LiveView::~LiveView() {
  clear();
  out_.finish(kReaderPatienceNs);
}

void LiveView::show(const LiveRun& run) {
  if (quiet_) return;
  const bool is_new = run.name != shown_name_;
  const int64_t elapsed_ns = now_ns() - shown_ns_;
  if (!is_new && elapsed_ns < (terminal_ ? kRewriteNs : kLineNs)) return;
  if (out_.is_behind()) return;  // it would be old when it is read
  shown_ns_ = now_ns();
  shown_name_ = run.name;
  terminal_ ? rewrite(run) : print_line(run);
}

void LiveView::rewrite(const LiveRun& run) {
  clear();
  const size_t width = terminal_columns() - 1;  // a wrapped line could not be taken away
  size_t name_width = 0;
  for (const LiveTenant& tenant : run.tenants) name_width = std::max(name_width, tenant.name.size());
  std::string text = shortened(printable(heading(run)), width) + "\n";
  for (const LiveTenant& tenant : run.tenants) {
    const std::string line = fmt::format("  {:<{}}  {:<10}  {:>11}  {}", tenant.name, name_width, tenant.stage,
                                         count_of(tenant), speed_of(tenant));
    text += shortened(printable(line), width) + "\n";
  }
  lines_ = 1 + static_cast<int>(run.tenants.size());
  out_.put(text);
}

void LiveView::print_line(const LiveRun& run) {
  std::string text = heading(run);
  for (const LiveTenant& tenant : run.tenants)
    text += fmt::format("{} {} {}{}", &tenant == &run.tenants.front() ? ";" : ",", tenant.name,
                        tenant.completed > 0 ? count_of(tenant) : tenant.stage,
                        tenant.recent_ms ? fmt::format(" at {} ms", format_ms(*tenant.recent_ms)) : "");
  out_.put(printable(text) + "\n");
}

void LiveView::clear() {
  if (lines_ > 0) out_.put(fmt::format("\033[{}A\033[J", lines_));  // up, and erase to the end of the screen
  lines_ = 0;
}

void LiveView::line(const std::string& text) {
  if (!quiet_) message(text);
}

void LiveView::message(const std::string& text) {
  clear();
  out_.put(printable_lines(text) + "\n");
}

}  // namespace cotenant
