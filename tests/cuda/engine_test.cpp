#include <sys/resource.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "base/clock.h"
#include "device_data.h"
#include "engine/allocations.h"
#include "engine/native/cuda_module.h"
#include "engine/native/native_engine.h"
#include "model/open.h"

// What the engine promises besides its results: what it takes while it runs, how it waits, and what its module shows.
namespace cotenant {
namespace {

using CudaEngine = OnGpu;

struct Asked {
  std::string model;
  int rows = 8, seq_len = 128, new_tokens = 0;
  Wait wait = Wait::spin;
};

std::unique_ptr<NativeEngine> warm_engine(const Asked& asked) {
  EngineOptions options;
  options.model = std::make_shared<const Model>(open_model(asked.model, "random", 0));
  options.device = "cuda:0";
  options.dtype = Dtype::f16;
  options.rows = asked.rows;
  options.seq_len = asked.seq_len;
  options.max_new_tokens = asked.new_tokens;
  options.wait = asked.wait;
  auto engine = std::make_unique<NativeEngine>(options);
  engine->load();
  engine->prepare();
  engine->warm();
  return engine;
}

// One request to its end, after which `tokens` may go.
void serve(Engine& engine, const Asked& asked, const std::vector<int32_t>& tokens) {
  ASSERT_TRUE(engine.submit({.tokens = tokens, .rows = asked.rows, .max_new_tokens = asked.new_tokens}));
  while (engine.step(now_ns()).back().status != Status::done) {
  }
}

std::vector<int32_t> tokens_for(const Asked& asked) {
  return std::vector<int32_t>(static_cast<size_t>(asked.rows) * static_cast<size_t>(asked.seq_len), 5);
}

TEST_F(CudaEngine, NothingIsAllocatedAfterWarmUp) {
  for (const int new_tokens : {0, 16}) {
    const Asked asked{.model = "distilgpt2", .new_tokens = new_tokens};
    const auto engine = warm_engine(asked);
    const std::vector<int32_t> tokens = tokens_for(asked);
    // Of the whole device, so that another program's memory may come or go once, and not three times.
    size_t before = 0, after = 1, total = 0;
    for (int attempt = 0; attempt < 3 && before != after; ++attempt) {
      COTENANT_CUDA("test", cudaMemGetInfo(&before, &total));
      const AllocationCounter counter;
      for (int i = 0; i < 50; ++i) serve(*engine, asked, tokens);
      if (allocations_are_counted()) {
        EXPECT_EQ(counter.count(), 0u) << new_tokens;
      }
      COTENANT_CUDA("test", cudaMemGetInfo(&after, &total));
    }
    EXPECT_EQ(before, after) << new_tokens;
  }
}

double thread_cpu_s() {
  rusage usage{};
  getrusage(RUSAGE_THREAD, &usage);
  const auto seconds = [](timeval t) { return static_cast<double>(t.tv_sec) + 1e-6 * static_cast<double>(t.tv_usec); };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

TEST_F(CudaEngine, WaitsForTheDeviceAsItIsTold) {
  const auto cpu_s = [](Wait wait) {
    const Asked asked{.model = "roberta-large", .rows = 32, .seq_len = 256, .wait = wait};
    const auto engine = warm_engine(asked);
    const std::vector<int32_t> tokens = tokens_for(asked);
    serve(*engine, asked, tokens);
    const double before = thread_cpu_s();
    for (int i = 0; i < 50; ++i) serve(*engine, asked, tokens);
    return thread_cpu_s() - before;
  };
  EXPECT_LT(cpu_s(Wait::block), cpu_s(Wait::spin) / 4);
}

TEST(CudaModuleFile, ExportsOneSymbol) {
  const auto module = std::filesystem::read_symlink("/proc/self/exe").parent_path() / "cotenant_cuda.so";
  ASSERT_TRUE(std::filesystem::exists(module));
  const std::string command = "nm --dynamic --defined-only --format=posix '" + module.string() + "'";
  const std::unique_ptr<FILE, int (*)(FILE*)> listing(popen(command.c_str(), "r"), pclose);
  ASSERT_TRUE(listing);
  std::string symbols;
  for (int c = std::fgetc(listing.get()); c != EOF; c = std::fgetc(listing.get())) symbols += static_cast<char>(c);
  EXPECT_EQ(symbols.substr(0, symbols.find(' ')), cuda_module_symbol);
  EXPECT_EQ(std::ranges::count(symbols, '\n'), 1) << symbols;
}

}  // namespace
}  // namespace cotenant
