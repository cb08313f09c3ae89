#include <memory>

#include "base/version.h"
#include "engine/native/cuda/cuda_ops.h"
#include "engine/native/cuda/device.h"
#include "engine/native/cuda/green_share.h"
#include "engine/native/cuda_module.h"
#include "engine/stress/cuda/loads.h"

namespace cotenant {
namespace {

std::unique_ptr<Ops> make_cuda_ops(const OpsOptions& options) {
  return std::make_unique<CudaOps>(options);
}

}  // namespace
}  // namespace cotenant

// The one symbol that the module shows.
extern "C" __attribute__((visibility("default"))) const cotenant::CudaModule* cotenant_cuda_module() {
  static const cotenant::CudaModule module{cotenant::version(), cotenant::query_status, cotenant::make_cuda_ops,
                                           cotenant::split_cuda_device, cotenant::make_cuda_load};
  return &module;
}
