#include "cluster/devices.h"

#include <fmt/format.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <map>
#include <optional>

#include "base/affinity.h"
#include "base/printable.h"
#include "base/text.h"
#include "process/child.h"
#include "process/keeper.h"
#include "process/line_buffer.h"
#include "process/pipe.h"
#include "sharing/device.h"
#include "telemetry/nvml.h"
#include "telemetry/topology.h"

namespace cotenant {
namespace {

constexpr int kMostDevices = 256;

std::vector<std::string> parts_of(const std::string& list) {
  std::vector<std::string> parts;
  for (size_t from = 0; from <= list.size();) {
    const size_t comma = std::min(list.find(',', from), list.size());
    parts.push_back(list.substr(from, comma - from));
    from = comma + 1;
  }
  return parts;
}

std::vector<int> all_gpus() {
  std::vector<int> indices;
  try {
    for (; std::ssize(indices) < kMostDevices; indices.push_back(static_cast<int>(indices.size())))
      resolve_device(fmt::format("cuda:{}", indices.size()));
  } catch (const Error&) {  // one more than there are
    if (indices.empty()) throw;
  }
  return indices;
}

int index_in(const std::string& part) {
  int index = 0;
  const auto [end, error] = std::from_chars(part.data(), part.data() + part.size(), index);
  if (part.empty() || error != std::errc() || end != part.data() + part.size() || index < 0)
    throw usage_error(
        "--devices", fmt::format("expected all, or numbers of GPUs, found \"{}\"", part),
        "For example --devices all, --devices 0,1, or --devices cpu,cpu for two processes without a GPU.");
  return index;
}

WorkerDevice gpu(int index, const std::vector<int>& usable) {
  const std::string name = fmt::format("cuda:{}", index);
  resolve_device(name);
  WorkerDevice device{.label = fmt::format("GPU {}", index), .uuid = describe_device(name).uuid, .cpus = {}};
  Gap gap;
  const auto nvml = Nvml::open(gap);
  const auto found = nvml ? nvml->device_by_uuid(device.uuid) : std::nullopt;
  for (const int cpu : found ? found->physical().cpus() : std::vector<int>())
    if (std::ranges::binary_search(usable, cpu)) device.cpus.push_back(cpu);
  if (device.cpus.empty()) device.cpus = usable;
  return device;
}

// Those that have the same CPUs divide them.
void divide(std::vector<WorkerDevice>& devices) {
  std::map<std::vector<int>, std::vector<WorkerDevice*>> groups;
  for (WorkerDevice& device : devices) groups[device.cpus].push_back(&device);
  for (const auto& [cpus, members] : groups) {
    const auto shares = divided_cores(cores_of(cpus), members.size());
    for (size_t i = 0; i < shares.size(); ++i) members[i]->cpus = shares[i];
  }
}

// A process with what it says.
struct Running {
  std::string label;
  Child child;
  Fd output;
  LineBuffer lines = {};
  std::string last = "starting";
  std::optional<ExitStatus> ended = {};
};

Running start(const WorkerDevice& device, const DeviceWorkers& workers, Keeper& keeper) {
  auto [reading, writing] = make_pipe(device.label);
  SpawnRequest request{.executable = workers.executable, .arguments = workers.arguments};
  request.arguments.insert(request.arguments.end(), {"--on-device", device.uuid.empty() ? "cpu" : device.uuid});
  if (!device.uuid.empty()) request.environment.emplace_back("CUDA_VISIBLE_DEVICES", device.uuid);
  request.output = writing.get();
  const std::vector<int> before = affinity();
  set_affinity(device.cpus);
  Child child(request);
  set_affinity(before);
  keeper.watch(child.pid());
  return {.label = device.label, .child = std::move(child), .output = std::move(reading)};
}

class Board {
 public:
  Board() : terminal_(::isatty(STDERR_FILENO) == 1) {}

  // What stays: a run's end, a warning. The rest is progress.
  static bool stays(const std::string& line) {
    return line.starts_with("* ") || line.starts_with("cotenant:") || line.starts_with("warning:");
  }

  void line(const std::string& text) {
    clear();
    write(printable(text) + "\n");
  }

  void show(const std::vector<Running>& all) {
    if (!terminal_) return;
    clear();
    winsize size{};
    const size_t width = ::ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 1 ? size.ws_col - 1u : 79u;
    std::string text;
    for (const Running& one : all)
      text += printable(fmt::format("[{}] {}", one.label, one.last)).substr(0, width) + "\n";
    write(text);
    lines_ = all.size();
  }

