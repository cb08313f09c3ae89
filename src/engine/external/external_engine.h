#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/dtype.h"
#include "base/fd.h"
#include "engine/engine.h"
#include "engine/external/line_wire.h"
#include "engine/external/message.h"

namespace cotenant {

// What the program is asked to load.
struct ExternalOptions {
  std::string model, weights;
  std::string device;  // "cpu", "cuda:0", as the program sees it
  Dtype dtype = Dtype::f32;
  int rows = 1, seq_len = 1;
  int max_new_tokens = 0;  // 0: forward passes
  int threads = 1;
  bool spin = false;    // whether both sides are to wait busily
  int concurrency = 1;  // requests in flight that the workload may come to
  uint64_t seed = 0;
};

// An engine whose requests a program of somebody else's executes, by lines of JSON on its standard input and output
// (docs/external.md). The program itself is started and ended by others. What it does wrong is a usage_error without a
// place, and ends the tenant; what a request fails by is told on standard error, for the first few.
class ExternalEngine : public Engine {
 public:
  ExternalEngine(ExternalOptions options, Fd from, Fd to);
  ~ExternalEngine() override;

  std::optional<MemoryNeed> memory_needed() const override;  // what it said when it had loaded
  void load() override;
  void warm() override;
  std::optional<Vocabulary> vocabulary() const override;
  std::string origin() const override { return loaded_.origin; }
  int capacity() const override { return loaded_.capacity; }
  bool submit(const Request& request) override;
  std::span<const Progress> step(int64_t until_ns) override;

 private:
  struct InWork {
    int64_t number = 0;  // as the program knows it: its own for each request of the run
    uint64_t id = 0;
    int most_tokens = 0;  // of a row
    bool has_begun = false;
    std::vector<int> tokens;  // of each row so far
  };

  template <class What>
  What expect();
  InWork& in_work(int64_t number, std::string_view type);
  void send_input(std::span<const int32_t> tokens);
  void note(const external::Message& message, int64_t at_ns);
  void note_token(const external::Token& token, int64_t at_ns);
  void note_end(int64_t number, std::string_view type, Progress progress);

  const ExternalOptions options_;
  external::LineWire wire_;
  external::Loaded loaded_;
  std::vector<InWork> in_work_;
  std::vector<Progress> progress_;
  std::string line_;                  // reused
  std::span<const int32_t> input_{};  // that the program has
  int64_t sent_ = 0, told_failures_ = 0;
};

}  // namespace cotenant
