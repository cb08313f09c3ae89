#include "sharing/mps.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <signal.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <exception>
#include <fstream>
#include <iterator>
#include <sstream>
#include <utility>

#include "base/clock.h"
#include "base/error.h"
#include "base/fd.h"
#include "base/find_program.h"
#include "base/open_file.h"
#include "base/processes.h"
#include "process/command.h"

namespace cotenant {
namespace {

namespace fs = std::filesystem;

constexpr const char* kControl = "nvidia-cuda-mps-control";
constexpr const char* kMemoryVariable = "CUDA_MPS_PINNED_DEVICE_MEM_LIMIT";
constexpr const char* kPriorityVariable = "CUDA_MPS_CLIENT_PRIORITY";
constexpr int64_t kReadyNs = 10'000'000'000;  // it takes 0.1 s; more only on a machine that is very busy
constexpr int64_t kAnswerNs = 2'000'000'000;  // to a question
constexpr int64_t kQuitNs = 1'000'000'000;    // it takes 0.1 s
constexpr int64_t kGiveUpNs = 4'000'000'000;
constexpr int64_t kPollNs = 10'000'000;

fs::path pipe_of(const fs::path& directory) {
  return directory / "pipe";
}

Environment environment_of(const fs::path& directory) {
  return {{"CUDA_MPS_PIPE_DIRECTORY", pipe_of(directory).string()},
          {"CUDA_MPS_LOG_DIRECTORY", (directory / "log").string()}};
}

SpawnRequest control_request(const fs::path& directory) {
  const auto program = find_program(kControl);
  if (!program)
    throw usage_error("sharing.mode mps", fmt::format("no {} on PATH", kControl),
                      "It belongs to the driver: install nvidia-cuda-mps or the driver's own package.");
  SpawnRequest request;
  request.executable = *program;
  request.environment = environment_of(directory);
  return request;
}

// What the daemon answers to a line; none: it does not.
std::optional<std::string> ask_control(const fs::path& directory, const std::string& line, int64_t patience_ns) {
  if (!find_program(kControl)) return std::nullopt;
  const auto result = run_command(control_request(directory), line + "\n", now_ns() + patience_ns);
  if (!result || !result->status.clean()) return std::nullopt;
  return result->output;
}

std::string read_all(const fs::path& file) {
  std::ifstream stream(file, std::ios::binary);
  return {std::istreambuf_iterator<char>(stream), {}};
}

// The daemon and its servers: MPS programs whose environment names this directory.
std::vector<pid_t> programs_of(const fs::path& directory) {
  std::vector<pid_t> pids;
  const std::string variable = "CUDA_MPS_PIPE_DIRECTORY=" + pipe_of(directory).string();
  for (const pid_t pid : all_processes()) {
    const fs::path process = fmt::format("/proc/{}", pid);
    if (!read_all(process / "comm").starts_with("nvidia-cuda-mps")) continue;
    std::istringstream environment(read_all(process / "environ"));
    for (std::string assignment; std::getline(environment, assignment, '\0');)
      if (assignment == variable) pids.push_back(pid);
  }
  return pids;
}

// Asks the daemon to leave, and kills what is still there after a second. What does not even then end (a process that
// waits for the hardware) is left. Throws nothing: this is also how a failed run ends.
void quit(const fs::path& directory) {
  const int64_t start_ns = now_ns();
  try {
    ask_control(directory, "quit", kQuitNs);
  } catch (const std::exception&) {  // it is killed, then
  }
  while (!programs_of(directory).empty() && now_ns() < start_ns + kGiveUpNs) {
    if (now_ns() >= start_ns + kQuitNs)
      for (const pid_t pid : programs_of(directory)) ::kill(pid, SIGKILL);
    sleep_until_ns(now_ns() + kPollNs);
  }
}

// The last lines of what the daemon wrote.
std::string end_of_log(const fs::path& directory) {
  const std::string text = read_all(directory / "output");  // in the foreground it logs there
  const size_t from = text.size() > 600 ? text.find('\n', text.size() - 600) : 0;
  return from == std::string::npos ? text : text.substr(from);
}

std::vector<std::string> quit_arguments(const fs::path& directory) {
  return {"mps-quit", directory.string()};
}

}  // namespace

std::string mps_problem() {
  return find_program(kControl) ? "" : fmt::format("no {} on PATH", kControl);
}

std::pair<std::string, std::string> mps_place_problem() {
  try {
    const TemporaryDirectory directory;
    const std::string longest = (pipe_of(directory.path()) / "control_privileged").string();
    if (longest.size() < sizeof(sockaddr_un::sun_path)) return {};
    return {fmt::format("the socket {} would have a name of {} bytes, and the kernel takes {}", longest, longest.size(),
                        sizeof(sockaddr_un::sun_path) - 1),
            "Set TMPDIR to a shorter path, such as /tmp."};
  } catch (const Error& error) {
    return {error.where() + ": " + error.message(), error.remedy()};
  }
}

Environment without_mps() {
  return {{"CUDA_MPS_PIPE_DIRECTORY", "/proc/cotenant/no-mps"}};
}

void be_no_mps_client() {
  for (const auto& [name, value] : without_mps()) ::setenv(name.c_str(), value.c_str(), 1);
  for (const char* limit : {mps_share_variable, kMemoryVariable, kPriorityVariable}) ::unsetenv(limit);
}

Environment mps_share_environment(std::optional<double> sm_percent, std::optional<int> priority,
                                  std::optional<uint64_t> memory_limit_bytes, int device) {
  Environment environment;
  if (sm_percent) environment.emplace_back(mps_share_variable, fmt::format("{:g}", *sm_percent));
  if (memory_limit_bytes)
    environment.emplace_back(kMemoryVariable,
                             fmt::format("{}={}M", device, std::max<uint64_t>(1, *memory_limit_bytes >> 20)));
  if (priority) environment.emplace_back(kPriorityVariable, *priority < 0 ? "1" : "0");
  return environment;
}

int mps_share_sms(double sm_percent, int sm_count) {
  return std::max(2, 2 * static_cast<int>(std::floor(sm_percent / 100 * sm_count / 2)));
}

MpsDaemon::MpsDaemon(Keeper& keeper, std::string device_uuid) : keeper_(keeper), device_uuid_(std::move(device_uuid)) {
  const fs::path& directory = directory_.path();
  fs::create_directory(pipe_of(directory));
  fs::create_directory(directory / "log");
  SpawnRequest request = control_request(directory);
  request.arguments = {"-f"};  // in the foreground: a child of ours
  request.environment = environment();
  const Fd output(::open((directory / "output").c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
  request.output = output.get();
  keeper_.at_end(quit_arguments(directory));
  const int64_t start_ns = now_ns();
  daemon_.emplace(request);
  // start_server, so that the server is there before the first client and not a part of its load.
  const std::string start_server = fmt::format("start_server -uid {}", ::getuid());
  while (!ask_control(directory, start_server, kAnswerNs) || servers().value_or(std::vector<pid_t>{}).empty()) {
    const auto ended = daemon_->status();
    if (ended || now_ns() > start_ns + kReadyNs) {
      const std::string what = ended ? "ended at once: " + ended->text() : "is not ready after 10 s";
      const std::string log = end_of_log(directory);
      stop();
      throw Error(ExitCode::internal, "sharing.mode mps", "the MPS daemon " + what + "\n" + log,
                  "See `cotenant doctor`; another mode may do: timeslice, streams, green.");
    }
    sleep_until_ns(now_ns() + kPollNs);
  }
  ready_s_ = ns_to_s(now_ns() - start_ns);
}

MpsDaemon::~MpsDaemon() {
  stop();
}

Environment MpsDaemon::environment() const {
  Environment environment = environment_of(directory_.path());
  if (!device_uuid_.empty()) environment.emplace_back("CUDA_VISIBLE_DEVICES", device_uuid_);
  return environment;
}

std::optional<std::vector<pid_t>> MpsDaemon::ask(const std::string& question) const {
  const auto answer = ask_control(directory_.path(), question, kAnswerNs);
  if (!answer) return std::nullopt;
  std::istringstream words(*answer);
  std::vector<pid_t> pids;
  for (pid_t pid; words >> pid;) pids.push_back(pid);
  return pids;
}

std::optional<std::vector<pid_t>> MpsDaemon::servers() const {
  return ask("get_server_list");
}

std::optional<std::vector<pid_t>> MpsDaemon::clients() const {
  const auto all_servers = servers();
  if (!all_servers) return std::nullopt;
  std::vector<pid_t> all;
  for (const pid_t server : *all_servers) {
    const auto some = ask(fmt::format("get_client_list {}", server));
    if (!some) return std::nullopt;
    all.insert(all.end(), some->begin(), some->end());
  }
  return all;
}

std::optional<std::string> MpsDaemon::death() {
  const auto ended = daemon_ ? daemon_->status() : std::nullopt;
  return ended ? std::optional(ended->text()) : std::nullopt;
}

double MpsDaemon::stop() {
  if (!daemon_) return 0;
  const int64_t start_ns = now_ns();
  quit(directory_.path());
  daemon_.reset();
  keeper_.not_at_end(quit_arguments(directory_.path()));
  return ns_to_s(now_ns() - start_ns);
}

int mps_quit_main(const fs::path& directory) {
  if (!is_temporary_directory(directory) || !is_real_directory(pipe_of(directory)))
    throw usage_error(directory.string(), "is no directory of an MPS daemon of cotenant's");
  ::signal(SIGPIPE, SIG_IGN);
  quit(directory);
  std::error_code failed;
  fs::remove_all(directory, failed);
  return failed ? static_cast<int>(ExitCode::internal) : 0;
}

}  // namespace cotenant
