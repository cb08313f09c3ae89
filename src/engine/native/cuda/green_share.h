#pragma once

#include <cuda.h>

#include <memory>
#include <string>
#include <vector>

#include "engine/native/cuda/handles.h"
#include "engine/native/device_share.h"

// Green contexts, by the driver's API (the runtime's begins with CUDA 13.1).
namespace cotenant {

// The groups of multiprocessors a device divides into, each the smallest that the chip allows; a last, larger one holds
// what remains. 0 where the driver has no green contexts (before CUDA 12.5) or the chip none.
int count_sm_groups(int ordinal);

class GreenShare : public DeviceShare {
 public:
  explicit GreenShare(CUgreenCtx context) : context_(context) {}  // which it owns
  GreenShare(const GreenShare&) = delete;
  ~GreenShare() override;

  void set_sms(int sms) { sms_ = sms; }
  int sms() const override { return sms_; }
  // A stream whose kernels run on these multiprocessors alone, also when they are launched while the device's primary
  // context is current.
  Stream make_stream(int priority) const;

 private:
  CUgreenCtx context_;
  int sms_ = 0;
};

// One share per element, of so many groups, all disjoint because they come from one split. Throws usage_error where
// there are no green contexts or too few groups.
std::vector<std::shared_ptr<const DeviceShare>> split_cuda_device(const std::string& device,
                                                                  const std::vector<int>& groups);

}  // namespace cotenant
