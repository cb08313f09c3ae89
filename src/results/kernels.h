#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

// What a tenant's work was on the device, as `cotenant profile` records it. Two files in the tenant's directory:
//   kernel_names.json  the table of names, and what is missing from the other file
//   kernels.csv        a line per activity: start_s,end_s,kind,name,stream,graph,size,threads
namespace cotenant {

struct KernelActivity {
  enum class Kind : uint8_t { kernel, copy, fill, range };
  double start_s = 0, end_s = 0;  // since T0
  uint64_t size = 0;              // kernel: blocks of the grid; copy and fill: bytes
  uint32_t threads = 0;           // kernel: per block
  uint32_t name = 0;              // index into KernelRecords::names
  uint32_t stream = 0;
  uint32_t graph = 0;  // 0: not launched by a graph
  Kind kind = Kind::kernel;

  bool operator==(const KernelActivity&) const = default;
  bool on_device() const { return kind != Kind::range; }  // a range is the host's
};

std::string_view to_string(KernelActivity::Kind kind);  // "kernel", "copy", "fill", "range"

struct KernelRecords {
  std::vector<std::string> names;
  std::vector<KernelActivity> activities;  // in any order
  uint64_t missing = 0;                    // activities that were not kept or could not be timed
  std::string problem;                     // why; empty: nothing is missing
  bool torn_last_line = false;             // of kernels.csv: cut while it was written, ignored
};

// Times are rounded to nanoseconds. Throws as OutputFile does, and internal_error for a name outside of the table.
void write_kernels(const std::filesystem::path& tenant_directory, const KernelRecords& records);

bool has_kernels(const std::filesystem::path& tenant_directory);

// Throws usage_error with "<file>:<line>" for a line that is no activity; a last line without its newline is ignored.
KernelRecords read_kernels(const std::filesystem::path& tenant_directory);

}  // namespace cotenant
