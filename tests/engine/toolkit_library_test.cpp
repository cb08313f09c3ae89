#include "engine/native/toolkit_library.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <string>
#include <vector>

#include "base/temporary_directory.h"

namespace cotenant {
namespace {

namespace fs = std::filesystem;

// The places of a test's own. In place of cuBLASLt: small libraries of glibc that no program loads by itself.
class ToolkitLibraryTest : public testing::Test {
 protected:
  void SetUp() override {
    setenv("CUDA_HOME", (root_ / "cuda").c_str(), 1);
    setenv("VIRTUAL_ENV", (root_ / "venv").c_str(), 1);
    fs::create_directories(toolkit_);
    fs::create_directories(packages_);
  }
  void TearDown() override {
    unsetenv("CUDA_HOME");
    unsetenv("VIRTUAL_ENV");
  }
  void put(const std::string& library, const fs::path& directory) const {
    fs::copy_file(fs::path(loaded_from("libc.so.6")).parent_path() / library, directory / library);
  }

  const TemporaryDirectory directory_;
  const fs::path root_ = directory_.path();
  const fs::path toolkit_ = root_ / "cuda" / "lib64";
  const fs::path packages_ = root_ / "venv/lib/python3.11/site-packages/nvidia/cu13/lib";
};

TEST_F(ToolkitLibraryTest, LooksInTheToolkitBeforeThePackages) {
  std::vector<fs::path> own;
  for (const fs::path& directory : toolkit_directories())
    if (directory.string().starts_with(root_.string())) own.push_back(directory);
  EXPECT_THAT(own, testing::ElementsAre(toolkit_, packages_));
}

TEST_F(ToolkitLibraryTest, TakesTheToolkits) {
  put("libBrokenLocale.so.1", toolkit_);
  put("libBrokenLocale.so.1", packages_);
  ASSERT_EQ(loaded_from("libBrokenLocale.so.1"), "");
  EXPECT_TRUE(open_toolkit_library("libBrokenLocale.so.1"));
  EXPECT_EQ(loaded_from("libBrokenLocale.so.1"), toolkit_ / "libBrokenLocale.so.1");
}

TEST_F(ToolkitLibraryTest, TakesThePackagesWhereTheToolkitHasNone) {
  put("libanl.so.1", packages_);
  ASSERT_EQ(loaded_from("libanl.so.1"), "");
  EXPECT_TRUE(open_toolkit_library("libanl.so.1"));
  EXPECT_EQ(loaded_from("libanl.so.1"), packages_ / "libanl.so.1");
}

TEST_F(ToolkitLibraryTest, ThereMayBeNone) {
  EXPECT_FALSE(open_toolkit_library("libcotenant-none.so.1"));
  EXPECT_EQ(loaded_from("libcotenant-none.so.1"), "");
}

}  // namespace
}  // namespace cotenant
