#include "cluster/submit.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <cmath>
#include <nlohmann/json.hpp>
#include <string_view>

namespace cotenant {
namespace {

using nlohmann::ordered_json;

constexpr double kSpare = 1.5, kQueueing_s = 300;
constexpr int kMostRestarts = 10;
constexpr size_t kLongestName = 63;  // of an object of Kubernetes that becomes a label

std::string worker_command(const JobRequest& job) {
  return fmt::format("{} run --study {}{}", shell_word(job.program), shell_word(job.study.string()),
                     job.gpus > 1 ? " --devices all" : "");
}

std::string slurm_time(double seconds) {
  const auto minutes = static_cast<long>(std::ceil(seconds / 60));
  return fmt::format("{:02}:{:02}:00", minutes / 60, minutes % 60);
}

// Lower-case letters, digits and dashes, as Kubernetes has names.
std::string object_name(const std::string& text) {
  std::string name = "cotenant";
  for (const char c : "-" + text) {
    const auto byte = static_cast<unsigned char>(c);
    const char fit = std::isalnum(byte) && byte < 128 ? static_cast<char>(std::tolower(byte)) : '-';
    if (fit != '-' || name.back() != '-') name += fit;
  }
  name.resize(std::min(name.size(), kLongestName));
  while (name.back() == '-') name.pop_back();
  return name;
}

}  // namespace

double limit_s(double work_s, double longest_s, int processes) {
  const double needed = work_s / std::max(1, processes) + longest_s;
  return 60 * std::ceil((kSpare * needed + kQueueing_s) / 60);
}

std::string shell_word(const std::string& text) {
  const bool plain = !text.empty() && std::ranges::all_of(text, [](char c) {
    return std::isalnum(static_cast<unsigned char>(c)) ||
           std::string_view("_-./=:,@%+").find(c) != std::string_view::npos;
  });
  if (plain) return text;
  std::string word = "'";
  for (const char c : text) word += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return word + "'";
}

std::string slurm_script(const JobRequest& job) {
  std::string text = "#!/bin/sh\n";
  const auto option = [&](const std::string& line) { text += "#SBATCH " + line + "\n"; };
  option("--job-name=" + object_name(job.name));
  option(fmt::format("--ntasks={}", job.tasks));
  if (job.gpus > 0) option(fmt::format("--gpus-per-task={}", job.gpus));
  if (job.exclusive) option("--exclusive");
  option("--time=" + slurm_time(job.limit_s));
  option("--signal=TERM@60");  // to the tasks, which then give back what they have
  option("--requeue");
  option("--open-mode=append");
  option("--output=" + (job.study / ".study" / "submit" / "slurm-%j.log").string());
  for (const std::string& more : job.options) option(more);
  text += fmt::format(
      "\ncd {} || exit 2\n"
      "srun --kill-on-bad-exit=0 {}\n"
      "code=$?\n\n"
      "# What is left, as after a node's failure or at the end of the time, is taken up by this job again.\n"
      "{} status {} >/dev/null\n"
      "if [ $? = 6 ] && [ \"${{SLURM_RESTART_COUNT:-0}}\" -lt {} ]; then\n"
      "  scontrol requeue \"$SLURM_JOB_ID\"\n"
      "fi\n"
      "exit $code\n",
      shell_word(job.place.string()), worker_command(job), shell_word(job.program), shell_word(job.study.string()),
      kMostRestarts);
  return text;
}

std::string mpi_script(const JobRequest& job) {
  std::string command = worker_command(job);
  // Nothing else divides the GPUs of a host among the ranks there.
  if (job.gpus == 1)
    command = "sh -c " +
              shell_word("CUDA_VISIBLE_DEVICES=${OMPI_COMM_WORLD_LOCAL_RANK:-${MPI_LOCALRANKID:-0}} exec " + command);
  std::string options;
  for (const std::string& more : job.options) options += " " + shell_word(more);
  return fmt::format(
      "#!/bin/sh\n"
      "# Arguments go to mpirun: --hostfile hosts. Once more while runs are left: after a rank's death mpirun ends "
      "all.\n"
      "cd {} || exit 2\n"
      "for attempt in 1 2 3; do\n"
      "  timeout {:.0f} mpirun -n {}{} \"$@\" {}\n"
      "  code=$?\n"
      "  {} status {} >/dev/null\n"
      "  [ $? = 6 ] || break\n"
      "done\n"
      "exit $code\n",
      shell_word(job.place.string()), job.limit_s, job.tasks, options, command, shell_word(job.program),
      shell_word(job.study.string()));
}

std::string kubernetes_manifest(const JobRequest& job) {
  ordered_json arguments{job.program, "run", "--study", job.study.string()};
  if (job.gpus > 1) arguments.insert(arguments.end(), {"--devices", "all"});
  ordered_json container{
      {"name", "cotenant"},
      {"image", job.image},
      {"command", arguments},
      {"env", ordered_json::array({{{"name", "COTENANT_SIZE"}, {"value", std::to_string(job.tasks)}}})},
      {"volumeMounts", ordered_json::array({{{"name", "study"}, {"mountPath", job.mount.string()}}})}};
  if (job.gpus > 0) container["resources"]["limits"]["nvidia.com/gpu"] = std::to_string(job.gpus);
  const ordered_json volume{{"name", "study"}, {"persistentVolumeClaim", {{"claimName", job.volume}}}};
  const ordered_json pod{{"restartPolicy", "OnFailure"},
                         {"containers", ordered_json::array({container})},
                         {"volumes", ordered_json::array({volume})}};
  const ordered_json manifest{{"apiVersion", "batch/v1"},
                              {"kind", "Job"},
                              {"metadata", {{"name", object_name(job.name)}}},
                              {"spec",
                               {{"completionMode", "Indexed"},
                                {"completions", job.tasks},
                                {"parallelism", job.tasks},
                                {"backoffLimit", kMostRestarts * job.tasks},
                                {"activeDeadlineSeconds", static_cast<long>(job.limit_s)},
                                {"template", {{"spec", pod}}}}}};
  return manifest.dump(2) + "\n";
}

}  // namespace cotenant
