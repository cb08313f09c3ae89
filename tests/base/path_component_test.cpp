#include "base/path_component.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <string>

#include "base/temporary_directory.h"

namespace cotenant {
namespace {

const std::string hostile[] = {"",
                               ".",
                               "..",
                               "../../etc/passwd",
                               "/etc/passwd",
                               "-rf",
                               ".hidden",
                               "a\nb",
                               "x\x1b[31m",
                               "\xff\xff",
                               std::string("a\0b", 3),
                               "\u202egnp.exe",
                               std::string(300, 'a'),
                               "ü" + std::string(199, '-'),
                               std::string(299, '/')};

TEST(PathComponent, IsOneComponentWhateverTheText) {
  const TemporaryDirectory directory;
  for (const std::string& text : hostile) {
    const std::string name = path_component(text);
    EXPECT_TRUE(is_path_component(name)) << name;
    EXPECT_LE(name.size(), kLongestComponent);
    EXPECT_NE(name.front(), '-');
    EXPECT_NE(name.front(), '.');
    // The file system's own word.
    const auto file = directory.path() / (name + ".incomplete");
    std::ofstream(file) << "x";
    EXPECT_TRUE(std::filesystem::is_regular_file(file)) << name;
    EXPECT_EQ(std::filesystem::canonical(file).parent_path(), std::filesystem::canonical(directory.path()));
    std::filesystem::remove(file);
  }
}

TEST(PathComponent, KeepsWhatIsFine) {
  for (const char* text : {"4_distilbert_1_mistral_mps", "my pair", "größe", "a?b", "x.yaml", "meta-llama"})
    EXPECT_EQ(path_component(text), text);
  EXPECT_EQ(path_component("org/model"), "org_model");
}

TEST(PathComponent, KeepsLongTextsApart) {
  const std::string common(250, 'a');
  EXPECT_NE(path_component(common + "1"), path_component(common + "2"));
}

TEST(IsPathComponent, RefusesWhatLeadsElsewhere) {
  for (const char* name : {"", ".", "..", "/", "a/b", "../a", "a/", "a\nb", "\x1b", "\xff"})
    EXPECT_FALSE(is_path_component(name)) << name;
  EXPECT_FALSE(is_path_component(std::string("a\0b", 3)));
  EXPECT_FALSE(is_path_component(std::string(256, 'a')));
  for (const char* name : {"a", "...", ".hidden", "a b", "größe"}) EXPECT_TRUE(is_path_component(name)) << name;
}

}  // namespace
}  // namespace cotenant
