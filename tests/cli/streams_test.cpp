#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "../analysis/made_experiment.h"
#include "places.h"
#include "program.h"

// Commands that only read, with standard streams that are closed, full, or whose reader has left.
namespace cotenant {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;
using testing::IsEmpty;

// Of one run a side the gate cannot tell: 6.
class Streams : public DataRoot {
 protected:
  void SetUp() override {
    MadeTenant a, b;
    b.name = "b";
    make_experiment(root_ / "pair", {a, b});
    a.latency_ms = 3;
    make_experiment(root_ / "slow", {a, b});
  }

  // `script` is run by a shell in which $C is the program; what it writes to the file `code` is returned.
  int code_of(const std::string& script) {
    fs::remove(root_ / "code");
    const std::string command = "cd '" + root_.string() + "' && C=" + binary() + " && " + script;
    EXPECT_NE(std::system(command.c_str()), -1);
    int code = -1;
    std::ifstream(root_ / "code") >> code;
    return code;
  }
};

TEST_F(Streams, ACommandKeepsItsCodeWithoutStandardError) {
  for (const char* where : {"2>&-", "2>/dev/full"}) {
    const std::string to = std::string(" >out ") + where + "; echo $? >code";
    EXPECT_EQ(code_of("$C analyze pair --out plots" + to), 0) << where;
    EXPECT_TRUE(fs::exists(root_ / "plots/report.html")) << where;
    fs::remove_all(root_ / "plots");
    EXPECT_EQ(code_of("$C compare pair slow --fail-if-slower" + to), 6) << where;
    EXPECT_EQ(code_of("$C analyze nowhere" + to), 2) << where;
    EXPECT_EQ(code_of("$C no-such-command" + to), 2) << where;
    EXPECT_EQ(code_of("$C infer --model distilgpt2 --weights random --input-ids 1,2 --max-new-tokens 1" + to), 0)
        << where;
  }
}

TEST_F(Streams, AnAnswerThatCannotBeWrittenIsAnError) {
  for (const char* where : {">&-", ">/dev/full"})
    for (const char* command :
         {"analyze pair --no-plots", "compare pair slow", "models", "schema", "export pair", "trace pair", "doctor"}) {
      EXPECT_EQ(code_of(std::string("$C ") + command + " " + where + " 2>err; echo $? >code"), 2) << command << where;
      std::ostringstream err;
      err << std::ifstream(root_ / "err").rdbuf();
      EXPECT_THAT(err.str(), HasSubstr("standard output: cannot be written")) << command << where;
    }
}

// The files that are opened next must not get the numbers of the closed streams, and messages with them.
TEST_F(Streams, NoMessageGoesIntoAFile) {
  EXPECT_EQ(code_of("$C export pair -o pair.csv <&- >&- 2>&-; echo $? >code"), 0);
  EXPECT_EQ(code_of("$C export pair -o reference.csv; echo $? >code"), 0);
  EXPECT_EQ(code_of("cmp pair.csv reference.csv; echo $? >code"), 0);
  EXPECT_EQ(code_of("$C analyze pair --out plots <&- >&- 2>&-; echo $? >code"), 2);  // its tables are lost
}

TEST_F(Streams, AReaderWhoLeavesEndsNothing) {
  const auto piped = [&](const std::string& command) {
    return code_of("{ $C " + command + " 2>err; echo $? >code; } | true");
  };
  EXPECT_EQ(piped("analyze pair --out plots"), 0);
  EXPECT_TRUE(fs::exists(root_ / "plots/report.html"));
  EXPECT_EQ(piped("compare pair slow --fail-if-slower"), 6);
  for (const char* command : {"export pair", "trace pair", "schema", "models"}) {
    EXPECT_EQ(piped(command), 0) << command;
    EXPECT_EQ(fs::file_size(root_ / "err"), 0u) << command;
  }
}

}  // namespace
}  // namespace cotenant
