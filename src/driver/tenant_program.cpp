#include "driver/tenant_program.h"

#include <fcntl.h>

#include <algorithm>
#include <utility>

#include "base/clock.h"
#include "base/processes.h"
#include "process/pipe.h"

namespace cotenant {
namespace {

constexpr size_t kLongestLastLine = 500;
constexpr int kPipeBytes = 1 << 20;  // which the driver empties 50 times a second
constexpr int kLastReads = 100;      // more than what a pipe holds

}  // namespace

TenantProgram::TenantProgram(const TenantPlan& tenant, const std::filesystem::path& log) : tenant_(tenant), log_(log) {
  auto [reading, writing] = make_pipe("program");
  ::fcntl(writing.get(), F_SETPIPE_SZ, kPipeBytes);  // where it may not be so large, it is smaller
  output_ = PrintedOutput(std::move(reading));
  if (tenant.order.external()) {
    errors_ = std::move(writing);
    std::tie(input_, to_) = make_pipe("program");
    std::tie(from_, printed_) = make_pipe("program");
  } else if (tenant.order.is_wired()) {
    to_ = std::move(writing);
    std::tie(from_, printed_) = make_pipe("program");
  } else {
    printed_ = std::move(writing);
  }
}

std::vector<int> TenantProgram::wires() const {
  return from_ ? std::vector{from_.get(), to_.get()} : std::vector<int>();
}

void TenantProgram::close_wires() {
  from_.reset();
  to_.reset();
}

void TenantProgram::start(const std::string& executable, const Environment& environment, Keeper& keeper) {
  ProgramRequest request{.file = tenant_.program->file,
                         .command = tenant_.order.program(),
                         .environment = environment,
                         .cpus = tenant_.order.cpus,
                         .input = input_.get(),
                         .output = printed_.get(),
                         .error = errors_.get()};
  const Environment& own = tenant_.program->environment;
  request.environment.insert(request.environment.end(), own.begin(), own.end());
  program_.emplace(executable, request, keeper);
  for (Fd* end : {&input_, &printed_, &errors_}) end->reset();
  look();
}

void TenantProgram::read_output() {
  for (const std::string& line : output_.read([this](std::string_view bytes) { log_.append(bytes); }))
    if (!line.empty()) last_line_ = line.substr(0, kLongestLastLine);
}

std::optional<ExitStatus> TenantProgram::status() {
  const auto ended = program_ ? program_->status() : std::nullopt;
  for (int reads = 0; ended && output_.fd() >= 0 && reads < kLastReads && !is_drained_; ++reads) read_output();
  is_drained_ = ended.has_value();
  return ended;
}

std::optional<ExitStatus> TenantProgram::wait_until(int64_t until_ns) {
  if (program_) program_->wait_until(until_ns);
  return status();
}

void TenantProgram::end(double patience_s) {
  if (program_ && !std::exchange(told_to_end_, true)) program_->end(patience_s);
}

void TenantProgram::kill() {
  told_to_end_ = true;
  if (program_) program_->kill();
}

void TenantProgram::look() {
  now_.clear();
  if (!program_ || program_->status()) return;
  now_.insert(program_->pid());
  for (const pid_t pid : descendants_of(program_->pid())) now_.insert(pid);
  ever_.insert(now_.begin(), now_.end());
}

}  // namespace cotenant
