#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "base/dtype.h"
#include "engine/engine.h"
#include "engine/server/server_options.h"
#include "engine/yield.h"

namespace cotenant {

class DeviceShare;  // engine/native/device_share.h
struct Model;       // model/model.h

enum class Wait : uint8_t { spin, block };  // how the host waits for a device

// What make_engine needs to know. Plain data.
struct EngineOptions {
  enum class Kind : uint8_t { native, sleep, spin, compute, dram, l2, pcie, launch, server } kind = Kind::native;

  std::string label;  // of the tenant and its model, for profilers; empty: the model's name

  // native
  std::shared_ptr<const Model> model;
  std::string device = "cpu";  // "cpu" or "cuda:N"
  Dtype dtype = Dtype::f32;    // of weights and activations
  int rows = 1;                // sequences in a batch
  int seq_len = 1;             // tokens in a sequence, of the prompt when generating
  int max_new_tokens = 0;      // 0: forward passes; else prefill and greedy decode
  // Requests of one sequence each, several at once. Generating: in so many slots, which requests of any lengths up to
  // seq_len and max_new_tokens join and leave between tokens; 0: one request at a time. Forward passes: of up to `rows`
  // requests, the first of which waits at most so long for others; none: of one request with all its rows.
  int slots = 0;
  int chunk_tokens = 0;  // of prompts between two tokens, at most; 0: by the engine
  std::optional<double> max_wait_ms = {};
  int threads = 1;  // host threads that compute (CPU engine)
  Wait wait = Wait::spin;
  std::shared_ptr<const DeviceShare> share = {};  // a part of a CUDA device; null: all of it
  int priority = 0;                               // on a CUDA device: higher is more urgent
  size_t memory_limit_bytes = 0;                  // of device memory; 0: what there is
  YieldPlace yield = {};                          // among tenants of its device that give way to each other

  // stress: all kinds but native and server
  double service_ms = 1;  // a request takes this long alone
  int sms = 0;            // multiprocessors that compute, dram and l2 load; 0: all

  ServerOptions server = {};
};

// Throws usage_error when this build or this machine has no such engine or device.
std::unique_ptr<Engine> make_engine(const EngineOptions& options);

}  // namespace cotenant
