#pragma once

#include "analysis/load.h"
#include "report/trace_events.h"

namespace cotenant {

// The recorded kernels, copies, fills and ranges of each tenant in its process, a thread per stream (and a further one
// for what overlaps within a stream), and a process for the device: when it was busy, and when with kernels of several
// tenants. Writes nothing where no tenant has such files. Holds one experiment's activities in memory.
void write_kernel_tracks(EventWriter& events, const LoadedExperiment& experiment);

}  // namespace cotenant
