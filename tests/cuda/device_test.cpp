#include "engine/native/cuda/device.h"

#include <gmock/gmock.h>

#include "base/error.h"
#include "device_data.h"
#include "engine/native/cuda/norm.h"
#include "engine/native/cuda/qkv_transform.h"
#include "engine/native/native_engine.h"
#include "model/open.h"

// What a device or a build cannot do, and how that is said.
namespace cotenant {
namespace {

// Another tenant has nearly all of the memory.
TEST_F(OnGpu, TooLittleMemoryIsSaidWithBothNumbers) {
  size_t free_bytes = 0, total_bytes = 0;
  COTENANT_CUDA("test", cudaFree(nullptr));  // the context
  COTENANT_CUDA("test", cudaMemGetInfo(&free_bytes, &total_bytes));
  const DeviceMemory other = allocate_device(free_bytes - (size_t{512} << 20));
  EngineOptions options;
  options.model = std::make_shared<const Model>(open_model("gpt2-large", "random", 0));
  options.device = "cuda:0";
  options.rows = 8;
  options.seq_len = 128;
  NativeEngine engine(options);
  try {
    engine.load();
    FAIL() << "loaded";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ExitCode::usage);
    EXPECT_THAT(error.what(), testing::MatchesRegex(".*needs [0-9.]+ GiB, [0-9.]+ MiB free.*"));
  }
}

TEST_F(OnGpu, ADeviceThatIsNotThereIsSaidWithThoseThatAre) {
  for (const char* device : {"cuda:99", "cuda:x", "cuda:-1", "gpu"}) {
    try {
      open_device(device);
      FAIL() << device;
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ExitCode::usage) << device;
      EXPECT_THAT(error.what(), testing::HasSubstr("cuda")) << device;
    }
  }
  EXPECT_EQ(open_device("cuda").ordinal, open_device("cuda:0").ordinal);
}

TEST_F(OnGpu, CanBeUsedByThisBuild) {
  const CudaStatus status = query_status();
  ASSERT_FALSE(status.devices.empty());
  EXPECT_EQ(status.problem, "");
  EXPECT_EQ(status.devices.front().problem, "");
}

TEST(Architectures, CoverWhatTheirCodeRunsOn) {
  EXPECT_TRUE(architectures_cover("80-real 86-real 89-real 90", 9, 0));
  EXPECT_TRUE(architectures_cover("80-real 86-real 89-real 90", 8, 7));   // a binary within the major version
  EXPECT_TRUE(architectures_cover("80-real 86-real 89-real 90", 12, 0));  // PTX on all newer ones
  EXPECT_FALSE(architectures_cover("80-real 86-real 89-real 90", 7, 5));
  EXPECT_FALSE(architectures_cover("90-real", 8, 0));
  EXPECT_FALSE(architectures_cover("90-real", 10, 0));
  EXPECT_TRUE(architectures_cover("80-virtual", 9, 0));
  EXPECT_FALSE(architectures_cover("86", 8, 0));
  EXPECT_TRUE(architectures_cover("native", 7, 5));
}

TEST(Shapes, ThatNoKernelIsForAreKnown) {
  for (const Dtype dtype : {Dtype::f32, Dtype::f16, Dtype::bf16})
    for (const int64_t head_dim : {2, 32, 62, 64, 68, 80, 96, 128})
      EXPECT_TRUE(qkv_transform_supported(dtype, head_dim));
  for (const int64_t head_dim : {66, 70, 126, 7}) EXPECT_FALSE(qkv_transform_supported(Dtype::f16, head_dim));
  EXPECT_EQ(widest_norm(Dtype::f16, 4096), 16384);
  EXPECT_EQ(widest_norm(Dtype::f32, 4096), 8192);
  EXPECT_EQ(widest_norm(Dtype::f16, 4097), 2048);
}

}  // namespace
}  // namespace cotenant