  void clear() {
    if (lines_ > 0) write(fmt::format("\033[{}A\033[J", lines_));
    lines_ = 0;
  }

  bool terminal() const { return terminal_; }

 private:
  // Nothing is measured in this process: it may wait for its reader.
  static void write(const std::string& text) {
    for (size_t done = 0; done < text.size();) {
      const ssize_t written = ::write(STDERR_FILENO, text.data() + done, text.size() - done);
      if (written <= 0) return;
      done += static_cast<size_t>(written);
    }
  }

  const bool terminal_;
  size_t lines_ = 0;
};

void take_lines(Running& one, Board& board) {
  while (const auto line = one.lines.next()) {
    if (!board.terminal() || Board::stays(*line))
      board.line(fmt::format("[{}] {}", one.label, *line));
    else
      one.last = *line;
  }
}

// What a process has written since; its end closes the pipe.
void read_output(Running& one, Board& board) {
  char bytes[1 << 14];
  const ssize_t got = ::read(one.output.get(), bytes, sizeof bytes);
  if (got > 0) {
    one.lines.append({bytes, static_cast<size_t>(got)});
    take_lines(one, board);
  } else if (got == 0 || errno != EINTR) {
    one.output.reset();
  }
}

ExitCode code_of(const ExitStatus& status) {
  return status.code ? static_cast<ExitCode>(*status.code) : ExitCode::tenant_died;
}

}  // namespace

std::vector<std::vector<int>> divided_cores(const std::vector<std::vector<int>>& cores, size_t among) {
  std::vector<std::vector<int>> shares(among);
  for (size_t i = 0; i < among; ++i) {
    const bool enough = cores.size() >= among;
    const size_t from = enough ? i * cores.size() / among : 0,
                 to = enough ? (i + 1) * cores.size() / among : cores.size();
    for (size_t core = from; core < to; ++core)
      shares[i].insert(shares[i].end(), cores[core].begin(), cores[core].end());
    std::ranges::sort(shares[i]);
  }
  return shares;
}

std::vector<WorkerDevice> devices_named(const std::string& list) {
  const std::vector<int> usable = affinity();
  std::vector<WorkerDevice> devices;
  if (list == "all") {
    for (const int index : all_gpus()) devices.push_back(gpu(index, usable));
  } else {
    for (const std::string& part : parts_of(list)) {
      if (part == "cpu")
        devices.push_back({.label = fmt::format("CPU {}", devices.size()), .uuid = "", .cpus = usable});
      else
        devices.push_back(gpu(index_in(part), usable));
    }
  }
  for (size_t i = 0; i < devices.size(); ++i)
    for (size_t j = 0; j < i; ++j)
      if (!devices[i].uuid.empty() && devices[i].uuid == devices[j].uuid)
        throw usage_error("--devices", fmt::format("{} is named twice", devices[i].label),
                          "Two runs on one GPU would disturb each other.");
  divide(devices);
  return devices;
}

ExitCode run_device_workers(const DeviceWorkers& workers, SignalWatch& signals) {
  Keeper keeper(workers.executable);
  Board board;
  std::vector<Running> all;
  for (const WorkerDevice& device : workers.devices) all.push_back(start(device, workers, keeper));
  const auto open = [](const Running& one) { return static_cast<bool>(one.output) || !one.ended; };
  while (std::ranges::any_of(all, open)) {
    std::vector<pollfd> descriptors{{signals.fd(), POLLIN, 0}};
    for (const Running& one : all) descriptors.push_back({one.output.get(), POLLIN, 0});  // -1: is not looked at
    ::poll(descriptors.data(), descriptors.size(), 200);
    if (const auto number = signals.take())
      for (const Running& one : all)
        if (!one.ended) one.child.signal(*number);
    for (size_t i = 0; i < all.size(); ++i) {
      if (descriptors[i + 1].revents != 0) read_output(all[i], board);
      if (all[i].ended) continue;
      all[i].ended = all[i].child.status();
      if (!all[i].ended) continue;
      keeper.forget(all[i].child.pid());
      all[i].last = all[i].ended->text();
      if (!all[i].ended->code) board.line(fmt::format("[{}] {}", all[i].label, all[i].ended->text()));
    }
    board.show(all);
  }
  board.clear();
  for (const Running& one : all)
    if (!one.ended->clean()) return code_of(*one.ended);
  return ExitCode::valid;
}

}  // namespace cotenant
