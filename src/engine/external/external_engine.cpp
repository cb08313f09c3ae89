#include "engine/external/external_engine.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <iterator>
#include <limits>
#include <nlohmann/json.hpp>
#include <utility>

#include "base/clock.h"
#include "base/error.h"
#include "base/overloaded.h"
#include "base/printable.h"

namespace cotenant {
namespace {

constexpr int64_t kNever = std::numeric_limits<int64_t>::max();
constexpr int64_t kMostToldFailures = 3;

nlohmann::ordered_json load_order(const ExternalOptions& options) {
  return {{"type", "load"},
          {"model", options.model},
          {"weights", options.weights},
          {"task", options.max_new_tokens > 0 ? "generate" : "forward"},
          {"batch_size", options.rows},
          {"seq_len", options.seq_len},
          {"max_new_tokens", options.max_new_tokens},
          {"dtype", to_string(options.dtype)},
          {"device", options.device},
          {"threads", options.threads},
          {"wait", options.spin ? "spin" : "block"},
          {"concurrency", options.concurrency},
          {"seed", options.seed}};
}

[[noreturn]] void refuse_message(const std::string& what) {
  throw usage_error("", "its program " + what, "docs/external.md tells which message is expected when.");
}

}  // namespace

ExternalEngine::ExternalEngine(ExternalOptions options, Fd from, Fd to)
    : options_(std::move(options)), wire_(std::move(from), std::move(to), options_.spin) {}

ExternalEngine::~ExternalEngine() {
  try {
    wire_.send("{\"type\":\"stop\"}\n");
  } catch (const Error&) {  // it has ended already
  }
}

// The answer to what was sent last.
template <class What>
What ExternalEngine::expect() {
  for (;;) {
    if (const auto line = wire_.next()) {
      const external::Message message = external::parse_message(*line);
      if (const auto* what = std::get_if<What>(&message)) return *what;
      if (const auto* trouble = std::get_if<external::Trouble>(&message)) throw usage_error("", trouble->error);
      refuse_message(
          fmt::format("said {} where {} was expected", external::type_of(message), external::type_of(What{})));
    }
    wire_.wait(kNever);
  }
}

void ExternalEngine::load() {
  wire_.send(fmt::format("{{\"type\":\"hello\",\"version\":{}}}\n", external::protocol_version));
  if (const external::Hello hello = expect<external::Hello>(); hello.version != external::protocol_version)
    refuse_message(fmt::format("speaks version {} of the protocol, not {}", hello.version, external::protocol_version));
  wire_.send(load_order(options_).dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + "\n");
  loaded_ = expect<external::Loaded>();
  in_work_.reserve(static_cast<size_t>(loaded_.capacity));
}

void ExternalEngine::warm() {
  wire_.send("{\"type\":\"warm\"}\n");
  expect<external::Warm>();
}

std::optional<MemoryNeed> ExternalEngine::memory_needed() const {
  return MemoryNeed{.weights_bytes = loaded_.weights_bytes, .activation_bytes = loaded_.activation_bytes};
}

std::optional<Vocabulary> ExternalEngine::vocabulary() const {
  if (loaded_.vocab_size == 0) return std::nullopt;
  return Vocabulary{.size = loaded_.vocab_size, .pad_token = loaded_.pad_token};
}

// Once: requests use it from its first token on, as many as they need.
void ExternalEngine::send_input(std::span<const int32_t> tokens) {
  if (tokens.empty() || (tokens.data() == input_.data() && tokens.size() <= input_.size())) return;
  line_ = "{\"type\":\"input\",\"tokens\":[";
  for (const int32_t& token : tokens)
    fmt::format_to(std::back_inserter(line_), "{}{}", &token == tokens.data() ? "" : ",", token);
  line_ += "]}\n";
  wire_.send(line_);
  input_ = tokens;
}

bool ExternalEngine::submit(const Request& request) {
  if (in_work_.size() == static_cast<size_t>(loaded_.capacity)) return false;
  send_input(request.tokens);
  const int64_t number = sent_++;
  in_work_.push_back({.number = number,
                      .id = request.id,
                      .most_tokens = request.max_new_tokens,
                      .has_begun = false,
                      .tokens = std::vector<int>(static_cast<size_t>(request.rows))});
  line_.clear();
  fmt::format_to(std::back_inserter(line_),
                 "{{\"type\":\"request\",\"id\":{},\"rows\":{},\"seq_len\":{},\"max_new_tokens\":{}}}\n", number,
                 request.rows, request.seq_len, request.max_new_tokens);
  wire_.send(line_);
  return true;
}

std::span<const Progress> ExternalEngine::step(int64_t until_ns) {
  progress_.clear();
  for (;;) {
    while (const auto line = wire_.next()) note(external::parse_message(*line), wire_.came_ns());
    if (!progress_.empty() || now_ns() >= until_ns) return progress_;
    wire_.wait(until_ns);
  }
}

ExternalEngine::InWork& ExternalEngine::in_work(int64_t number, std::string_view type) {
  const auto found = std::ranges::find(in_work_, number, &InWork::number);
  if (found == in_work_.end())
    refuse_message(fmt::format("said {} of request {}, which it does not have", type, number));
  return *found;
}

void ExternalEngine::note(const external::Message& message, int64_t at_ns) {
  std::visit(
      Overloaded{
          [&](const external::Token& token) { note_token(token, at_ns); },
          [&](const external::Started& started) {
            InWork& request = in_work(started.id, "started");
            if (std::exchange(request.has_begun, true))
              refuse_message(fmt::format("said started of request {} after it had begun", started.id));
            progress_.push_back({.id = request.id, .status = Status::started, .at_ns = at_ns});
          },
          [&](const external::Done& done) {
            const InWork& request = in_work(done.id, "done");
            if (request.most_tokens > 0 && std::ranges::count(request.tokens, 0) > 0)
              refuse_message(fmt::format("said done of request {} without a token of each row", done.id));
            note_end(done.id, "done",
                     {.status = Status::done, .at_ns = at_ns, .gpu_ms = static_cast<float>(done.gpu_ms.value_or(-1))});
          },
          [&](const external::Rejected& rejected) {
            note_end(rejected.id, "rejected", {.status = Status::rejected, .at_ns = at_ns});
          },
          [&](const external::Failed& failed) {
            note_end(failed.id, "failed", {.status = Status::failed, .fault = Fault::said, .at_ns = at_ns});
            if (++told_failures_ <= kMostToldFailures)
              std::fputs(fmt::format("request {} failed: {}\n", failed.id, printable(failed.error)).c_str(), stderr);
          },
          [](const external::Trouble& trouble) { throw usage_error("", trouble.error); },
          [&](const auto&) {
            refuse_message(fmt::format("said {} where none was expected", external::type_of(message)));
          }},
      message);
}

void ExternalEngine::note_token(const external::Token& token, int64_t at_ns) {
  InWork& request = in_work(token.id, "token");
  request.has_begun = true;
  const int rows = static_cast<int>(request.tokens.size());
  if (token.row >= rows || (token.row < 0 && !token.tokens.empty() && static_cast<int>(token.tokens.size()) != rows))
    refuse_message(fmt::format("said token of request {} for rows that it does not have", token.id));
  for (int row = std::max(0, token.row); row < (token.row < 0 ? rows : token.row + 1); ++row) {
    int& count = request.tokens[static_cast<size_t>(row)];
    if (token.count > request.most_tokens - count)
      refuse_message(fmt::format("gave more tokens of request {} than were asked for, which are {} of each row",
                                 token.id, request.most_tokens));
    count += token.count;
    Progress progress{.id = request.id, .status = Status::token, .row = row, .count = token.count, .at_ns = at_ns};
    if (token.row < 0) {
      if (!token.tokens.empty()) progress.token = token.tokens[static_cast<size_t>(row)];
      progress_.push_back(progress);
      continue;
    }
    progress.count = token.tokens.empty() ? token.count : 1;
    if (token.tokens.empty()) progress_.push_back(progress);
    for (const int32_t id : token.tokens) {
      progress.token = id;
      progress_.push_back(progress);
    }
  }
}

void ExternalEngine::note_end(int64_t number, std::string_view type, Progress progress) {
  InWork& request = in_work(number, type);
  progress.id = request.id;
  progress_.push_back(progress);
  std::swap(request, in_work_.back());
  in_work_.pop_back();
}

}  // namespace cotenant
