#pragma once

namespace cotenant {

// A part of a device's multiprocessors that work can be confined to (a green context). Whoever records or launches on
// it keeps it alive.
class DeviceShare {
 public:
  virtual ~DeviceShare() = default;
  virtual int sms() const = 0;  // as granted
};

}  // namespace cotenant
