#include "results/iteration_log.h"

#include <gtest/gtest.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/statvfs.h>

#include <filesystem>
#include <fstream>
#include <memory>
#include <vector>

#include "base/temporary_directory.h"

namespace cotenant {
namespace {

namespace fs = std::filesystem;

Iteration made(int i) {
  Iteration iteration;
  iteration.latency_ms = 1 + i * 0.001;
  if (i % 3 != 0) iteration.start_s = i;
  if (i % 3 != 0) iteration.end_s = i + 0.5;
  iteration.status = i % 7 == 0 ? IterationStatus::failed : IterationStatus::ok;
  if (i % 2 == 0) iteration.ttft_ms = i * 0.25;
  if (i % 4 == 0) iteration.tokens_in = i;
  iteration.tokens_out = i % 5;
  for (int token = 0; token < i % 5; ++token) iteration.token_s.push_back(i + token * 0.1);
  return iteration;
}

uint64_t resident_kib() {
  std::ifstream status("/proc/self/status");
  for (std::string word; status >> word;)
    if (uint64_t kib = 0; word == "RssAnon:" && status >> kib) return kib;
  return 0;
}

class IterationLogTest : public testing::TestWithParam<int> {};

TEST_P(IterationLogTest, GivesBackWhatItWasGivenAsOftenAsAsked) {
  const TemporaryDirectory directory;
  IterationLog log(std::make_shared<IterationStore>(directory.path()));
  for (int i = 0; i < GetParam(); ++i) log.append(made(i));
  EXPECT_EQ(log.size(), GetParam());
  for (int pass = 0; pass < 2; ++pass) {
    int i = 0;
    log.for_each([&](const Iteration& found) {
      const Iteration expected = made(i++);
      EXPECT_EQ(found.latency_ms, expected.latency_ms);
      EXPECT_EQ(found.start_s, expected.start_s);
      EXPECT_EQ(found.end_s, expected.end_s);
      EXPECT_EQ(found.status, expected.status);
      EXPECT_EQ(found.ttft_ms, expected.ttft_ms);
      EXPECT_EQ(found.tpot_ms, expected.tpot_ms);
      EXPECT_EQ(found.tokens_in, expected.tokens_in);
      EXPECT_EQ(found.tokens_out, expected.tokens_out);
      EXPECT_EQ(found.token_s, expected.token_s);
    });
    EXPECT_EQ(i, GetParam());
  }
}

// None, within the buffer, and beyond what is read at once.
INSTANTIATE_TEST_SUITE_P(Lengths, IterationLogTest, testing::Values(0, 1, 10, 20'000));

TEST(IterationLog, LeavesNothingInTheDirectoryAndLittleInMemory) {
  const TemporaryDirectory directory;
  IterationLog log(std::make_shared<IterationStore>(directory.path()));
  Iteration iteration = made(1);
  log.append(iteration);
  const uint64_t before_kib = resident_kib();
  for (int i = 0; i < 1'000'000; ++i) log.append(iteration);
  int64_t seen = 0;
  log.for_each([&](const Iteration&) { ++seen; });
  EXPECT_EQ(seen, log.size());
  EXPECT_LT(resident_kib(), before_kib + 16384);  // they are over 60 MiB; a sanitizer keeps what is freed for a while
  EXPECT_TRUE(fs::is_empty(directory.path()));
}

uint64_t free_bytes(const fs::path& directory) {
  struct statvfs status {};
  EXPECT_EQ(::statvfs(directory.c_str(), &status), 0);
  return status.f_bavail * status.f_frsize;
}

void expect_all(const IterationLog& log, int count, int first, int step) {
  int i = first;
  log.for_each([&](const Iteration& found) {
    EXPECT_EQ(found.latency_ms, made(i).latency_ms);
    EXPECT_EQ(found.token_s, made(i).token_s);
    i += step;
  });
  EXPECT_EQ(i, first + count * step);
}

TEST(IterationLog, OnesThatShareAStoreKeepTheirOwn) {
  const TemporaryDirectory directory;
  const auto store = std::make_shared<IterationStore>(directory.path());
  std::vector<IterationLog> logs(3, IterationLog(store));
  for (int i = 0; i < 30'000; ++i) logs[static_cast<size_t>(i % 3)].append(made(i));
  for (int i = 0; i < 3; ++i) expect_all(logs[static_cast<size_t>(i)], 10'000, i, 3);
}

TEST(IterationLog, GoesOnInAnotherFileWhereTheirSizeIsLimited) {
  const TemporaryDirectory directory;
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &before), 0);
  const rlimit little{.rlim_cur = 100'000, .rlim_max = before.rlim_max};
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &little), 0);
  IterationLog log(std::make_shared<IterationStore>(directory.path()));
  for (int i = 0; i < 10'000; ++i) log.append(made(i));
  expect_all(log, 10'000, 0, 1);
  ::setrlimit(RLIMIT_FSIZE, &before);
}

TEST(IterationLog, RoomThatIsReservedIsGivenBack) {
  const TemporaryDirectory directory;
  if (::mount("tmpfs", directory.path().c_str(), "tmpfs", 0, "size=1m") != 0) GTEST_SKIP() << "may not mount a tmpfs";
  const uint64_t before = free_bytes(directory.path());
  const auto store = std::make_shared<IterationStore>(directory.path());
  store->reserve(10u << 20);  // more than there is: none
  EXPECT_EQ(free_bytes(directory.path()), before);
  store->reserve(256u << 10);
  EXPECT_EQ(free_bytes(directory.path()), before - (256u << 10));
  IterationLog log(store);
  for (int i = 0; i < 3'000; ++i) log.append(made(i));  // into what is reserved
  EXPECT_EQ(free_bytes(directory.path()), before - (256u << 10));
  expect_all(log, 3'000, 0, 1);
  store->drop();
  EXPECT_EQ(free_bytes(directory.path()), before);
  for (int i = 0; i < 3'000; ++i) log.append(made(i));
  EXPECT_EQ(free_bytes(directory.path()), before);
  ::umount(directory.path().c_str());
}

TEST(IterationLog, OutlivesItsDirectory) {
  IterationLog log(std::make_shared<IterationStore>("/nonexistent/directory"));
  for (int i = 0; i < 10'000; ++i) log.append(made(i));
  int i = 0;
  log.for_each([&](const Iteration& found) { EXPECT_EQ(found.latency_ms, made(i++).latency_ms); });
  EXPECT_EQ(i, 10'000);
}

}  // namespace
}  // namespace cotenant
