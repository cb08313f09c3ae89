#include <sys/mman.h>
#include <unistd.h>

#include <atomic>
#include <memory>
#include <new>
#include <string>
#include <thread>
#include <vector>

#include "base/clock.h"
#include "base/error.h"
#include "base/mix64.h"
#include "device_data.h"
#include "engine/native/native_engine.h"
#include "engine/yield.h"
#include "model/open.h"

// Tenants that give way, on a GPU: that they do, for as long as they are to, and that they compute the same.
namespace cotenant {
namespace {

using Yielding = OnGpu;

// A page that each tenant maps at an address of its own, as their workers do.
class Page {
 public:
  Page(uint32_t seats, bool by_weight, double most_wait_ms)
      : fd_(::memfd_create("cotenant-yield", MFD_CLOEXEC)), page_(map_sized()) {
    page_->seats = seats;
    page_->by_weight = by_weight ? 1 : 0;
    page_->most_wait_ns = static_cast<uint64_t>(most_wait_ms * 1e6);
  }
  ~Page() {
    for (void* mapping : mappings_) ::munmap(mapping, sizeof(YieldPage));
    ::close(fd_);
  }
  YieldPage* operator->() const { return page_; }
  YieldPlace place(uint32_t seat, double quantum_us) const { return {map(), seat, quantum_us}; }

 private:
  YieldPage* map_sized() {
    if (::ftruncate(fd_, sizeof(YieldPage)) != 0) throw internal_error("Page", "ftruncate");
    return new (map()) YieldPage{};
  }
  YieldPage* map() const {
    void* mapping = ::mmap(nullptr, sizeof(YieldPage), PROT_READ | PROT_WRITE, MAP_SHARED, fd_, 0);
    if (mapping == MAP_FAILED) throw internal_error("Page", "mmap");
    mappings_.push_back(mapping);
    return static_cast<YieldPage*>(mapping);
  }

