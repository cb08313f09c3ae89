#pragma once

#include <functional>
#include <optional>
#include <string>

namespace cotenant {

// This process as one of several that a scheduler or launcher has started for one command. What it says is read from
// the environment; no library of any of them is linked.
struct ClusterTask {
  int rank = 0, size = 1;
  std::string from;  // the variable that told the rank
  std::string job;   // names this start of it, where that is known; empty: it is not
  // All of its processes start together, and each can wait for the others. Those of job arrays start when there is
  // room.
  bool together = false;

  bool several() const { return size > 1; }
  std::string text() const;  // "3 of 8" (from 1); empty unless several
};

// COTENANT_RANK and COTENANT_SIZE, else Flux, OpenMPI, a PMI (MPICH, Intel MPI), an indexed job of Kubernetes, a step
// of Slurm, a job array of Slurm: the innermost first, since mpirun may run inside of a Slurm job. `variable` is getenv
// or stands for it. nullopt: none of them. Throws usage_error for a rank without a size and for one that is none.
std::optional<ClusterTask> cluster_task(const std::function<const char*(const char*)>& variable);

// --shard K/N: only every Nth run, from the Kth on.
struct Shard {
  int index = 0, count = 1;  // index from 0

  bool has(size_t run) const { return static_cast<int>(run % static_cast<size_t>(count)) == index; }
};
Shard shard_from(const std::string& text);  // "2/4"; throws usage_error

}  // namespace cotenant
