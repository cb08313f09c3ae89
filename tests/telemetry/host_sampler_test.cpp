#include "telemetry/host_sampler.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"

namespace cotenant {
namespace {

TEST(HostSampler, SeesABusyTenantAndAnIdleOne) {
  const pid_t busy = ::fork();
  if (busy == 0)
    for (;;) now_ns();
  const pid_t idle = ::fork();
  if (idle == 0)
    for (;;) ::pause();
  HostSampler sampler({{"busy", {busy}}, {"idle", {idle}}});
  const int64_t t0_ns = now_ns();
  const TelemetrySample first = sampler.sample(t0_ns);
  EXPECT_FALSE(first.busy_cores);
  sleep_until_ns(now_ns() + s_to_ns(0.5));
  const TelemetrySample second = sampler.sample(t0_ns);
  for (const pid_t pid : {busy, idle}) {
    ::kill(pid, SIGKILL);
    ::waitpid(pid, nullptr, 0);
  }
  ASSERT_EQ(second.tenants.size(), 2u);
  EXPECT_GE(second.t_s, 0.5);
  EXPECT_GT(second.busy_cores, 0);
  EXPECT_GT(second.tenants[0].busy_cores, second.tenants[1].busy_cores);
  EXPECT_GT(second.tenants[1].resident_bytes, 0);
  EXPECT_GT(second.host_memory_used_bytes, 0);
}

TEST(HostSampler, LeavesOutTenantsOfOneProcess) {
  HostSampler sampler({{"a", {::getpid()}}, {"b", {::getpid()}}});
  EXPECT_TRUE(sampler.sample(now_ns()).tenants.empty());
}

TEST(HostSampler, LeavesOutATenantThatHasEnded) {
  const pid_t child = ::fork();
  if (child == 0) ::_exit(0);
  ::waitpid(child, nullptr, 0);
  HostSampler sampler({{"gone", {child}}});
  EXPECT_TRUE(sampler.sample(now_ns()).tenants.empty());
}

}  // namespace
}  // namespace cotenant
