#include "driver/worker_process.h"

#include "driver/ring_size.h"
#include "process/pipe.h"

namespace cotenant {
namespace {

std::vector<EventRing> make_rings(const std::vector<TenantOrder>& tenants, size_t in_all) {
  std::vector<EventRing> rings;
  for (const TenantOrder& tenant : tenants) rings.push_back(EventRing::create(ring_words(tenant, in_all)));
  return rings;
}

// The worker has its ends of the socket and the pipe as 3, 1 and 2, the rings as 4, 5, ..., and behind them the wires.
Child start(const std::string& executable, int socket, int output, const std::vector<EventRing>& rings,
            const std::vector<int>& wires, const Environment& environment) {
  SpawnRequest request;
  request.executable = executable;
  request.arguments = {"worker"};
  request.environment = environment;
  request.inherited = {socket};
  for (const EventRing& ring : rings) request.inherited.push_back(ring.fd());
  request.inherited.insert(request.inherited.end(), wires.begin(), wires.end());
  request.output = output;
  return Child(request);
}

}  // namespace

WorkerProcess::WorkerProcess(const std::string& executable, const std::vector<TenantOrder>& tenants, size_t in_all,
                             const std::vector<int>& wires, const Environment& environment, Keeper& keeper)
    : keeper_(&keeper), rings_(make_rings(tenants, in_all)), channel_(Fd()), child_([&] {
        auto [ours, theirs] = Channel::make_pair();
        auto [reading, writing] = make_pipe("worker");
        channel_ = std::move(ours);
        output_ = PrintedOutput(std::move(reading));
        return start(executable, theirs.fd(), writing.get(), rings_, wires, environment);
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

std::optional<ExitStatus> WorkerProcess::end(int64_t until_ns) {
  send({"", command::Exit{}});
  const auto ended = child_.wait_until(until_ns);
  if (!ended) child_.kill();
  keeper_->forget(child_.pid());
  return ended;
}

}  // namespace cotenant
