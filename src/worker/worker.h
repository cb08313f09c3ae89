#pragma once

namespace cotenant {

// A worker's life, as `cotenant worker`: descriptor 3 is its socket to the driver, 4 and up are the event rings of its
// tenants, and behind them the pipes of a tenant with a program. It hosts one tenant, or all of them where the sharing
// mode wants one process. When the driver is gone, so is it. Returns its exit code.
int worker_main();

}  // namespace cotenant
