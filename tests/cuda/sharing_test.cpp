#include <fmt/format.h>

#include <cstdio>
#include <set>
#include <string>

#include "base/error.h"
#include "census.h"
#include "device_data.h"
#include "engine/native/cuda/green_share.h"
#include "engine/native/cuda/program.h"
#include "engine/native/cuda/stream.h"
#include "engine/truth.h"

// Parts of a device: that they are real, and that a model says the same on them.
namespace cotenant {
namespace {

class DeviceShares : public OnGpu {
 protected:
  void SetUp() override {
    OnGpu::SetUp();
    if (IsSkipped()) return;
    groups_ = count_sm_groups(0);
    if (groups_ < 4) GTEST_SKIP() << "the driver or the GPU has no green contexts";
  }
  int groups_ = 0;
};

int all_sms() {
  int sms = 0;
  COTENANT_CUDA("test", cudaDeviceGetAttribute(&sms, cudaDevAttrMultiProcessorCount, 0));
  return sms;
}

TEST_F(DeviceShares, AreWhatTheirBlocksUseAndDisjoint) {
  const auto shares = split_cuda_device("cuda:0", {1, groups_ / 2, groups_ - groups_ / 2 - 1});
  std::set<unsigned> seen;
  int granted = 0;
  for (size_t i = 0; i < shares.size(); ++i) {
    const Stream stream = make_stream_on(shares[i].get(), 0);
    const std::set<unsigned> sms = census(stream.get());
    EXPECT_EQ(static_cast<int>(sms.size()), shares[i]->sms()) << "share " << i;
    for (const unsigned sm : sms) EXPECT_TRUE(seen.insert(sm).second) << "SM " << sm << " is in two shares";
    granted += shares[i]->sms();
    fmt::print("share {}: {} SMs, {:.0f} TFLOP/s of a 4096^3 product\n", i, shares[i]->sms(),
               product_tflops(stream.get()));
  }
  EXPECT_EQ(granted, all_sms());  // all groups were asked for
}

TEST_F(DeviceShares, AGraphKeepsTheShareOfTheStreamThatCapturedIt) {
  const auto shares = split_cuda_device("cuda:0", {2});
  const Stream share = make_stream_on(shares[0].get(), 0), whole = make_stream_on(nullptr, 0);
  const DeviceMemory memory = allocate_device(4);
  const CudaProgram program(share.get(),
                            capture(share.get(), "test", [&] { cudaMemsetAsync(memory.get(), 0, 4, share.get()); }),
                            "test", true);
  EXPECT_EQ(static_cast<int>(census(share.get()).size()), shares[0]->sms());
  EXPECT_EQ(static_cast<int>(census(whole.get()).size()), all_sms());
}

TEST_F(DeviceShares, CannotExceedTheDevice) {
  EXPECT_THROW(split_cuda_device("cuda:0", {groups_, 1}), Error);
}

TEST_F(DeviceShares, EqualRequestsGetEqualShares) {
  const auto shares = split_cuda_device("cuda:0", {1, 1, 1});
  EXPECT_EQ(shares[0]->sms(), shares[1]->sms());
  EXPECT_EQ(shares[1]->sms(), shares[2]->sms());
}

TEST_F(OnGpu, PrioritiesAreThoseOfTheDevice) {
  int least = 0, greatest = 0;
  COTENANT_CUDA("test", cudaDeviceGetStreamPriorityRange(&least, &greatest));
  for (const auto& [ours, theirs] : {std::pair(0, 0), {1, std::max(-1, greatest)}, {100, greatest}, {-100, least}}) {
    int priority = 99;
    COTENANT_CUDA("test", cudaStreamGetPriority(make_stream_on(nullptr, ours).get(), &priority));
    EXPECT_EQ(priority, theirs) << ours;
  }
}

// The same model on a part of the device, and on a stream with a priority, against the whole device.
TEST_F(DeviceShares, AModelSaysTheSameOnAShare) {
  const auto shares = split_cuda_device("cuda:0", {1, groups_ - 1});
  for (const char* name : {"gpt2", "llama"}) {
    const Expected expected = read_expected(name);
    const auto logits_on = [&](std::shared_ptr<const DeviceShare> share, int priority) {
      EngineOptions options;
      options.model = std::make_shared<const Model>(open_model(fixture_directory(name), "auto", 0));
      options.device = "cuda:0";
      options.rows = static_cast<int>(expected.rows);
      options.seq_len = static_cast<int>(expected.length);
      options.share = std::move(share);
      options.priority = priority;
      NativeEngine engine(options);
      engine.load();
      engine.prepare();
      engine.warm();
      EXPECT_TRUE(engine.submit({.id = 1, .tokens = expected.input_ids, .rows = static_cast<int>(expected.rows)}));
      while (engine.step(0).back().status != Status::done) {
      }
      return engine.logits();
    };
    const std::vector<float> whole = logits_on(nullptr, 0);
    for (const auto& share : shares) EXPECT_LT(truth::relative_error(logits_on(share, 0), whole), 1e-5) << name;
    EXPECT_LT(truth::relative_error(logits_on(nullptr, 5), whole), 1e-6) << name;
  }
}

TEST_F(OnGpu, AMemoryLimitBelowTheModelIsSaidBeforeItIsLoaded) {
  EngineOptions options;
  options.model = std::make_shared<const Model>(open_model(fixture_directory("gpt2"), "auto", 0));
  options.device = "cuda:0";
  options.memory_limit_bytes = size_t{1} << 20;
  NativeEngine engine(options);
  try {
    engine.load();
    FAIL() << "loaded";
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), testing::HasSubstr("its memory_limit is 1.0 MiB"));
  }
}

// In a process of its own, whose context the fault ends.
TEST_F(OnGpu, DISABLED_Fault) {
  const Stream stream = make_stream();
  CudaProgram program(stream.get(), capture(stream.get(), "test", [&] { launch_fault(stream.get()); }),
                      "decode of small (gpt2)", true);
  program.launch();
  try {
    program.wait();
    fmt::print("no fault\n");
  } catch (const Error& error) {
    fmt::print("{}\n", error.what());
  }
}

TEST_F(OnGpu, AFaultNamesTheProgramAndTheError) {
  FILE* output = popen(fmt::format("'{}' --gtest_also_run_disabled_tests --gtest_filter=*DISABLED_Fault 2>&1",
                                   std::filesystem::read_symlink("/proc/self/exe").string())
                           .c_str(),
                       "r");
  ASSERT_NE(output, nullptr);
  std::string text;
  for (char line[512]; std::fgets(line, sizeof line, output);) text += line;
  pclose(output);
  EXPECT_THAT(text, testing::HasSubstr("decode of small (gpt2)"));
  EXPECT_THAT(text, testing::HasSubstr("cudaErrorIllegalAddress"));
}

}  // namespace
}  // namespace cotenant
