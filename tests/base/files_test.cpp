#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <functional>
#include <set>
#include <sstream>

#include "base/error.h"
#include "base/new_file.h"
#include "base/open_file.h"
#include "base/temporary_directory.h"

namespace cotenant {
namespace {

namespace fs = std::filesystem;

std::string text_of(const fs::path& file) {
  std::ostringstream text;
  text << std::ifstream(file, std::ios::binary).rdbuf();
  return text.str();
}

std::string refusal(const std::function<void()>& act) {
  try {
    act();
    return "no error";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ExitCode::usage);
    return error.what();
  }
}

class Files : public testing::Test {
 protected:
  fs::path at(const std::string& name) const { return directory_.path() / name; }
  fs::path write(const std::string& name, const std::string& text) const {
    std::ofstream(at(name)) << text;
    return at(name);
  }
  std::set<std::string> names() const {
    std::set<std::string> found;
    for (const auto& entry : fs::directory_iterator(directory_.path())) found.insert(entry.path().filename().string());
    return found;
  }

  const TemporaryDirectory directory_;
};

TEST_F(Files, OnlyARegularFileIsOpened) {
  const Fd fd = open_regular_file(write("file", "text"));
  char text[8] = "";
  EXPECT_EQ(::read(fd.get(), text, sizeof text), 4);

  fs::create_symlink(at("file"), at("link"));
  EXPECT_THAT(refusal([&] { open_regular_file(at("link")); }), testing::HasSubstr("symbolic link"));
  ASSERT_EQ(::mkfifo(at("fifo").c_str(), 0600), 0);
  EXPECT_THAT(refusal([&] { open_regular_file(at("fifo")); }), testing::HasSubstr("no regular file"));
  EXPECT_THAT(refusal([&] { open_regular_file("/dev/zero"); }), testing::HasSubstr("no regular file"));
  EXPECT_THAT(refusal([&] { open_regular_file(directory_.path()); }), testing::HasSubstr("a directory"));
  EXPECT_THAT(refusal([&] { open_regular_file(at("nothing")); }), testing::HasSubstr("cannot be read"));
}

TEST_F(Files, ALinkIsNeitherFileNorDirectory) {
  fs::create_directory(at("directory"));
  fs::create_symlink("directory", at("link"));
  fs::create_symlink(write("file", ""), at("file_link"));
  EXPECT_TRUE(is_real_directory(at("directory")));
  EXPECT_FALSE(is_real_directory(at("link")));
  EXPECT_FALSE(is_real_directory(at("file")));
  EXPECT_TRUE(is_real_file(at("file")));
  EXPECT_FALSE(is_real_file(at("file_link")));
  EXPECT_FALSE(is_real_file(at("nothing")));
}

TEST_F(Files, ANewFileIsNew) {
  EXPECT_TRUE(create_file(at("new")));
  write("victim", "precious");
  fs::create_symlink("victim", at("link"));
  fs::create_symlink("nowhere", at("dangling"));
  for (const char* name : {"victim", "link", "dangling"})
    EXPECT_THAT(refusal([&] { create_file(at(name)); }), testing::HasSubstr("File exists"));
  EXPECT_EQ(text_of(at("victim")), "precious");
  EXPECT_FALSE(fs::exists(at("nowhere")));
}

TEST_F(Files, AReplacementReplacesALinkAndNotItsTarget) {
  write("victim", "precious");
  fs::create_symlink("victim", at("file"));
  {
    ReplacementFile file(at("file"));
    ASSERT_EQ(::write(file.fd(), "new", 3), 3);
    EXPECT_EQ(text_of(at("file")), "precious");
    file.commit();
  }
  EXPECT_EQ(text_of(at("file")), "new");
  EXPECT_FALSE(fs::is_symlink(at("file")));
  EXPECT_EQ(text_of(at("victim")), "precious");
  EXPECT_EQ(names(), (std::set<std::string>{"file", "victim"}));
}

TEST_F(Files, AReplacementThatIsNotCommittedIsGone) {
  write("file", "old");
  { ReplacementFile file(at("file")); }
  EXPECT_EQ(text_of(at("file")), "old");
  EXPECT_EQ(names(), (std::set<std::string>{"file"}));
}

// As any program's new files.
TEST_F(Files, AReplacementHasTheModeThatTheUmaskLeaves) {
  const mode_t before = ::umask(027);
  {
    ReplacementFile file(at("file"));
    file.commit();
  }
  ::umask(before);
  EXPECT_EQ(fs::status(at("file")).permissions(), fs::perms(0640));
}

TEST(RandomName, IsAnotherEachTime) {
  std::set<std::string> names;
  for (int i = 0; i < 1000; ++i) names.insert(random_name());
  EXPECT_EQ(names.size(), 1000u);
}

}  // namespace
}  // namespace cotenant
