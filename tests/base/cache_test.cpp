#include "base/cache.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

#include "base/temporary_directory.h"

namespace cotenant {
namespace {

namespace fs = std::filesystem;

class CacheFileTest : public testing::Test {
 protected:
  void SetUp() override { setenv("XDG_CACHE_HOME", directory_.path().c_str(), 1); }
  void TearDown() override { unsetenv("XDG_CACHE_HOME"); }
  void put(const std::string& text) const { std::ofstream(path_, std::ios::binary) << text; }

  const TemporaryDirectory directory_;
  const fs::path path_ = directory_.path() / "cotenant" / "times.json";
};

TEST_F(CacheFileTest, HoldsWhatWasWrittenForTheSameThing) {
  const CacheFile file("times.json", "CPU, 1.0");
  EXPECT_EQ(file.path(), path_);
  EXPECT_FALSE(file.read());
  file.write("[1, 2]");
  EXPECT_EQ(CacheFile("times.json", "CPU, 1.0").read(), "[1, 2]\n");
  EXPECT_FALSE(CacheFile("times.json", "CPU, 1.1").read());
  EXPECT_FALSE(CacheFile("times.json", "CPU, 1").read());
  EXPECT_FALSE(CacheFile("others.json", "CPU, 1.0").read());
}

TEST_F(CacheFileTest, WhatNoCacheCanBeIsNone) {
  const CacheFile file("times.json", "CPU");
  file.write("[]");
  for (const size_t levels : {size_t{100}, size_t{1'000'000}}) {  // the destructors of JSON end a program with so many
    put("CPU\n" + std::string(levels, '[') + std::string(levels, ']'));
    EXPECT_FALSE(file.read());
  }
  put("CPU\n\"" + std::string(size_t{17} << 20, 'x') + "\"");
  EXPECT_FALSE(file.read());
  put(std::string(1000, '\0'));
  EXPECT_FALSE(file.read());
  fs::remove(path_);
  ASSERT_EQ(::mkfifo(path_.c_str(), 0600), 0);
  EXPECT_FALSE(file.read());
  file.write("[3]");  // in its place
  EXPECT_EQ(file.read(), "[3]\n");
}

TEST_F(CacheFileTest, WithoutAPlaceThereIsNone) {
  setenv("XDG_CACHE_HOME", "/proc/none", 1);
  const CacheFile file("times.json", "CPU");
  file.write("[]");
  EXPECT_FALSE(file.read());
}

}  // namespace
}  // namespace cotenant
