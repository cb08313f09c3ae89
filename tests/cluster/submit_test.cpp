#include "cluster/submit.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <cstdio>
#include <fstream>
#include <nlohmann/json.hpp>

#include "base/temporary_directory.h"

namespace cotenant {
namespace {

using testing::HasSubstr;
using testing::Not;

std::string output_of(const std::string& command) {
  std::string out;
  std::array<char, 4096> chunk;
  FILE* pipe = popen(command.c_str(), "r");
  while (const size_t count = fread(chunk.data(), 1, chunk.size(), pipe)) out.append(chunk.data(), count);
  EXPECT_EQ(pclose(pipe), 0) << command;
  return out;
}

JobRequest some_job() {
  JobRequest job;
  job.study = "/shared/my study's";
  job.program = "/usr/bin/cotenant";
  job.name = "My study_2!";
  job.place = "/home/me";
  job.tasks = 4;
  job.limit_s = 5400;
  job.image = "registry/cotenant:1";
  job.volume = "shared";
  job.mount = "/shared";
  return job;
}

TEST(ShellWord, IsTheTextForAShell) {
  for (const std::string text :
       {"plain", "", "two words", "it's", "$HOME `id` $(id) \\ \"", "a*?[b]", "-x", "a;b&c|d", "line\nbreak", "~"})
    EXPECT_EQ(output_of("printf %s " + shell_word(text)), text);
}

TEST(JobLimit, IsInWholeMinutesAndLeavesRoom) {
  EXPECT_EQ(limit_s(3600, 60, 1), 60 * 97);  // 1.5 x 3660 + 300 = 5790
  EXPECT_EQ(limit_s(3600, 60, 4), 60 * 29);  // 1.5 x 960 + 300 = 1740
}

TEST(SlurmScript, IsAScriptWithItsOptionsFirst) {
  JobRequest job = some_job();
  job.options = {"--partition=gpu"};
  const std::string text = slurm_script(job);
  for (const char* line :
       {"#SBATCH --job-name=cotenant-my-study-2\n", "#SBATCH --ntasks=4\n", "#SBATCH --gpus-per-task=1\n",
        "#SBATCH --exclusive\n", "#SBATCH --time=01:30:00\n", "#SBATCH --requeue\n", "#SBATCH --partition=gpu\n"})
    EXPECT_THAT(text, HasSubstr(line));
  EXPECT_LT(text.rfind("#SBATCH"), text.find("srun"));
  job.exclusive = false;
  job.gpus = 0;
  EXPECT_THAT(slurm_script(job), Not(HasSubstr("--exclusive")));
  EXPECT_THAT(slurm_script(job), Not(HasSubstr("--gpus-per-task")));
  job.gpus = 8;
  EXPECT_THAT(slurm_script(job), HasSubstr("--devices all"));
}

TEST(JobScripts, AreReadByAShell) {
  const TemporaryDirectory directory;
  for (const auto& text : {slurm_script(some_job()), mpi_script(some_job())}) {
    const std::string file = (directory.path() / "job.sh").string();
    std::ofstream(file) << text;
    EXPECT_EQ(output_of("sh -n " + file), "");
  }
}

TEST(KubernetesManifest, IsAnIndexedJob) {
  const auto job = nlohmann::json::parse(kubernetes_manifest(some_job()));
  EXPECT_EQ(job["apiVersion"], "batch/v1");
  EXPECT_EQ(job["kind"], "Job");
  EXPECT_EQ(job["metadata"]["name"], "cotenant-my-study-2");
  EXPECT_EQ(job["spec"]["completionMode"], "Indexed");
  EXPECT_EQ(job["spec"]["completions"], 4);
  EXPECT_EQ(job["spec"]["parallelism"], 4);
  EXPECT_EQ(job["spec"]["activeDeadlineSeconds"], 5400);
  const auto& pod = job["spec"]["template"]["spec"];
  const auto& container = pod["containers"][0];
  EXPECT_EQ(container["resources"]["limits"]["nvidia.com/gpu"], "1");
  EXPECT_EQ(container["env"][0]["name"], "COTENANT_SIZE");
  EXPECT_EQ(container["env"][0]["value"], "4");
  EXPECT_EQ(container["command"], nlohmann::json({"/usr/bin/cotenant", "run", "--study", "/shared/my study's"}));
  EXPECT_EQ(container["volumeMounts"][0]["name"], pod["volumes"][0]["name"]);
  EXPECT_EQ(pod["volumes"][0]["persistentVolumeClaim"]["claimName"], "shared");
}

}  // namespace
}  // namespace cotenant
