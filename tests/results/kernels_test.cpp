#include "results/kernels.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "base/error.h"
#include "base/temporary_directory.h"

namespace cotenant {
namespace {

using Kind = KernelActivity::Kind;

KernelRecords made() {
  KernelRecords records;
  records.names = {"void gemm<float, 2>(float const*, int)", "fill", "a \"name\", with\nmuch in it"};
  records.activities = {
      {.start_s = 0.000000001,
       .end_s = 0.25,
       .size = 1ull << 40,
       .threads = 256,
       .name = 0,
       .stream = 7,
       .graph = 3,
       .kind = Kind::kernel},
      {.start_s = -0.5, .end_s = 1234.567890123, .size = 12, .name = 1, .stream = 8, .kind = Kind::fill},
      {.start_s = 1, .end_s = 1, .name = 2, .kind = Kind::range}};
  records.missing = 5;
  records.problem = "5 records were dropped";
  return records;
}

TEST(KernelFiles, ComeBackAsTheyWere) {
  const TemporaryDirectory directory;
  EXPECT_FALSE(has_kernels(directory.path()));
  const KernelRecords written = made();
  write_kernels(directory.path(), written);
  EXPECT_TRUE(has_kernels(directory.path()));
  const KernelRecords read = read_kernels(directory.path());
  EXPECT_EQ(read.names, written.names);
  EXPECT_EQ(read.activities, written.activities);
  EXPECT_EQ(read.missing, 5u);
  EXPECT_EQ(read.problem, written.problem);
  EXPECT_FALSE(read.torn_last_line);
}

TEST(KernelFiles, AnEmptyRecordingIsOne) {
  const TemporaryDirectory directory;
  write_kernels(directory.path(), {});
  EXPECT_TRUE(read_kernels(directory.path()).activities.empty());
}

// Wherever the last line is cut, also where what is left could be a whole one.
TEST(KernelFiles, ATornLastLineIsIgnored) {
  const TemporaryDirectory directory;
  write_kernels(directory.path(), made());
  const auto file = directory.path() / "kernels.csv";
  const auto bytes = std::filesystem::file_size(file);
  for (uintmax_t cut = 1; cut < 10; ++cut) {
    std::filesystem::resize_file(file, bytes - cut);
    const KernelRecords read = read_kernels(directory.path());
    EXPECT_EQ(read.activities.size(), 2u) << cut;
    EXPECT_TRUE(read.torn_last_line) << cut;
  }
}

TEST(KernelFiles, AreReadAfterOtherTools) {
  const TemporaryDirectory directory;
  write_kernels(directory.path(), made());
  std::ofstream(directory.path() / "kernels.csv")
      << "\xef\xbb\xbfstart_s,end_s,kind,name,stream,graph,size,threads\r\n1e-3,2E-3,kernel,0.0,7.0,3,8.00,256\r\n";
  const KernelRecords read = read_kernels(directory.path());
  ASSERT_EQ(read.activities.size(), 1u);
  EXPECT_EQ(read.activities[0].size, 8u);
  EXPECT_EQ(read.activities[0].threads, 256u);
}

TEST(KernelFiles, HostileOnesAreRefused) {
  const TemporaryDirectory directory;
  const auto expect_refused = [&] {
    try {
      read_kernels(directory.path());
      ADD_FAILURE();
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ExitCode::usage);
    }
  };
  write_kernels(directory.path(), made());
  std::filesystem::resize_file(directory.path() / "kernels.csv", uintmax_t{3} << 30);  // one line of zeros
  expect_refused();
  std::filesystem::resize_file(directory.path() / "kernels.csv", 0);
  std::ofstream(directory.path() / "kernel_names.json") << "{\"names\": " << std::string(200'000, '[');
  expect_refused();
}

TEST(KernelFiles, AWrongLineIsNamed) {
  for (const char* line : {"x,1,kernel,0,0,0,0,0", "0,1,kernel,0,0,0,0", "0,1,kernel,0,0,0,0,0,0",
                           "0,1,thing,0,0,0,0,0", "0,1,kernel,99,0,0,0,0", "2,1,kernel,0,0,0,0,0",
                           "nan,1,kernel,0,0,0,0,0", "0,1,kernel,0.5,0,0,0,0", "0,1,kernel,0.,0,0,0,0", ""}) {
    const TemporaryDirectory directory;
    write_kernels(directory.path(), made());
    std::ofstream(directory.path() / "kernels.csv", std::ios::app) << line << "\n";
    try {
      read_kernels(directory.path());
      ADD_FAILURE() << line;
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ExitCode::usage);
      EXPECT_THAT(error.where(), testing::EndsWith("kernels.csv:5")) << line;
    }
  }
}

}  // namespace
}  // namespace cotenant
