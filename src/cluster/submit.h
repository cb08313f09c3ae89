#pragma once

#include <filesystem>
#include <string>
#include <vector>

// What a scheduler is given so that it starts the processes of a study. Pure text; nothing is run here.
namespace cotenant {

struct JobRequest {
  std::filesystem::path study;
  std::string program;               // cotenant, as the job is to call it
  std::string name;                  // of the job
  std::filesystem::path place;       // in which the job begins
  int tasks = 1;                     // processes that are started
  int gpus = 1;                      // of each; with several it starts one process for each of them
  double limit_s = 0;                // after which the job is ended
  bool exclusive = true;             // nodes are nobody else's (Slurm)
  std::vector<std::string> options;  // more of the scheduler's own: "--partition=gpu"
  std::string image, volume;         // Kubernetes: the container's, and the claim of the volume that holds the study
  std::filesystem::path mount;       // Kubernetes: where the volume is in the container
};

// For how long a job of so many processes should be allowed to run: half as long again as the work takes when it is
// divided, with the longest run at its end, and 5 minutes to start; in whole minutes.
double limit_s(double work_s, double longest_s, int processes);

// A word of a POSIX shell that stands for exactly this text.
std::string shell_word(const std::string& text);

std::string slurm_script(const JobRequest& job);         // for sbatch; puts itself back while runs are left
std::string mpi_script(const JobRequest& job);           // for sh; its arguments go to mpirun
std::string kubernetes_manifest(const JobRequest& job);  // for kubectl; an indexed Job of batch/v1, in JSON

}  // namespace cotenant
