#include "driver/worker_process.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>

#include "process/pipe.h"

namespace cotenant {
namespace {

constexpr size_t kLongestLine = 1 << 18;  // of what is printed; reads of a turn are fewer
constexpr int kReads = 16;                // of a turn, so that a worker that never stops printing stops nobody

std::vector<EventRing> make_rings(size_t count) {
  std::vector<EventRing> rings;
  for (size_t i = 0; i < count; ++i) rings.push_back(EventRing::create());
  return rings;
}

// The worker has its ends of the socket and the pipe as 3, 1 and 2, and the rings as 4, 5, ...
Child start(const std::string& executable, int socket, int output, const std::vector<EventRing>& rings,
            const Environment& environment) {
  SpawnRequest request;
  request.executable = executable;
  request.arguments = {"worker"};
  request.environment = environment;
  request.inherited = {socket};
  for (const EventRing& ring : rings) request.inherited.push_back(ring.fd());
  request.output = output;
  return Child(request);
}

}  // namespace

WorkerProcess::WorkerProcess(const std::string& executable, const std::vector<TenantOrder>& tenants,
                             const Environment& environment, Keeper& keeper)
    : keeper_(&keeper), rings_(make_rings(tenants.size())), channel_(Fd()), child_([&] {
        auto [ours, theirs] = Channel::make_pair();
        auto [reading, writing] = make_pipe("worker");
        ::fcntl(reading.get(), F_SETFL, O_NONBLOCK);
        channel_ = std::move(ours);
        output_ = std::move(reading);
        return start(executable, theirs.fd(), writing.get(), rings_, environment);
      }()) {
  for (EventRing& ring : rings_) ring.close_fd();  // 256 tenants are to fit into 1024 open files
  keeper_->watch(child_.pid());
  send({"", command::Order{tenants}});
}

WorkerProcess::~WorkerProcess() {
  if (child_.pid() <= 0) return;  // moved from
  child_.kill();
  keeper_->forget(child_.pid());
}

std::vector<Report> WorkerProcess::receive() {
  std::vector<Report> reports;
  at_end_ = !channel_.fill() || at_end_;
  while (const auto line = channel_.next()) reports.push_back(report_from_json(*line));
  return reports;
}

std::vector<std::string> WorkerProcess::read_output() {
  char bytes[1 << 12];
  for (int reads = 0; reads < kReads && output_; ++reads) {
    const ssize_t got = ::read(output_.get(), bytes, sizeof bytes);
    if (got < 0 && errno == EINTR) continue;
    if (got == 0) {
      if (!lines_.rest().empty()) lines_.append("\n");
      output_.reset();
    }
    if (got <= 0) break;
    lines_.append({bytes, static_cast<size_t>(got)});
    if (lines_.waiting() > kLongestLine) lines_.append("\n");
  }
  std::vector<std::string> lines;
  while (auto line = lines_.next()) lines.push_back(std::move(*line));
  return lines;
}

std::optional<ExitStatus> WorkerProcess::end(int64_t until_ns) {
  send({"", command::Exit{}});
  const auto ended = child_.wait_until(until_ns);
  if (!ended) child_.kill();
  keeper_->forget(child_.pid());
  return ended;
}

}  // namespace cotenant
