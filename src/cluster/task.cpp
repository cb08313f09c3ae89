#include "cluster/task.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <string_view>

#include "base/error.h"

namespace cotenant {
namespace {

using Variable = std::function<const char*(const char*)>;

// Where a launcher says who a process is. Names of variables; null: it has none.
struct Launcher {
  const char *rank, *size, *job;
  bool together;
  const char* least = nullptr;         // the rank that counts as 0
  const char* step = nullptr;          // the distance of ranks
  const char* size_of_part = nullptr;  // of that part of the job to which ranks belong, where there are parts
};

constexpr Launcher kLaunchers[] = {
    {.rank = "COTENANT_RANK", .size = "COTENANT_SIZE", .job = nullptr, .together = false},
    {.rank = "FLUX_TASK_RANK", .size = "FLUX_JOB_SIZE", .job = "FLUX_JOB_ID", .together = true},
    {.rank = "OMPI_COMM_WORLD_RANK", .size = "OMPI_COMM_WORLD_SIZE", .job = "PMIX_NAMESPACE", .together = true},
    {.rank = "PMI_RANK", .size = "PMI_SIZE", .job = nullptr, .together = true},
    // Kubernetes does not tell its pods how many there are: manifests of `cotenant submit` do.
    {.rank = "JOB_COMPLETION_INDEX", .size = "COTENANT_SIZE", .job = nullptr, .together = false},
    {.rank = "SLURM_PROCID",
     .size = "SLURM_NTASKS",
     .job = "SLURM_JOB_ID",
     .together = true,
     .size_of_part = "SLURM_STEP_NUM_TASKS"},
    {.rank = "SLURM_ARRAY_TASK_ID",
     .size = "SLURM_ARRAY_TASK_COUNT",
     .job = nullptr,
     .together = false,
     .least = "SLURM_ARRAY_TASK_MIN",
     .step = "SLURM_ARRAY_TASK_STEP"},
};

std::optional<int> number_in(std::string_view text) {
  int value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (text.empty() || error != std::errc() || end != text.data() + text.size() || value < 0) return std::nullopt;
  return value;
}

std::optional<int> number_of(const Variable& variable, const char* name) {
  const char* text = name ? variable(name) : nullptr;
  if (!text) return std::nullopt;
  if (const auto value = number_in(text)) return value;
  throw usage_error(name, fmt::format("expected a number, found \"{}\"", text),
                    "It says which process of how many this is: correct it, or unset it.");
}

// The script of a job of Slurm is rank 0 of however many tasks the job may start, and is none of them: those are of a
// step.
bool is_batch_script(const Launcher& launcher, const Variable& variable, int rank) {
  return std::string_view(launcher.rank) == "SLURM_PROCID" && rank == 0 && variable("SLURM_JOB_ID") != nullptr &&
         variable("SLURM_STEP_ID") == nullptr;
}

ClusterTask task_of(const Launcher& launcher, const Variable& variable, int rank) {
  auto size = number_of(variable, launcher.size_of_part);
  if (!size) size = number_of(variable, launcher.size);
  if (!size)
    throw usage_error(launcher.rank, fmt::format("is {}, and {} is not set: of how many?", rank, launcher.size),
                      fmt::format("Set {}, or unset {} to run by yourself.", launcher.size, launcher.rank));
  const int least = number_of(variable, launcher.least).value_or(0);
  const int step = std::max(1, number_of(variable, launcher.step).value_or(1));
  const int index = (rank - least) / step;
  if (index < 0 || index >= *size)
    throw usage_error(launcher.rank, fmt::format("is {}, which is none of {} ({})", rank, *size, launcher.size),
                      "Ranks count from 0.");
  const char* job = launcher.job ? variable(launcher.job) : nullptr;
  return {.rank = index,
          .size = *size,
          .from = launcher.rank,
          .job = job ? job : "",
          .together = launcher.together && *size > 1};
}

}  // namespace

std::string ClusterTask::text() const {
  return several() ? fmt::format("{} of {}", rank + 1, size) : "";
}

std::optional<ClusterTask> cluster_task(const Variable& variable) {
  std::optional<ClusterTask> alone;
  for (const Launcher& launcher : kLaunchers) {
    const auto rank = number_of(variable, launcher.rank);
    if (!rank || is_batch_script(launcher, variable, *rank)) continue;
    ClusterTask task = task_of(launcher, variable, *rank);
    // A task of a job array may start a step of one task.
    if (task.several()) return task;
    if (!alone) alone = std::move(task);
  }
  return alone;
}

Shard shard_from(const std::string& text) {
  const size_t slash = text.find('/');
  const auto k = number_in(text.substr(0, slash));
  const auto n = slash == std::string::npos ? std::nullopt : number_in(text.substr(slash + 1));
  if (!k || !n || *k < 1 || *n < 1 || *k > *n)
    throw usage_error("--shard", fmt::format("expected K/N with K from 1 to N, found \"{}\"", text),
                      "For example --shard 2/4: the second quarter of the runs.");
  return {.index = *k - 1, .count = *n};
}

}  // namespace cotenant
