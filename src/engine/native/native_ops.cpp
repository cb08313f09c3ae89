#include "engine/native/native_ops.h"

#include "model/model.h"

namespace cotenant {

OpsOptions ops_options(const EngineOptions& options, bool dry_run, MemoryNeed reserve) {
  return {.device = options.device,
          .dtype = options.dtype,
          .threads = options.threads,
          .spin = options.wait == Wait::spin,
          .dry_run = dry_run,
          .reserve = reserve,
          .label = options.label.empty() ? options.model->name : options.label,
          .share = options.share,
          .priority = options.priority,
          .memory_limit_bytes = options.memory_limit_bytes,
          .yield = options.yield};
}

}  // namespace cotenant
