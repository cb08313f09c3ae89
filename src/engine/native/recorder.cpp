#include "engine/native/recorder.h"

#include <fmt/format.h>

#include "engine/native/module.h"

namespace cotenant {

const CuptiModule& cupti_module() {
  static const CuptiModule* const module = open_module<CuptiModuleFunction>(
      {.name = "cotenant_cupti.so",
       .variable = "COTENANT_CUPTI_MODULE",
       .symbol = cupti_module_symbol,
       .libraries = {fmt::format("libcupti.so.{}", COTENANT_CUDA_MAJOR)},
       .what = "the recorder of kernels",
       .missing = "this build cannot record kernels: it was made without CUPTI",
       .remedy = "CUPTI comes with the CUDA toolkit (NVIDIA's package cuda-cupti-dev-<version>, or pip's "
                 "nvidia-cuda-cupti): build where it is installed, with libcupti on the library path."});
  return *module;
}

}  // namespace cotenant
