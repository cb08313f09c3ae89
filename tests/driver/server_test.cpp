#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include "base/clock.h"
#include "command.h"
#include "places.h"

// Tenants that are servers, against a real one that misbehaves on demand (tests/servers/bad_server.py).
namespace cotenant {
namespace {

using nlohmann::json;
using testing::HasSubstr;
using testing::Not;

class ServerTest : public DriverTest {
 protected:
  void serve(const std::string& options) {
    server_.reset();
    std::filesystem::remove(at("port"));
    SpawnRequest request;
    request.executable = "/bin/sh";
    request.arguments = {"-c", "exec python3 '" + source_dir() + "/tests/servers/bad_server.py' --port-file '" +
                                   at("port").string() + "' --log '" + at("served.jsonl").string() + "' " + options};
    server_ = std::make_unique<Child>(request);
    ASSERT_TRUE(eventually([&] { return !read("port").empty(); }));
    port_ = read("port");
  }

  // `of_server` and `of_tenant`: more keys, each with a comma in front.
  void configure(const std::string& of_server = "", const std::string& of_tenant = "",
                 const std::string& of_experiment = "", const std::string& scheme = "http") {
    write("s.yaml", "experiment_name: s\ndevice: cpu\nmin_duration_s: 0.1\nwarmup_s: 0\n" + of_experiment +
                        "tenants:\n  - {name: a, engine: server, model_name: m, seq_len: 12, num_warmup: 1, " +
                        "num_iters: 20" + of_tenant + ", server: {base_url: \"" + scheme + "://127.0.0.1:" + port_ +
                        "/v1\"" + of_server + "}}\n");
  }

  std::vector<json> served() const {
    std::vector<json> entries;
    std::istringstream lines(read("served.jsonl"));
    for (std::string line; std::getline(lines, line);) entries.push_back(json::parse(line));
    return entries;
  }

  std::vector<json> events(const std::string& directory = "data/s") const {
    std::vector<json> events;
    std::istringstream lines(read(directory + "/a/events.jsonl"));
    for (std::string line; std::getline(lines, line);)
      if (json event = json::parse(line); event.at("type") == "iteration") events.push_back(std::move(event));
    return events;
  }

