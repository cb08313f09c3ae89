#pragma once

#include <cstddef>
#include <cstdint>

#include "worker/messages.h"

namespace cotenant {

// Words of the ring through which a tenant's events come, one of `tenants` in the run. A ring's pages stay in memory
// once they were written, so all rings of a run share 32 MiB, from 512 KiB to 4 MiB each; more only where the requests
// that may end at once would not fit. 512 KiB hold 5,957 requests without tokens, which is 0.3 s of one each 50 us.
uint32_t ring_words(const TenantOrder& order, size_t tenants);

}  // namespace cotenant
