#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "base/temporary_directory.h"
#include "program.h"

namespace cotenant {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

class ProfileCommand : public testing::Test {
 protected:
  ProfileCommand() {
    std::ofstream(root_ / "one.yaml")
        << "experiment_name: one\ndevice: cpu\ntenants:\n"
           "  - {name: quick, engine: stress, stress: {kind: sleep, service_ms: 1}, num_iters: 5}\n";
  }
  size_t files() const { return static_cast<size_t>(std::distance(std::filesystem::directory_iterator(root_), {})); }

  const TemporaryDirectory directory_;
  const std::filesystem::path root_ = directory_.path();
};

TEST_F(ProfileCommand, OnTheCpuThereAreNoKernels) {
  const Outcome outcome = run_cotenant("profile one.yaml", root_.string());
  EXPECT_EQ(outcome.exit_code, 2);
  EXPECT_THAT(outcome.err, HasSubstr("kernels can be recorded on CUDA devices only; the device is cpu"));
  EXPECT_THAT(outcome.out, IsEmpty());
  EXPECT_EQ(files(), 1u);  // nothing was written
}

TEST_F(ProfileCommand, WithoutNsysItSaysWhereToGetIt) {
  const std::string path = getenv("PATH");
  setenv("PATH", "/nonexistent:/bin", 1);
  const Outcome outcome = run_cotenant("profile one.yaml --nsys", root_.string());
  setenv("PATH", path.c_str(), 1);
  EXPECT_EQ(outcome.exit_code, 2);
  EXPECT_THAT(outcome.err, HasSubstr("developer.nvidia.com/nsight-systems"));
  EXPECT_EQ(files(), 1u);
}

// A program in nsys's place that prints its arguments.
TEST_F(ProfileCommand, NsysIsGivenTheSameRun) {
  std::filesystem::create_directory(root_ / "bin");
  std::ofstream(root_ / "bin/nsys") << "#!/bin/sh\nprintf '%s\\n' \"$@\"\n";
  std::filesystem::permissions(root_ / "bin/nsys", std::filesystem::perms::owner_all);
  const std::string path = getenv("PATH");
  setenv("PATH", ((root_ / "bin").string() + ":" + path).c_str(), 1);
  const Outcome outcome = run_cotenant("profile one.yaml --nsys --duration 3", root_.string());
  setenv("PATH", path.c_str(), 1);
  EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
  EXPECT_THAT(outcome.out, HasSubstr("profile\n-o\ndata/one_nsys/nsys\n--trace=cuda,nvtx\n"));
  EXPECT_THAT(outcome.out, HasSubstr("run\none.yaml\n--no-save\n"));
  EXPECT_THAT(outcome.out, HasSubstr("--set\nmin_duration_s=3"));
  EXPECT_THAT(outcome.out, Not(HasSubstr("overwrite")));
  std::ofstream(root_ / "data/one_nsys/nsys.nsys-rep") << "an earlier one";
  setenv("PATH", ((root_ / "bin").string() + ":" + path).c_str(), 1);
  const Outcome again = run_cotenant("profile one.yaml --nsys", root_.string());
  setenv("PATH", path.c_str(), 1);
  EXPECT_EQ(again.exit_code, 2);
  EXPECT_THAT(again.err, HasSubstr("data/one_nsys/nsys.nsys-rep: is there already"));
}

TEST_F(ProfileCommand, AMistakeInTheConfigurationIsNamed) {
  const Outcome outcome = run_cotenant("profile one.yaml --set no_such_key=1", root_.string());
  EXPECT_EQ(outcome.exit_code, 2);
  EXPECT_THAT(outcome.err, HasSubstr("no_such_key"));
}

}  // namespace
}  // namespace cotenant