  std::unique_ptr<Child> server_;
  std::string port_;
};

constexpr const char* kShort = ", max_new_tokens: 5";

// The server's own clock is the independent truth: one request at a time, so the order tells which is which.
TEST_F(ServerTest, TokensComeWhenTheServerSentThem) {
  serve("--gap-ms 3");
  configure("", kShort);
  const Finished finished = run("run s.yaml");
  EXPECT_EQ(finished.status.code, 0) << finished.err;
  const ExperimentRecord record = this->record("data/s");
  const TenantRecord& tenant = record.tenants.at(0);
  ASSERT_TRUE(tenant.served);
  EXPECT_EQ(tenant.served->prompts, "token ids");
  EXPECT_EQ(tenant.served->other_prompts, 0);
  EXPECT_EQ(tenant.served->counted_by_usage + tenant.served->counted_by_chunks, 0);
  const auto samples = iterations("data/s", "a");
  ASSERT_GE(samples.size(), 20u);
  EXPECT_EQ(tenant.served->counted_by_chunk_usage, std::ssize(samples));
  EXPECT_EQ(tenant.served->exact_prompts, std::ssize(samples));
  EXPECT_LE(tenant.served->connections, 1);
  const std::vector<json> entries = served();
  ASSERT_GE(entries.size(), samples.size());
  const size_t before = entries.size() - samples.size();  // of the first questions and the warm-up
  std::set<std::string> prompts;
  double earliest_t0_s = 0, latest_t0_s = 1e12;
  for (size_t i = 0; i < samples.size(); ++i) {
    const json& entry = entries[before + i];
    prompts.insert(entry.at("body").at("prompt").dump());
    EXPECT_EQ(entry.at("body").at("prompt").size(), 12u);
    EXPECT_EQ(samples[i].tokens_in, 12);
    EXPECT_EQ(samples[i].tokens_out, 5);
    const auto sent_ns = entry.at("sent_ns").get<std::vector<int64_t>>();
    ASSERT_EQ(sent_ns.size(), 5u);
    ASSERT_EQ(samples[i].token_s.size(), 5u);
    for (size_t token = 0; token < sent_ns.size(); ++token)
      earliest_t0_s = std::max(earliest_t0_s, ns_to_s(sent_ns[token]) - samples[i].token_s[token]);
    latest_t0_s = std::min(latest_t0_s, ns_to_s(entry.at("arrived_ns").get<int64_t>()) - samples[i].start_s.value());
    EXPECT_NEAR(samples[i].ttft_ms.value(), (samples[i].token_s[0] - *samples[i].scheduled_s) * 1e3, 1e-5);
    EXPECT_NEAR(samples[i].tpot_ms.value(), (samples[i].token_s[4] - samples[i].token_s[0]) * 1e3 / 4, 1e-5);
    EXPECT_LE(samples[i].token_s[4], samples[i].end_s.value());
  }
  EXPECT_EQ(prompts.size(), samples.size());
  // Both count by CLOCK_MONOTONIC, cotenant from T0. There must be one T0 by which no token is read before it was sent,
  // and no request arrives before it was sent.
  EXPECT_LE(earliest_t0_s, latest_t0_s);
}

TEST_F(ServerTest, ManyRequestsAreInFlightAndOutOfOrder) {
  serve("--gap-ms 5");
  configure("", std::string(kShort) + ", workload: {kind: poisson, rate: 400}, num_iters: 60");
  write("s.yaml", [&] {
    std::string text = read("s.yaml");
    return text.replace(text.find("num_iters: 20, "), 15, "");
  }());
  const Finished finished = run("run s.yaml");
  EXPECT_TRUE(finished.status.code == 0 || finished.status.code == 4) << finished.err;  // 4: a busy machine, sent late
  const auto samples = iterations("data/s", "a");
  ASSERT_GE(samples.size(), 60u);
  const ExperimentRecord record = this->record("data/s");
  EXPECT_EQ(record.tenants[0].engine_name(), "server");
  EXPECT_EQ(record.tenants[0].server()->max_in_flight, 1024);
  EXPECT_EQ(record.tenants[0].summary.failed, 0);
  size_t most = 0;
  for (const Iteration& one : samples) {
    EXPECT_GE(one.latency_ms, 25);
    most = std::max<size_t>(most, static_cast<size_t>(std::ranges::count_if(samples, [&](const Iteration& other) {
                              return *other.start_s <= *one.start_s && *one.start_s < *other.end_s;
                            })));
  }
  EXPECT_GT(most, 4u);
}

struct Misbehaviour {
  std::string mode, reason, said;
};

// As the cases below are named in CTest.
void PrintTo(const Misbehaviour& one, std::ostream* out) {
  *out << one.mode;
}

class MisbehavingServer : public ServerTest, public testing::WithParamInterface<Misbehaviour> {};

// The first few answers are good ones, so that it is known to work; none of what follows counts as a quick answer.
TEST_P(MisbehavingServer, EveryRequestSaysWhyItFailed) {
  serve("--mode " + GetParam().mode + " --good 6");
  configure(", timeout_s: 0.5", kShort, "max_duration_s: 1\n");
  const Finished finished = run("run s.yaml");
  EXPECT_EQ(finished.status.code, 4) << finished.err;
  const ExperimentRecord record = this->record("data/s");
  const TenantRecord& tenant = record.tenants.at(0);
  const std::vector<json> all = events();
  ASSERT_GT(all.size(), 0u);
  int64_t good = 0;
  for (const json& event : all) {
    if (event.at("status") == "ok") {
      ++good;
      continue;
    }
    EXPECT_EQ(event.at("status"), GetParam().mode == "429" ? "rejected" : "failed");
    EXPECT_EQ(event.at("reason"), GetParam().reason);
  }
  EXPECT_EQ(tenant.summary.completed, good);
  EXPECT_LE(good, 5);
  ASSERT_TRUE(tenant.served);
  ASSERT_EQ(tenant.served->faults.size(), 1u);
  EXPECT_EQ(tenant.served->faults[0].what, GetParam().reason);
  EXPECT_EQ(tenant.served->faults[0].count, std::ssize(all) - good);
  EXPECT_THAT(tenant.served->faults[0].example, HasSubstr(GetParam().said));
  EXPECT_THAT(finished.out + finished.err, HasSubstr(GetParam().mode == "429" ? "refused" : GetParam().reason));
  EXPECT_LT(all.size(), 400u);  // of a second in which nothing succeeds
}

INSTANTIATE_TEST_SUITE_P(
    All, MisbehavingServer,
    testing::Values(Misbehaviour{"400", "HTTP 400", "as it was told"},
                    Misbehaviour{"500", "HTTP 500", "as it was told"},
                    Misbehaviour{"429", "HTTP 429", "as it was told"}, Misbehaviour{"302", "HTTP 302", ""},
                    Misbehaviour{"hang", "timeout", ""}, Misbehaviour{"close", "unreachable", ""},
                    Misbehaviour{"die", "unreachable", ""}, Misbehaviour{"early", "closed early", ""},
                    Misbehaviour{"garbage", "malformed answer", "no JSON"},
                    Misbehaviour{"endless_line", "malformed answer", "longer than 1 MiB"},
                    Misbehaviour{"no_stream", "malformed answer", "no stream"},
                    Misbehaviour{"error", "error in the answer", "out of memory"},
                    Misbehaviour{"empty", "empty answer", ""}, Misbehaviour{"endless", "endless answer", ""},
                    Misbehaviour{"endless_status", "unreachable", "does not end"},
                    Misbehaviour{"endless_header", "closed early", "does not end"},
                    Misbehaviour{"endless_headers", "closed early", "headers"},
                    Misbehaviour{"false_chunk", "closed early", "chunk"},
                    Misbehaviour{"compressed", "malformed answer", "longer than 1 MiB"}),
    [](const auto& info) { return "Mode_" + info.param.mode; });

struct Oddity {
  std::string mode;
  int64_t times;  // of tokens that are known
};

void PrintTo(const Oddity& one, std::ostream* out) {
  *out << one.mode;
}

class OddServer : public ServerTest, public testing::WithParamInterface<Oddity> {};

// Unusual, and right all the same.
TEST_P(OddServer, IsUnderstood) {
  serve("--mode " + GetParam().mode);
  configure("", kShort);
  const Finished finished = run("run s.yaml");
  EXPECT_EQ(finished.status.code, 0) << finished.err;
  const auto samples = iterations("data/s", "a");
  ASSERT_GE(samples.size(), 20u);
  const ExperimentRecord record = this->record("data/s");
  const ServerRecord& served = record.tenants[0].served.value();
  for (const Iteration& one : samples) {
    EXPECT_EQ(std::ssize(one.token_s), GetParam().times);
    EXPECT_EQ(one.tpot_ms.has_value(), GetParam().mode != "one_chunk");  // all at once is no pace
    EXPECT_GT(one.ttft_ms.value(), 0);
    EXPECT_EQ(one.tokens_out, 5);
  }
  const bool says_nothing = GetParam().mode == "no_usage";
  EXPECT_EQ(served.counted_by_chunks, says_nothing ? std::ssize(samples) : 0);
  EXPECT_EQ(served.counted_by_usage,
            GetParam().mode == "usage_last" || GetParam().mode == "bad_utf8" ? std::ssize(samples) : 0);
  EXPECT_EQ(finished.err.find("came without usage") != std::string::npos, says_nothing);
}

INSTANTIATE_TEST_SUITE_P(All, OddServer,
                         testing::Values(Oddity{"crlf", 5}, Oddity{"split", 5}, Oddity{"bad_utf8", 5},
                                         Oddity{"no_usage", 5}, Oddity{"usage_last", 5}, Oddity{"one_chunk", 5},
                                         Oddity{"no_done", 5}, Oddity{"cut_done", 5}),
                         [](const auto& info) { return "Mode_" + info.param.mode; });

TEST_F(ServerTest, WordsWhereItTakesNoIds) {
  serve("--words-only --overhead 4");
  configure("", kShort);
  const Finished finished = run("run s.yaml");
  EXPECT_EQ(finished.status.code, 0) << finished.err;
  const ServerRecord served = record("data/s").tenants[0].served.value();
  EXPECT_EQ(served.prompts, "words");
  EXPECT_EQ(served.other_prompts, 0);
  const auto prompt = this->served().back().at("body").at("prompt").get<std::string>();
  EXPECT_EQ(std::ranges::count(prompt, ' '), 12 - 4 - 1);
}

TEST_F(ServerTest, IsAskedNothingThatItDoesNotKnow) {
  serve("--words-only --strict");
  configure("", kShort);
  const Finished finished = run("run s.yaml");
  EXPECT_EQ(finished.status.code, 0) << finished.err;
  const json last = served().back().at("body");
  EXPECT_FALSE(last.contains("stream_options"));
  EXPECT_FALSE(last.contains("ignore_eos"));
  EXPECT_THAT(finished.err, HasSubstr("how many tokens its prompts of words have is not known"));
}

// A port that was free a moment ago.
int free_port() {
  const int socket = ::socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  EXPECT_EQ(::bind(socket, reinterpret_cast<sockaddr*>(&address), size), 0);
  ::getsockname(socket, reinterpret_cast<sockaddr*>(&address), &size);
  ::close(socket);
  return ntohs(address.sin_port);
}

TEST_F(ServerTest, IsStartedByItsCommandAndEndsWithTheRun) {
  port_ = std::to_string(free_port());
  const std::string command = ", command: [python3, '" + source_dir() + "/tests/servers/bad_server.py', --port, '" +
                              port_ + "', --port-file, port, --log, served.jsonl";
  configure("", kShort + command + "]");
  const Finished finished = run("run s.yaml --baselines");
  EXPECT_EQ(finished.status.code, 0) << finished.err;
  EXPECT_GE(iterations("data/s", "a").size(), 20u);
  EXPECT_GE(served().size(), 20u);
  EXPECT_TRUE(std::filesystem::exists(at("data/s/a/program.log")));
  EXPECT_EQ(record("data/s").tenants[0].server()->command.front(), "python3");
  const std::string gone = "exec 3<>/dev/tcp/127.0.0.1/" + port_;
  EXPECT_NE(::system(("bash -c '" + gone + "' 2>/dev/null").c_str()), 0);  // nobody listens there any more

  configure("", kShort + command + ", --mode, die, --good, '10']");
  const Finished died = run("run s.yaml --set experiment_name=d");
  EXPECT_EQ(died.status.code, 3);
  EXPECT_THAT(died.err, HasSubstr("its program ended: exit code 1"));

  configure("", kShort + command + ", --no-such-option]");
  const Finished refused = run("run s.yaml --set experiment_name=n");
  EXPECT_EQ(refused.status.code, 3);
  EXPECT_THAT(refused.err, HasSubstr("unrecognized arguments: --no-such-option"));

  serve("--port " + port_);
  configure("", kShort + command + "]");
  const Finished busy = run("run s.yaml --set experiment_name=b");
  EXPECT_EQ(busy.status.code, 2);
  EXPECT_THAT(busy.err, HasSubstr("somebody else listens there already"));
}

TEST_F(ServerTest, ChatAndEmbeddings) {
  serve("");
  configure(", api: chat", kShort);
  EXPECT_EQ(run("run s.yaml").status.code, 0) << read("stderr");
  const ExperimentRecord chat = record("data/s");
  EXPECT_EQ(chat.tenants[0].served->prompts, "words");
  EXPECT_EQ(chat.tenants[0].served->other_prompts, 0);  // the template's tokens are known
  EXPECT_EQ(served().back().at("path"), "/v1/chat/completions");

  configure(", api: embeddings", ", batch_size: 3");
  EXPECT_EQ(run("run s.yaml --set experiment_name=e").status.code, 0) << read("stderr");
  const ExperimentRecord embeddings = record("data/e");
  EXPECT_EQ(embeddings.tenants[0].task, Task::forward);
  EXPECT_EQ(embeddings.tenants[0].served->exact_prompts, embeddings.tenants[0].summary.completed);
  EXPECT_EQ(served().back().at("body").at("input").size(), 3u);
  for (const Iteration& one : iterations("data/e", "a")) EXPECT_EQ(one.tokens_in, 36);
}

TEST_F(ServerTest, LengthsAreThoseOfTheTrace) {
  serve("--gap-ms 0.2");
  std::string trace = "timestamp,input_tokens,output_tokens\n";
  for (int i = 0; i < 30; ++i)
    trace += std::to_string(i * 0.02) + "," + std::to_string(3 + i) + "," + std::to_string(1 + i % 7) + "\n";
  write("trace.csv", trace);
  configure("", "");
  std::string text = read("s.yaml");
  text.replace(text.find("seq_len: 12"), 11,
               "workload: {kind: trace, path: trace.csv, input_tokens: trace, output_tokens: trace}");
  write("s.yaml", text);
  const Finished finished = run("run s.yaml");
  EXPECT_TRUE(finished.status.code == 0 || finished.status.code == 4) << finished.err;  // 4: a busy machine, sent late
  const TenantRecord tenant = record("data/s").tenants[0];
  EXPECT_EQ(tenant.seq_len, 32);
  EXPECT_EQ(tenant.max_new_tokens, 7);
  EXPECT_EQ(tenant.served->other_prompts, 0);
  const auto samples = iterations("data/s", "a");
  ASSERT_GE(samples.size(), 20u);
  for (const Iteration& one : samples) {
    EXPECT_EQ(one.tokens_in, 3 + one.iter);
    EXPECT_EQ(one.tokens_out, 1 + one.iter % 7);
    EXPECT_EQ(std::ssize(one.token_s), 1 + one.iter % 7);
  }
}

TEST_F(ServerTest, LengthsAreDrawnFromTheSeed) {
  serve("--gap-ms 0.2");
  const auto lengths = [&](const std::string& name) {
    configure("", "");
    std::string text = read("s.yaml");
    text.replace(text.find("seq_len: 12"), 11,
                 "workload: {kind: closed, input_tokens: {kind: uniform, least: 4, most: 40}, output_tokens: {kind: "
                 "lognormal, mean: 6, cv: 0.6, least: 2, most: 12}}");
    write("s.yaml", text);
    EXPECT_EQ(run("run s.yaml --set experiment_name=" + name).status.code, 0) << read("stderr");
    std::vector<std::pair<int64_t, int64_t>> lengths;
    for (const Iteration& one : iterations("data/" + name, "a"))
      if (one.iter < 20) lengths.emplace_back(one.tokens_in.value(), one.tokens_out.value());
    return lengths;
  };
  const auto first = lengths("one"), second = lengths("two");
  EXPECT_EQ(first, second);
  std::set<int64_t> in, out;
  for (const auto& [prompt, answer] : first) {
    EXPECT_TRUE(prompt >= 4 && prompt <= 40 && answer >= 2 && answer <= 12);
    in.insert(prompt);
    out.insert(answer);
  }
  EXPECT_GT(in.size(), 5u);
  EXPECT_GT(out.size(), 3u);
}

TEST_F(ServerTest, WaitsUntilItIsReady) {
  serve("--ready-after-s 1");
  configure("", kShort);
  EXPECT_EQ(run("run s.yaml").status.code, 0) << read("stderr");
  for (const json& entry : served()) EXPECT_EQ(entry.at("mode"), "ok");
}

TEST_F(ServerTest, ADeadServerEndsTheRunWithOneMessage) {
  serve("--mode die --good 10");
  configure("", std::string(kShort) + ", workload: {kind: closed, concurrency: 4}");
  const Finished finished = run("run s.yaml");
  EXPECT_EQ(finished.status.code, 3);
  EXPECT_THAT(finished.err, HasSubstr("the server has not answered for 3 s"));
  const std::vector<json> all = events("data/s.incomplete");
  EXPECT_LT(all.size(), 1000u);  // no busy loop
  EXPECT_GT(std::ranges::count_if(all, [](const json& event) { return event.at("status") == "failed"; }), 3);
}

TEST_F(ServerTest, WhatCannotBeAskedIsSaidBeforeAnythingIsMeasured) {
  const auto refused = [&](const std::string& what) {
    const Finished finished = run("run s.yaml");
    EXPECT_NE(finished.status.code, 0);
    EXPECT_THAT(finished.err, HasSubstr(what));
  };
  port_ = "1";
  configure(", ready_timeout_s: 0.3", kShort);
  refused("was not ready within 0.3 s: unreachable");
  serve("--mode 302");
  configure("", kShort);
  refused("redirects (HTTP 302), which is not followed");
  serve("--ready-after-s 100");
  configure(", ready_timeout_s: 0.3", kShort);
  refused("was not ready within 0.3 s: HTTP 503");
  serve("--mode 404");
  configure("", kShort);
  refused("a first request failed: HTTP 404 (as it was told)");
  serve("--words-only");
  configure(", prompt: tokens", kShort);
  refused("prompt must be text");
  configure(", api_key_env: COTENANT_TEST_NO_KEY", kShort);
  refused("the environment variable COTENANT_TEST_NO_KEY is not set");
}

TEST_F(ServerTest, TheKeyIsSentAndKeptNowhere) {
  serve("--key sesame-4711");
  configure("", kShort);
  EXPECT_THAT(run("run s.yaml").err, HasSubstr("server.api_key_env"));
  configure(", api_key_env: COTENANT_TEST_KEY", kShort);
  const Finished finished = run("run s.yaml", "export COTENANT_TEST_KEY=sesame-4711;");
  EXPECT_EQ(finished.status.code, 0) << finished.err;
  const std::string everything = finished.out + finished.err + read("data/s/experiment.json") +
                                 read("data/s/a/events.jsonl") + read("data/s/config.yaml");
  EXPECT_THAT(everything, HasSubstr("COTENANT_TEST_KEY"));
  EXPECT_THAT(everything, Not(HasSubstr("sesame")));
}

// One header of HTTP a line: a key with a line break would be two. It is a secret, and so it is not shown.
TEST_F(ServerTest, AKeyThatIsNoKeyIsRefusedBeforeAnything) {
  serve("");
  configure(", api_key_env: COTENANT_TEST_KEY", kShort);
  for (const char* key :
       {"sesame\\nX-Evil: 1", "sesame\\r", " sesame", "ses\\tame", "ses\\033[2Jame", "s\\303\\251same"}) {
    const Finished finished = run("run s.yaml", fmt::format("export COTENANT_TEST_KEY=\"$(printf '{}_' '')\";", key));
    EXPECT_EQ(finished.status.code, 2) << key;
    EXPECT_THAT(finished.err, HasSubstr("the environment variable COTENANT_TEST_KEY holds")) << key;
    EXPECT_THAT(finished.err, HasSubstr("tr -d")) << key;
    EXPECT_THAT(finished.err, Not(HasSubstr("ame_"))) << key;
    EXPECT_FALSE(std::filesystem::exists(at("data/s.incomplete"))) << key;
  }
}

TEST_F(ServerTest, CertificatesAreChecked) {
  const std::string make = "cd '" + at("").string() +
                           "' && openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 "
                           "-keyout key.pem -out cert.pem -subj /CN=localhost -addext subjectAltName=IP:127.0.0.1 "
                           "2>openssl.err && cat cert.pem key.pem >both.pem";
  ASSERT_EQ(::system(make.c_str()), 0) << read("openssl.err");
  serve("--cert '" + at("both.pem").string() + "'");
  configure("", kShort, "", "https");
  const Finished refused = run("run s.yaml");
  EXPECT_EQ(refused.status.code, 3);
  EXPECT_THAT(refused.err, HasSubstr("its certificate was not accepted"));
  const Finished trusted = run("run s.yaml", "export SSL_CERT_FILE='" + at("cert.pem").string() + "';");
  EXPECT_EQ(trusted.status.code, 0) << trusted.err;
}

}  // namespace
}  // namespace cotenant
