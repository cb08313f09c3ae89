#include "telemetry/environment.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace cotenant {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

TEST(Environment, KeepsWhatChangesTimesAndNothingElse) {
  const std::string long_value(1000, 'x');
  const std::string preload = "LD_PRELOAD=" + long_value;
  const char* const environment[] = {"HOME=/root",           "OMP_PLACES=cores",
                                     "HF_TOKEN=secret",      "CUDA_LAUNCH_BLOCKING=1",
                                     "CUDA_HOME=/usr/local", "CUDA_VISIBLE_DEVICES=1",
                                     "OMP_SCHEDULE=",        preload.c_str(),
                                     "MALLOC_ARENA_MAX=1",   nullptr};
  const auto found = telling_variables(environment);
  ASSERT_EQ(found.size(), 4u);
  EXPECT_EQ(found[0], "CUDA_LAUNCH_BLOCKING=1");
  EXPECT_LT(found[1].size(), 300u);
  EXPECT_EQ(found[2], "MALLOC_ARENA_MAX=1");
  EXPECT_EQ(found[3], "OMP_PLACES=cores");
}

std::vector<std::string> told(const std::vector<std::string>& variables, bool on_gpu) {
  std::vector<std::string> what;
  for (const WarningRecord& warning : falsifying_variables(variables, on_gpu)) {
    EXPECT_THAT(warning.remedy, HasSubstr("unset "));
    what.push_back(warning.what);
  }
  return what;
}

TEST(Environment, WarnsOfWhatFalsifiesWhereItDoes) {
  EXPECT_THAT(told({"CUDA_LAUNCH_BLOCKING=1"}, true), ElementsAre(HasSubstr("CUDA_LAUNCH_BLOCKING=1")));
  EXPECT_THAT(told({"CUDA_LAUNCH_BLOCKING=1"}, false), IsEmpty());
  EXPECT_THAT(told({"CUDA_LAUNCH_BLOCKING=0"}, true), IsEmpty());
  EXPECT_THAT(told({"OMP_PROC_BIND=true"}, false), ElementsAre(HasSubstr("bound to CPUs")));
  EXPECT_THAT(told({"OMP_PROC_BIND=FALSE"}, false), IsEmpty());
  EXPECT_THAT(told({"OMP_PROC_BIND=true"}, true), IsEmpty());
  for (const bool on_gpu : {false, true})
    EXPECT_THAT(told({"LD_PRELOAD=libfast.so", "MALLOC_ARENA_MAX=1"}, on_gpu),
                ElementsAre(HasSubstr("LD_PRELOAD=libfast.so")));
}

}  // namespace
}  // namespace cotenant
