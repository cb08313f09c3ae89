#pragma once

// The part of NVML's C interface that cotenant calls, declared here because nvml.h belongs to the CUDA toolkit while
// the library belongs to the driver. Names and layouts are those of NVIDIA's NVML API reference and of its Python
// binding (nvidia-ml-py). Included by the room's own files only.
namespace cotenant::nvml {

using Device = void*;
using GpmSample = void*;

enum Result : unsigned {
  success = 0,
  not_supported = 3,
  not_found = 6,
  insufficient_size = 7,
};

constexpr unsigned clock_sm = 1, clock_memory = 2;   // nvmlClockType_t
constexpr unsigned temperature_gpu = 0;              // nvmlTemperatureSensors_t
constexpr unsigned long long not_available = ~0ull;  // NVML_VALUE_NOT_AVAILABLE
constexpr unsigned text_bytes = 96;                  // of names and UUIDs: NVML_DEVICE_UUID_V2_BUFFER_SIZE
constexpr unsigned gpm_version = 1;                  // of GpmMetrics and GpmSupport
constexpr unsigned gpm_most_metrics = 512;           // NVML_GPM_METRIC_MAX is 333 to 477 by version

struct Memory {  // nvmlMemory_t
  unsigned long long total, free, used;
};
static_assert(sizeof(Memory) == 24);

struct Utilization {  // nvmlUtilization_t, in percent
  unsigned gpu, memory;
};

struct ProcessInfo {  // nvmlProcessInfo_v2_t, which the functions _v3 use
  unsigned pid;
  unsigned long long used_gpu_memory;
  unsigned gpu_instance_id, compute_instance_id;
};
static_assert(sizeof(ProcessInfo) == 24);

struct ProcessUse {  // nvmlProcessUtilizationSample_t; shares in percent
  unsigned pid;
  unsigned long long at_us;  // since the epoch
  unsigned sm, memory, encoder, decoder;
};
static_assert(sizeof(ProcessUse) == 32);

struct Attributes {  // nvmlDeviceAttributes_t
  unsigned multiprocessor_count, copy_engines, decoders, encoders, jpegs, ofas, gpu_slices, compute_slices;
  unsigned long long memory_size_mb;
};
static_assert(sizeof(Attributes) == 40);

struct GpmMetric {  // nvmlGpmMetric_t
  unsigned metric_id;
  Result result;
  double value;
  const char *short_name, *long_name, *unit;
};
static_assert(sizeof(GpmMetric) == 40);

struct GpmMetrics {  // nvmlGpmMetricsGet_t
  unsigned version, num_metrics;
  GpmSample sample1, sample2;
  GpmMetric metrics[gpm_most_metrics];
};

struct GpmSupport {  // nvmlGpmSupport_t
  unsigned version, is_supported;
};

// The functions, by name; nullptr where a driver has none of that name.
struct Api {
  Result (*nvmlInit_v2)();
  Result (*nvmlShutdown)();
  const char* (*nvmlErrorString)(Result);
  Result (*nvmlSystemGetDriverVersion)(char*, unsigned);
  Result (*nvmlDeviceGetCount_v2)(unsigned*);
  Result (*nvmlDeviceGetHandleByIndex_v2)(unsigned, Device*);
  Result (*nvmlDeviceGetHandleByUUID)(const char*, Device*);
  Result (*nvmlDeviceGetName)(Device, char*, unsigned);
  Result (*nvmlDeviceGetUUID)(Device, char*, unsigned);
  Result (*nvmlDeviceGetMemoryInfo)(Device, Memory*);
  Result (*nvmlDeviceGetComputeRunningProcesses_v3)(Device, unsigned*, ProcessInfo*);
  Result (*nvmlDeviceGetProcessUtilization)(Device, ProcessUse*, unsigned*, unsigned long long);
  Result (*nvmlDeviceGetMigMode)(Device, unsigned*, unsigned*);
  Result (*nvmlDeviceGetMaxMigDeviceCount)(Device, unsigned*);
  Result (*nvmlDeviceGetMigDeviceHandleByIndex)(Device, unsigned, Device*);
  Result (*nvmlDeviceGetDeviceHandleFromMigDeviceHandle)(Device, Device*);
  Result (*nvmlDeviceGetAttributes_v2)(Device, Attributes*);
  Result (*nvmlDeviceGetUtilizationRates)(Device, Utilization*);
  Result (*nvmlDeviceGetPowerUsage)(Device, unsigned*);                           // mW
  Result (*nvmlDeviceGetEnforcedPowerLimit)(Device, unsigned*);                   // mW
  Result (*nvmlDeviceGetTotalEnergyConsumption)(Device, unsigned long long*);     // mJ since the driver was loaded
  Result (*nvmlDeviceGetClockInfo)(Device, unsigned, unsigned*);                  // MHz
  Result (*nvmlDeviceGetMaxClockInfo)(Device, unsigned, unsigned*);               // MHz
  Result (*nvmlDeviceGetCpuAffinity)(Device, unsigned, unsigned long*);           // words; bits of the CPUs near it
  Result (*nvmlDeviceGetTemperature)(Device, unsigned, unsigned*);                // degrees Celsius
  Result (*nvmlDeviceGetCurrentClocksEventReasons)(Device, unsigned long long*);  // since driver 535
  Result (*nvmlDeviceGetCurrentClocksThrottleReasons)(Device, unsigned long long*);
  Result (*nvmlGpmQueryDeviceSupport)(Device, GpmSupport*);
  Result (*nvmlGpmSampleAlloc)(GpmSample*);
  Result (*nvmlGpmSampleFree)(GpmSample);
  Result (*nvmlGpmSampleGet)(Device, GpmSample);
  Result (*nvmlGpmMetricsGet)(GpmMetrics*);
};

}  // namespace cotenant::nvml
