#include "base/temporary_directory.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

#include "base/error.h"

namespace cotenant {
namespace {

namespace fs = std::filesystem;

// A variable of the environment while the object lives.
class Variable {
 public:
  Variable(const char* name, const std::string& value) : name_(name) {
    if (const char* before = std::getenv(name)) before_ = before;
    setenv(name, value.c_str(), 1);
  }
  ~Variable() {
    if (before_.empty())
      unsetenv(name_);
    else
      setenv(name_, before_.c_str(), 1);
  }

 private:
  const char* name_;
  std::string before_;
};

TEST(TemporaryDirectoryTest, GoesWithWhatIsInIt) {
  fs::path path;
  {
    const TemporaryDirectory directory;
    path = directory.path();
    std::ofstream(path / "file") << "x";
    EXPECT_TRUE(is_temporary_directory(path));
  }
  EXPECT_FALSE(fs::exists(path));
}

TEST(TemporaryDirectoryTest, NothingElseIsRemovedAsOne) {
  const TemporaryDirectory own;
  const fs::path inside = own.path() / ".cotenant-abcdef", link = own.path().parent_path() / ".cotenant-link-of-a-test";
  fs::create_directory(inside);  // such a name, at another place
  fs::permissions(inside, fs::perms::owner_all);
  fs::create_directory_symlink(inside, link);
  for (const fs::path& path : {inside, link, own.path() / "none", fs::path("/"), fs::path("/tmp"), fs::path("")})
    EXPECT_THROW(remove_temporary_directory(path), Error) << path;
  EXPECT_TRUE(fs::is_directory(inside));
  fs::remove(link);
  remove_temporary_directory(own.path());
  EXPECT_FALSE(fs::exists(own.path()));
}

TEST(TemporaryDirectoryTest, IsBelowTheCacheWhereTheSystemsPlaceCannotBeWritten) {
  const TemporaryDirectory home;
  const fs::path cache = home.path() / "not" / "there" / "yet";
  const Variable system("TMPDIR", "/proc"), own("XDG_CACHE_HOME", cache);  // nobody can write to /proc, root included
  const TemporaryDirectory directory;
  EXPECT_EQ(directory.path().parent_path(), cache);
  EXPECT_TRUE(is_temporary_directory(directory.path()));
}

TEST(TemporaryDirectoryTest, SaysWhereItLooked) {
  const Variable system("TMPDIR", "/proc"), own("XDG_CACHE_HOME", "/proc/none");
  try {
    const TemporaryDirectory directory;
    FAIL() << "made " << directory.path();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ExitCode::usage);
    EXPECT_NE(std::string(error.what()).find("/proc: "), std::string::npos) << error.what();
    EXPECT_NE(error.remedy().find("TMPDIR"), std::string::npos);
  }
}

}  // namespace
}  // namespace cotenant
