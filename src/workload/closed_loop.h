#pragma once

#include <cstdint>

// When a request is due. A room that knows no model: arrivals are instants, and virtual, that is, the tenant's own loop
// asks for the next one and no generator runs beside it.
namespace cotenant {

// The next request is due as soon as the last one is done.
struct ClosedLoop {
  int64_t next_ns(int64_t idle_since_ns) const { return idle_since_ns; }
};

}  // namespace cotenant
