#include "cluster/task.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>

#include "base/error.h"

namespace cotenant {
namespace {

using testing::HasSubstr;

std::optional<ClusterTask> task_in(const std::map<std::string, std::string>& variables) {
  return cluster_task([&](const char* name) -> const char* {
    const auto found = variables.find(name);
    return found == variables.end() ? nullptr : found->second.c_str();
  });
}

std::string refusal(const std::map<std::string, std::string>& variables) {
  try {
    task_in(variables);
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ExitCode::usage);
    return error.what();
  }
  return "";
}

TEST(ClusterTask, IsReadFromEverySchedulersVariables) {
  const std::map<std::string, std::string> schedulers[] = {
      {{"SLURM_PROCID", "3"}, {"SLURM_NTASKS", "8"}},
      {{"OMPI_COMM_WORLD_RANK", "3"}, {"OMPI_COMM_WORLD_SIZE", "8"}},
      {{"PMI_RANK", "3"}, {"PMI_SIZE", "8"}},
      {{"FLUX_TASK_RANK", "3"}, {"FLUX_JOB_SIZE", "8"}},
      {{"COTENANT_RANK", "3"}, {"COTENANT_SIZE", "8"}},
      {{"JOB_COMPLETION_INDEX", "3"}, {"COTENANT_SIZE", "8"}},
      {{"SLURM_ARRAY_TASK_ID", "3"}, {"SLURM_ARRAY_TASK_COUNT", "8"}, {"SLURM_ARRAY_TASK_MIN", "0"}},
      {{"SLURM_ARRAY_TASK_ID", "17"},
       {"SLURM_ARRAY_TASK_COUNT", "8"},
       {"SLURM_ARRAY_TASK_MIN", "2"},
       {"SLURM_ARRAY_TASK_STEP", "5"}},
  };
  for (const auto& variables : schedulers) {
    const auto task = task_in(variables);
    ASSERT_TRUE(task) << variables.begin()->first;
    EXPECT_EQ(task->rank, 3) << variables.begin()->first;
    EXPECT_EQ(task->size, 8) << variables.begin()->first;
    EXPECT_EQ(task->text(), "4 of 8");
  }
  EXPECT_FALSE(task_in({}));
}

// mpirun in a job of Slurm: its ranks count, not that of the job's script.
TEST(ClusterTask, TheInnermostLauncherCounts) {
  const auto task = task_in(
      {{"SLURM_PROCID", "0"}, {"SLURM_NTASKS", "1"}, {"OMPI_COMM_WORLD_RANK", "2"}, {"OMPI_COMM_WORLD_SIZE", "4"}});
  ASSERT_TRUE(task);
  EXPECT_EQ(task->rank, 2);
  EXPECT_EQ(task->size, 4);
  EXPECT_TRUE(task->together);
}

TEST(ClusterTask, TheScriptOfAJobIsNoTaskOfIt) {
  EXPECT_FALSE(task_in({{"SLURM_JOB_ID", "7"}, {"SLURM_PROCID", "0"}, {"SLURM_NTASKS", "4"}}));
  const auto step =
      task_in({{"SLURM_JOB_ID", "7"}, {"SLURM_STEP_ID", "0"}, {"SLURM_PROCID", "0"}, {"SLURM_NTASKS", "4"}});
  ASSERT_TRUE(step);
  EXPECT_EQ(step->size, 4);
  // srun -n 2 in a job of four tasks.
  const auto part = task_in({{"SLURM_JOB_ID", "7"},
                             {"SLURM_STEP_ID", "0"},
                             {"SLURM_PROCID", "1"},
                             {"SLURM_NTASKS", "4"},
                             {"SLURM_STEP_NUM_TASKS", "2"}});
  ASSERT_TRUE(part);
  EXPECT_EQ(part->size, 2);
  const auto array = task_in(
      {{"SLURM_JOB_ID", "7"}, {"SLURM_PROCID", "0"}, {"SLURM_ARRAY_TASK_ID", "1"}, {"SLURM_ARRAY_TASK_COUNT", "2"}});
  ASSERT_TRUE(array);
  EXPECT_EQ(array->rank, 1);
  EXPECT_FALSE(array->together);
}

TEST(ClusterTask, ARankWithoutASizeIsRefused) {
  EXPECT_THAT(refusal({{"SLURM_PROCID", "3"}}), HasSubstr("SLURM_NTASKS"));
  EXPECT_THAT(refusal({{"JOB_COMPLETION_INDEX", "0"}}), HasSubstr("COTENANT_SIZE"));
  EXPECT_THAT(refusal({{"PMI_RANK", "4"}, {"PMI_SIZE", "4"}}), HasSubstr("none of 4"));
  EXPECT_THAT(refusal({{"PMI_RANK", "one"}, {"PMI_SIZE", "4"}}), HasSubstr("\"one\""));
  EXPECT_THAT(refusal({{"PMI_RANK", "-1"}, {"PMI_SIZE", "4"}}), HasSubstr("\"-1\""));
}

TEST(Shard, DividesRunsWithoutRest) {
  for (size_t run = 0; run < 20; ++run) {
    int owners = 0;
    for (const char* shard : {"1/3", "2/3", "3/3"}) owners += shard_from(shard).has(run) ? 1 : 0;
    EXPECT_EQ(owners, 1) << run;
  }
  for (const char* bad : {"", "1", "0/3", "4/3", "1/0", "a/b", "1/3/5", "-1/3", "1/"})
    EXPECT_THROW(shard_from(bad), Error) << bad;
}

}  // namespace
}  // namespace cotenant
