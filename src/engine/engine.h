#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/dtype.h"
#include "engine/fault.h"

// What executes requests. An engine knows no tenant, no experiment, no file and no traffic.
namespace cotenant {

// One batch: `rows` sequences of equal length, all of them at once. Its lengths are its own.
struct Request {
  uint64_t id = 0;                       // of no other request in flight
  int64_t iter = 0;                      // its number in the workload; negative: of a warm-up
  std::span<const int32_t> tokens = {};  // rows x seq_len; must stay valid until done. Empty: the engine makes its own
  int rows = 0;
  int seq_len = 0;           // tokens of a sequence
  int max_new_tokens = 0;    // 0: one forward pass
  int64_t scheduled_ns = 0;  // when it should have been sent
};

enum class Status : uint8_t {
  started,
  waited,  // started, after a wait in the engine that is not its service
  token,
  done,
  rejected,
  failed
};

struct Progress {
  uint64_t id = 0;
  Status status = Status::started;
  int32_t row = 0;            // of `token`: its sequence in the batch
  int32_t token = 0;          // of `token`: the id, where the engine knows it
  int32_t count = 1;          // of `token`: how many of that row came at once
  Fault fault = Fault::none;  // of `failed` and `rejected`: why, where the engine knows it
  // Of `done`: tokens of the whole request, where the engine counted others than were asked for and reported; negative:
  // it did not.
  int32_t tokens_in = -1, tokens_out = -1;
  int64_t at_ns = 0;  // CLOCK_MONOTONIC, when the host knew it
  float gpu_ms = -1;  // of `done`: between events on the device around the work; negative where there is no such clock
};

struct MemoryNeed {
  size_t weights_bytes = 0;
  size_t activation_bytes = 0;  // buffers, KV cache and workspace
  size_t total() const { return weights_bytes + activation_bytes; }
};

// Of the token ids of an input.
struct Vocabulary {
  int64_t size = 0;
  int64_t pad_token = -1;  // which an input has not; negative: none
};

// What an engine of known cost measured in prepare(): what one request is, and how long it takes alone.
struct Calibration {
  std::string unit;             // of the rate: "GFLOP/s", "GB/s", "launches/s"
  double work_per_request = 0;  // in that unit times seconds
  double service_ms = 0;        // of a request with the device otherwise idle
  int footprint_sms = 0;        // multiprocessors that a request occupies
  double rate() const { return work_per_request / (service_ms * 1e-3); }
};

// What a server was asked and how it answered, from T0 on: requests with a negative `iter` do not count.
struct ServerFacts {
  struct FaultCount {
    Fault fault = Fault::none;
    int64_t count = 0;
    std::string example;  // what the first one said, in one line; may be empty
  };
  std::string prompts;                                 // "token ids", "words"
  int64_t exact_prompts = 0, other_prompts = 0;        // by the server's own count of tokens, of answers that had one
  int64_t per_chunk = 0, by_usage = 0, by_chunks = 0;  // answers, by what their tokens were counted from
  int64_t tokens_asked = 0;                            // of complete answers
  int64_t chunks = 0, tokens = 0;                      // with text, and what was in them, of complete answers
  int64_t connections = 0;                             // that were opened
  std::vector<FaultCount> faults;
};

// One per tenant, called by that tenant's thread only, in this order: load, prepare, warm, then submit and step.
class Engine {
 public:
  virtual ~Engine() = default;

  // Before load; none where it is not for the engine to know.
  virtual std::optional<MemoryNeed> memory_needed() const { return std::nullopt; }
  virtual void load() = 0;  // weights to where they are used
  // After load, where only the engine knows its model: of which ids its input is to be, and what its weights are.
  virtual std::optional<Vocabulary> vocabulary() const { return std::nullopt; }
  virtual std::string origin() const { return ""; }
  virtual void prepare() {}  // tunes kernels; the device is otherwise idle
  virtual std::optional<Calibration> calibration() const { return std::nullopt; }  // after prepare
  virtual void warm() = 0;  // records all programs, and runs each once if that matters; nothing is allocated afterwards

  virtual std::optional<ServerFacts> server_facts() const { return std::nullopt; }  // after the last request

  // How many requests it holds at once, those that wait included.
  virtual int capacity() const { return 1; }

  // Since when it takes requests, if there is room: of one that takes them only between its passes the end of the last
  // one. 0: it does so at any time.
  virtual int64_t open_since_ns() const { return 0; }

  // Takes a request; false: full, try again after step.
  virtual bool submit(const Request& request) = 0;

  // No request comes before those that it has have ended: they need not wait for others.
  virtual void flush() {}

  // Works until something can be reported of any request in flight: at most one batch, or one token of each sequence.
  // Returns empty-handed at `until_ns`, or at the end of what cannot be interrupted. The span is valid until the next
  // call.
  virtual std::span<const Progress> step(int64_t until_ns) = 0;
};

}  // namespace cotenant
