#pragma once

#include <cstdint>
#include <string>
#include <vector>

// What the recorder of device activity (cotenant_cupti.so) exports: one C function that returns one table, as
// cuda_module.h does for the CUDA engine. It is a module of its own because CUPTI slows every launch down, so that only
// `cotenant profile` opens it.
namespace cotenant {

// A kernel, copy or fill on the device, or an NVTX range on the host. Times are CLOCK_MONOTONIC.
struct DeviceActivity {
  enum class Kind : uint8_t { kernel, copy, fill, range };
  int64_t start_ns = 0, end_ns = 0;
  uint64_t size = 0;     // kernel: blocks of the grid; copy and fill: bytes
  uint32_t threads = 0;  // kernel: per block
  uint32_t name = 0;     // index into DeviceRecording::names
  uint32_t stream = 0;   // CUPTI's number of it
  uint32_t graph = 0;    // 0: not of a graph
  uint32_t thread = 0;   // that launched it, as gettid; 0: not known
  Kind kind = Kind::kernel;
};

struct DeviceRecording {
  std::vector<std::string> names;  // demangled
  std::vector<DeviceActivity> activities;
  uint64_t over_limit = 0;  // not kept: the limit was reached
  uint64_t dropped = 0;     // lost by CUPTI
  uint64_t untimed = 0;     // that CUPTI could not time, or that had not ended
  std::string problem;      // what went wrong while recording; empty: nothing
};

struct CuptiOptions {
  uint64_t most =
      5'000'000;  // activities kept in memory, 48 bytes each, and as much again while they are divided among tenants
};

struct CuptiModule {
  const char* version;  // cotenant::version() of the module's build
  // Before the first CUDA call of the process, once. Throws Error.
  void (*start)(const CuptiOptions& options);
  // Keeps what ends after this instant (CLOCK_MONOTONIC); until it is called, nothing is kept.
  void (*keep_from)(int64_t instant_ns);
  // Collects everything; device work should be over. Once.
  DeviceRecording (*stop)();
};

// The name and type of the exported function.
inline constexpr const char* cupti_module_symbol = "cotenant_cupti_module";
using CuptiModuleFunction = const CuptiModule* (*)();

}  // namespace cotenant
