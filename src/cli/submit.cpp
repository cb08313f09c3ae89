#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <memory>

#include "base/clock.h"
#include "base/directory.h"
#include "base/find_program.h"
#include "base/printable.h"
#include "base/text.h"
#include "cli/commands.h"
#include "cli/outlet.h"
#include "cli/output.h"
#include "cli/run_study.h"
#include "cluster/plan.h"
#include "cluster/status.h"
#include "cluster/submit.h"
#include "cluster/work.h"
#include "process/child.h"
#include "results/output_file.h"

namespace cotenant {
namespace {

namespace fs = std::filesystem;

struct SubmitOptions {
  std::string scheduler;
  RunFlags flags;
  int tasks = 1, gpus = 1;
  std::optional<double> limit_min;
  bool shared_nodes = false, now = false;
  std::vector<std::string> options;
  std::string image, volume, mount;
};

struct Scheduler {
  const char *name, *file;
  std::string (*text)(const JobRequest&);
  std::vector<std::string> submit;  // in front of the file
};

const Scheduler& scheduler_named(const std::string& name) {
  static const Scheduler schedulers[] = {
      {"slurm", "slurm.sh", slurm_script, {"sbatch"}},
      {"mpi", "mpi.sh", mpi_script, {"sh"}},
      {"kubernetes", "kubernetes.json", kubernetes_manifest, {"kubectl", "apply", "-f"}}};
  return *std::ranges::find(schedulers, name, [](const Scheduler& one) { return std::string(one.name); });
}

// The file of this program, as the hosts of a cluster may find it, too.
std::string own_path() {
  std::error_code error;
  const fs::path path = fs::read_symlink("/proc/self/exe", error);
  return error ? "cotenant" : path.string();
}

JobRequest request_of(const SubmitOptions& options, const StudyFiles& files, const StudyPlan& plan,
                      const StudyStatus& status) {
  JobRequest job;
  job.study = files.directory();
  job.program = options.scheduler == "kubernetes" ? "cotenant" : own_path();
  job.name = files.directory().filename().string();
  job.place = plan.directory;
  job.tasks = options.tasks;
  job.gpus = options.gpus;
  double longest_s = status.run_s;
  for (const StudyRun& run : plan.runs) longest_s = std::max(longest_s, run.estimate_s);
  job.limit_s = options.limit_min ? *options.limit_min * 60
                                  : limit_s(status.work_s, longest_s, options.tasks * std::max(1, options.gpus));
  job.exclusive = !options.shared_nodes;
  job.options = options.options;
  job.image = options.image;
  job.volume = options.volume;
  job.mount = options.mount.empty() ? files.directory().parent_path() : fs::path(options.mount);
  return job;
}

void check_options(const SubmitOptions& options) {
  if (options.flags.study.directory.empty())
    throw usage_error("submit", "expected --study DIR, which all hosts have in common");
  if (options.scheduler == "kubernetes" && (options.image.empty() || options.volume.empty()))
    throw usage_error(
        "submit kubernetes", "expected --image and --volume",
        "An image with cotenant in it, and the claim of a volume that many nodes can write (ReadWriteMany).");
  const std::string place = StudyFiles(options.flags.study.directory).directory().string();
  if (options.scheduler == "slurm" && place.find_first_of(" \t\r\n") != std::string::npos)
    throw usage_error(place, "has a space, where Slurm's options end", "Choose another directory with --study.");
  if (!options.flags.configs.empty() || !options.flags.models.empty()) check_flags(options.flags);
}

// Where others may run on the same nodes, that is said before it falsifies anything.
void warn(const SubmitOptions& options) {
  if (options.scheduler == "slurm" && options.shared_nodes)
    tell(
        "warning: --shared-nodes: other jobs on a node share its cores, memory and links; runs that they disturb warn "
        "or "
        "are invalid\n");
  if (options.scheduler == "kubernetes")
    tell("warning: other pods may share a node's cores: reserve the nodes by a taint, or ask for whole nodes\n");
}

int submit_now(const Scheduler& scheduler, const fs::path& file) {
  const auto program = find_program(scheduler.submit.front());
  if (!program)
    throw usage_error("--now", fmt::format("there is no {} on PATH", scheduler.submit.front()),
                      "Submit it where there is one.");
  SpawnRequest request{.executable = *program,
                       .name = scheduler.submit.front(),
                       .arguments = {scheduler.submit.begin() + 1, scheduler.submit.end()}};
  request.arguments.push_back(file.string());
  request.output = STDOUT_FILENO;
  request.error = STDERR_FILENO;
  Child child(request);
  std::optional<ExitStatus> ended;
  while (!ended) ended = child.wait_until(now_ns() + s_to_ns(60));
  return ended->code.value_or(static_cast<int>(ExitCode::internal));
}

int submit(const SubmitOptions& options) {
  check_options(options);
  const StudyFiles files(options.flags.study.directory);
  const bool has_sources = !options.flags.configs.empty() || !options.flags.models.empty();
  const StudyPlan plan = has_sources ? plan_of(options.flags) : read_plan(files);
  settle_plan(files, plan, options.flags.study.force, true);
  if (options.flags.study.retry_failed) put_failed_back(files);
  const StudyStatus status = study_status(files);
  if (status.left == 0)
    throw usage_error(
        files.directory().string(), "nothing is left to be run",
        status.failed.empty() ? "cotenant analyze prints what came of it." : "--retry-failed takes the failed.");
  const Scheduler& scheduler = scheduler_named(options.scheduler);
  const JobRequest job = request_of(options, files, plan, status);
  make_directory(files.in("submit"), "Choose another --study.");
  const fs::path file = files.in("submit", scheduler.file);
  write_file(file, scheduler.text(job));
  warn(options);
  std::string command;
  for (const std::string& word : scheduler.submit) command += word + " ";
  print_all(fmt::format("{} runs are left, {} of work; the job may take {} on {} processes\n{}{}\n", status.left,
                        format_duration_s(status.work_s), format_duration_s(job.limit_s),
                        job.tasks * std::max(1, job.gpus),
                        options.now ? "submitted: " : "submit it: ", command + shell_word(file.string())));
  return options.now ? submit_now(scheduler, file) : 0;
}

}  // namespace

void add_submit(Subcommand& app, int& exit_code) {
  auto options = std::make_shared<SubmitOptions>();
  Subcommand command =
      app.add_subcommand("submit", "Writes the job that runs a study on a cluster, and says how it is submitted");
  command.add_option("scheduler", options->scheduler, "slurm, mpi or kubernetes")
      .required()
      .one_of({"slurm", "mpi", "kubernetes"});
  add_source_options(command, options->flags);
  command.add_option("--study", options->flags.study.directory, "directory of the study, which all hosts share")
      .type_name("DIR")
      .not_empty();
  command.add_option("--tasks", options->tasks, "processes that are started").range(1, 100000).show_default();
  command.add_option("--gpus", options->gpus, "GPUs of each; with several, one run on each at a time; 0: none")
      .range(0, 64)
      .show_default();
  command.add_option("--time", options->limit_min, "minutes for the job, instead of what the plan's estimate comes to")
      .range(1.0, 1e6);
  command.add_flag("--shared-nodes", options->shared_nodes, "slurm: nodes need not be exclusive");
  command.add_option("--option", options->options, "one more of the scheduler's own, e.g. --option=--partition=gpu")
      .one_value_each();
  command.add_option("--image", options->image, "kubernetes: an image with cotenant in it");
  command.add_option("--volume", options->volume, "kubernetes: the claim of the volume that holds the study");
  command.add_option("--mount", options->mount, "kubernetes: where it is in the container; default: above the study");
  command.add_flag("--retry-failed", options->flags.study.retry_failed, "also the runs of the study that failed");
  command.add_flag("--force", options->flags.study.force, "change the plan of a study");
  command.add_flag("--now", options->now, "submit it");
  command.callback([options, &exit_code] { exit_code = submit(*options); });
}

}  // namespace cotenant
