#include "engine/native/recorder.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <map>
#include <optional>
#include <thread>

#include "base/clock.h"
#include "base/error.h"
#include "device_data.h"
#include "engine/native/cuda/elementwise.h"
#include "engine/native/cuda/program.h"
#include "engine/native/devices.h"

namespace cotenant {
namespace {

constexpr int kLaunches = 50, kReplays = 20, kPerGraph = 3;
constexpr int64_t kSlackNs = 1'000'000;  // of the device's clock against the host's

// What one thread does with a stream of its own.
struct Part {
  cudaStream_t stream = nullptr;
  void* data = nullptr;
  uint32_t thread = 0;

  Part() {
    COTENANT_CUDA("test", cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking));
    COTENANT_CUDA("test", cudaMalloc(&data, size_t{64} * 64 * 2));
  }
  Part(const Part&) = delete;
  ~Part() {
    cudaStreamDestroy(stream);
    cudaFree(data);
  }
  void launch() const {
    const Tensor tensor{.data = data, .dtype = Dtype::f16, .shape = {64, 64, 1, 1}};
    launch_activation(stream, tensor, Activation::relu);
  }
  void run() {
    thread = static_cast<uint32_t>(::gettid());
    for (int i = 0; i < kLaunches; ++i) launch();
    const GraphExec graph = capture(stream, "test", [this] {
      for (int i = 0; i < kPerGraph; ++i) launch();
    });
    for (int i = 0; i < kReplays; ++i) COTENANT_CUDA("test", cudaGraphLaunch(graph.get(), stream));
    COTENANT_CUDA("test", cudaStreamSynchronize(stream));
  }
};

// A replay of the smallest pass there is, on the engine's own operations.
void run_pass_of(const std::string& label) {
  OpsOptions options;
  options.device = "cuda:0";
  options.dtype = Dtype::f16;
  options.label = label;
  const std::unique_ptr<Ops> ops = make_ops(options);
  const Tensor positions = ops->allocate(Dtype::i32, {4, 1, 1, 1});
  const auto program = ops->record([&] { ops->set_positions(positions, 3); }, "forward");
  program->launch();
  program->wait();
}

// In one case, because CUPTI is started once in a process. Before any other call of CUDA where the case runs alone.
TEST(KernelRecorder, RecordsEveryKernelWithItsTimesAndItsThread) {
  std::optional<std::string> refused;
  try {
    cupti_module().start({});
  } catch (const Error& error) {
    refused = error.what();
  }
  int devices = 0;
  if (cudaGetDeviceCount(&devices) != cudaSuccess || devices == 0) GTEST_SKIP() << "there is no CUDA device";
  ASSERT_FALSE(refused) << *refused;

  Part here, there;
  COTENANT_CUDA("test", cudaDeviceSynchronize());
  const int64_t begin_ns = now_ns();
  cupti_module().keep_from(begin_ns - kSlackNs);
  std::thread other([&] { there.run(); });
  here.run();
  other.join();
  run_pass_of("anna (gpt2)");
  COTENANT_CUDA("test", cudaDeviceSynchronize());
  const int64_t end_ns = now_ns();
  const DeviceRecording recording = cupti_module().stop();

  EXPECT_EQ(recording.problem, "");
  EXPECT_EQ(recording.dropped, 0u);
  EXPECT_EQ(recording.over_limit, 0u);
  EXPECT_EQ(recording.untimed, 0u);
  std::map<uint32_t, std::vector<DeviceActivity>> kernels;  // by thread
  std::vector<std::string> ranges;
  for (const DeviceActivity& activity : recording.activities) {
    const std::string& name = recording.names.at(activity.name);
    if (activity.kind == DeviceActivity::Kind::range) ranges.push_back(name);
    if (activity.kind == DeviceActivity::Kind::kernel && name.find("set_positions") == std::string::npos)
      kernels[activity.thread].push_back(activity);
  }
  EXPECT_EQ(ranges, std::vector<std::string>{"forward of anna (gpt2)"});
  EXPECT_EQ(kernels.size(), 2u) << "kernels of an unknown thread: " << kernels[0].size();
  for (const Part* part : {&here, &there}) {
    auto& own = kernels[part->thread];
    ASSERT_EQ(own.size(), static_cast<size_t>(kLaunches + kReplays * kPerGraph));
    std::ranges::sort(own, {}, &DeviceActivity::start_ns);
    EXPECT_GE(own.front().start_ns, begin_ns - kSlackNs);
    EXPECT_LE(own.back().end_ns, end_ns + kSlackNs);
    for (size_t i = 0; i < own.size(); ++i) {
      EXPECT_LT(own[i].start_ns, own[i].end_ns) << i;
      if (i > 0) {
        EXPECT_LE(own[i - 1].end_ns, own[i].end_ns) << i;  // one stream; a successor may start early, and waits
      }
      EXPECT_EQ(own[i].stream, own.front().stream);
      EXPECT_EQ(own[i].graph != 0, i >= kLaunches) << i;
      EXPECT_GT(own[i].size, 0u);
      EXPECT_GT(own[i].threads, 0u);
      EXPECT_NE(recording.names.at(own[i].name).find("activation"), std::string::npos) << recording.names[own[i].name];
    }
  }
}

}  // namespace
}  // namespace cotenant
