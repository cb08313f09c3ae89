#include "base/device_name.h"

#include <fmt/format.h>

#include <charconv>
#include <string_view>

#include "base/error.h"

namespace cotenant {

size_t device_ordinal(const std::string& device) {
  if (device == "cuda") return 0;
  constexpr std::string_view prefix = "cuda:";
  size_t index = 0;
  if (device.starts_with(prefix)) {
    const char *begin = device.data() + prefix.size(), *end = device.data() + device.size();
    if (const auto [rest, error] = std::from_chars(begin, end, index); error == std::errc() && rest == end)
      return index;
  }
  throw usage_error("device", fmt::format("expected cpu, cuda, cuda:N or auto, found '{}'", device));
}

}  // namespace cotenant