  int fd_;
  mutable std::vector<void*> mappings_;
  YieldPage* page_;
};

struct Asked {
  std::string model;
  int rows = 8, seq_len = 128, new_tokens = 0;
};

std::unique_ptr<NativeEngine> warm_engine(const Asked& asked, const YieldPlace& place) {
  EngineOptions options;
  options.model = std::make_shared<const Model>(open_model(asked.model, "random", 0));
  options.device = "cuda:0";
  options.dtype = Dtype::f16;
  options.rows = asked.rows;
  options.seq_len = asked.seq_len;
  options.max_new_tokens = asked.new_tokens;
  options.yield = place;
  auto engine = std::make_unique<NativeEngine>(options);
  engine->load();
  engine->prepare();
  engine->warm();
  return engine;
}

// The tokens that it generates.
std::vector<int32_t> serve(NativeEngine& engine, const Asked& asked) {
  std::vector<int32_t> input(static_cast<size_t>(asked.rows) * static_cast<size_t>(asked.seq_len));
  for (size_t i = 0; i < input.size(); ++i) input[i] = static_cast<int32_t>(mix64(i) % 1000);
  EXPECT_TRUE(engine.submit({.tokens = input, .rows = asked.rows, .max_new_tokens = asked.new_tokens}));
  std::vector<int32_t> tokens;
  for (bool done = false; !done;)
    for (const Progress& progress : engine.step(now_ns())) {
      if (progress.status == Status::token) tokens.push_back(progress.token);
      done |= progress.status == Status::done;
    }
  return tokens;
}

TEST_F(Yielding, ComputesTheSameBits) {
  for (const Asked& asked : {Asked{"distilgpt2"}, Asked{"FacebookAI/roberta-large"}, Asked{"meta-llama/Llama-3.2-3B"},
                             Asked{"meta-llama/Llama-3.2-3B", 8, 128, 16}}) {
    const Page page(2, false, 10);
    page->seat[1].level = 1;
    const auto alone = warm_engine(asked, {});
    const std::vector<int32_t> tokens = serve(*alone, asked);
    const std::vector<float> logits = alone->logits();
    for (const double quantum_us : {20.0, 100.0}) {
      const auto yielding = warm_engine(asked, page.place(0, quantum_us));
      EXPECT_EQ(serve(*yielding, asked), tokens) << asked.model;
      EXPECT_TRUE(yielding->logits() == logits) << asked.model << " at a quantum of " << quantum_us << " us";
      EXPECT_GT(page->seat[0].passed, 0u);
    }
  }
}

TEST_F(Yielding, WaitsWhileAHigherLevelHasWork) {
  const Page page(3, false, 20'000);
  page->seat[1].level = 1;
  const Asked asked{"distilgpt2"};
  const auto engine = warm_engine(asked, page.place(0, 50));
  EXPECT_EQ(page->seat[0].waits, 0u);
  page->seat[1].in_flight = 1;
  page->seat[2].in_flight = 1;  // of its own level
  std::thread lowers([&] {
    sleep_until_ns(now_ns() + 200'000'000);
    std::atomic_ref(page->seat[1].in_flight).store(0);
  });
  const int64_t begin_ns = now_ns();
  serve(*engine, asked);
  EXPECT_GE(now_ns() - begin_ns, 190'000'000);
  lowers.join();
  EXPECT_GE(page->seat[0].waits, 1u);
  EXPECT_GE(page->seat[0].longest_wait_ns, 150'000'000u);
  EXPECT_EQ(page->seat[0].bound_hits, 0u);
  EXPECT_EQ(page->seat[0].in_flight, 0u);
}

TEST_F(Yielding, WaitsNoLongerThanItMayInAPass) {
  const Page page(2, false, 50);
  page->seat[1].level = 1;
  page->seat[1].in_flight = 1;  // for ever: its tenant has stopped
  const Asked asked{"distilgpt2"};
  const auto engine = warm_engine(asked, page.place(0, 50));
  const uint64_t before_ns = page->seat[0].waited_ns, before = page->seat[0].bound_hits;
  for (int i = 0; i < 3; ++i) serve(*engine, asked);
  EXPECT_EQ(page->seat[0].bound_hits - before, 3u);
  EXPECT_NEAR(static_cast<double>(page->seat[0].waited_ns - before_ns), 150e6, 5e6);
}

TEST_F(Yielding, TellsOthersThatItHasWork) {
  const Page page(2, false, 10);
  page->seat[1].level = 1;
  const auto low = warm_engine({"distilgpt2"}, page.place(0, 50));
  const auto high = warm_engine({"distilgpt2"}, page.place(1, 50));
  serve(*high, {"distilgpt2"});
  EXPECT_EQ(page->seat[1].in_flight, 0u);
  EXPECT_EQ(page->seat[1].passed, 0u);  // nobody is above it
}

TEST_F(Yielding, ByWeightDividesTheDevice) {
  const Asked small{"distilgpt2"}, large{"FacebookAI/roberta-large", 16, 256};
  for (const double weight : {1.0, 3.0}) {
    const Page page(2, true, 10'000);
    page->seat[0].per_weight = 1 / weight;
    const auto a = warm_engine(small, page.place(0, 100)), b = warm_engine(large, page.place(1, 100));
    std::atomic<bool> stop{false};
    const auto loop = [&](NativeEngine& engine, const Asked& asked) {
      COTENANT_CUDA("test", cudaSetDevice(0));
      while (!stop) serve(engine, asked);
    };
    std::thread first([&] { loop(*a, small); }), second([&] { loop(*b, large); });
    sleep_until_ns(now_ns() + 500'000'000);
    const auto device_ns = [&](int seat) { return static_cast<double>(page->seat[seat].device_ns); };
    const double a_ns = device_ns(0), b_ns = device_ns(1);
    sleep_until_ns(now_ns() + 1'000'000'000);
    const double share = (device_ns(0) - a_ns) / (device_ns(0) - a_ns + device_ns(1) - b_ns);
    stop = true;
    first.join(), second.join();
    EXPECT_NEAR(share, weight / (weight + 1), 0.02) << weight;
  }
}

}  // namespace
}  // namespace cotenant
