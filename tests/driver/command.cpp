#include "command.h"

#include <stdlib.h>
#include <unistd.h>

#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <sstream>

#include "base/clock.h"
#include "places.h"

namespace cotenant {
namespace {

namespace fs = std::filesystem;

std::string text_of(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

}  // namespace

void DriverTest::write(const std::string& name, const std::string& text) const {
  std::ofstream(root_ / name, std::ios::binary) << text;
}

std::string DriverTest::read(const fs::path& name) const {
  return text_of(root_ / name);
}

std::unique_ptr<Child> DriverTest::start(const std::string& arguments, const std::string& before) const {
  SpawnRequest request;
  request.executable = "/bin/sh";
  request.arguments = {
      "-c", "cd '" + root_.string() + "'; " + before + " exec " + binary() + " " + arguments + " >stdout 2>stderr"};
  return std::make_unique<Child>(request);
}

Finished DriverTest::finish(Child& child) const {
  const auto status = child.wait_until(now_ns() + s_to_ns(120));
  EXPECT_TRUE(status) << "still running after two minutes";
  return {status.value_or(ExitStatus()), read("stdout"), read("stderr")};
}

Finished DriverTest::run(const std::string& arguments, const std::string& before) const {
  return finish(*start(arguments, before));
}

ExperimentRecord DriverTest::record(const fs::path& directory) const {
  return record_from_json(read(directory / "experiment.json"), directory.string());
}

std::vector<Iteration> DriverTest::iterations(const fs::path& directory, const std::string& tenant) const {
  std::vector<Iteration> iterations;
  std::istringstream lines(read(directory / tenant / "events.jsonl"));
  for (std::string line; std::getline(lines, line);) {
    const auto json = nlohmann::json::parse(line);
    if (json.at("type") != "iteration") continue;
    Iteration iteration;
    iteration.iter = json.at("iter");
    iteration.latency_ms = json.at("latency_ms");
    iteration.scheduled_s = json.at("scheduled_s");
    iteration.start_s = json.at("start_s");
    iteration.end_s = json.at("end_s");
    if (json.contains("queue_ms")) iteration.queue_ms = json.at("queue_ms").get<double>();
    if (json.contains("ttft_ms")) iteration.ttft_ms = json.at("ttft_ms").get<double>();
    if (json.contains("tpot_ms")) iteration.tpot_ms = json.at("tpot_ms").get<double>();
    if (json.contains("token_s")) iteration.token_s = json.at("token_s").get<std::vector<double>>();
    iteration.tokens_in = json.at("tokens_in").get<int64_t>();
    iteration.tokens_out = json.at("tokens_out").get<int64_t>();
    iterations.push_back(iteration);
  }
  return iterations;
}

std::vector<pid_t> workers_of(pid_t driver) {
  std::vector<pid_t> workers;
  std::ifstream children("/proc/" + std::to_string(driver) + "/task/" + std::to_string(driver) + "/children");
  for (pid_t pid; children >> pid;) {
    std::ifstream file("/proc/" + std::to_string(pid) + "/cmdline");
    std::string command_line;
    std::getline(file, command_line);
    if (command_line.find(std::string("\0worker", 7)) != std::string::npos) workers.push_back(pid);
  }
  return workers;
}

bool eventually(const std::function<bool()>& condition, double seconds) {
  const int64_t until_ns = now_ns() + s_to_ns(seconds);
  while (!condition()) {
    if (now_ns() > until_ns) return false;
    sleep_until_ns(now_ns() + 10'000'000);
  }
  return true;
}

bool is_gone(pid_t pid) {
  std::ifstream file("/proc/" + std::to_string(pid) + "/stat");
  std::string stat;
  std::getline(file, stat);
  return stat.empty() || stat.substr(stat.rfind(')') + 2, 1) == "Z";
}

}  // namespace cotenant
