#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "../analysis/made_experiment.h"
#include "program.h"

// `compare` as the gate of a CI job: it opens only where it can be told that nothing is slower.
namespace cotenant {
namespace {

using nlohmann::json;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr int kSlower = 5, kCannotTell = 6;

class Gate : public DataRoot {
 protected:
  void SetUp() override { make_experiment(root_ / "before", {tenant("a", 4), tenant("b", 4)}); }

  static MadeTenant tenant(const std::string& name, double latency_ms, int iterations = 1000) {
    MadeTenant made;
    made.name = name;
    made.latency_ms = latency_ms;
    made.iterations = iterations;
    return made;
  }
  // As many runs as something is concluded from, each a little apart from the others.
  void make_runs(const std::string& side, std::vector<MadeTenant> tenants) {
    std::filesystem::remove_all(root_ / side);
    for (const char* run : {"1", "2", "3"}) {
      make_experiment(root_ / side / run, tenants);
      for (MadeTenant& tenant : tenants) tenant.latency_ms *= 1.001;
    }
  }
  Outcome gate(const std::string& flags = "") {
    return run_cotenant("compare before after --fail-if-slower " + flags, root_.string());
  }
  void expect_closed(int code, const std::string& reason) {
    const Outcome outcome = gate();
    EXPECT_EQ(outcome.exit_code, code) << outcome.err;
    EXPECT_THAT(outcome.err + outcome.out, HasSubstr(reason));
    const Outcome warned = gate("--allow-unclear");
    EXPECT_EQ(warned.exit_code, code == kCannotTell ? 0 : code) << warned.err;
    EXPECT_THAT(warned.err + warned.out, HasSubstr(reason));
    EXPECT_EQ(run_cotenant("compare before after", root_.string()).exit_code, 0);  // no gate was asked for
  }
};

TEST_F(Gate, OpensWhereNothingIsSlower) {
  make_runs("before", {tenant("a", 4), tenant("b", 4)});
  make_runs("after", {tenant("a", 4.01), tenant("b", 3)});
  const Outcome outcome = gate();
  EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
  EXPECT_THAT(outcome.err, IsEmpty());
  EXPECT_THAT(json::parse(gate("--json").out).at("open_questions"), IsEmpty());
}

TEST_F(Gate, ClosesForOneThatIsSlowerWhateverElseIsUnclear) {
  make_runs("before", {tenant("a", 4), tenant("b", 4)});
  make_runs("after", {tenant("a", 4), tenant("b", 5)});
  expect_closed(kSlower, "SLOWER");
  make_runs("after", {tenant("b", 5)});
  expect_closed(kSlower, "a is in before alone");
}

TEST_F(Gate, ClosesForATenantThatIsGone) {
  make_experiment(root_ / "after", {tenant("a", 4)});
  expect_closed(kCannotTell, "b is in before alone");
}

TEST_F(Gate, ClosesForATenantThatIsNew) {
  make_experiment(root_ / "after", {tenant("a", 4), tenant("b", 4), tenant("c", 4)});
  expect_closed(kCannotTell, "c is in after alone");
}

TEST_F(Gate, ClosesWhenNothingCanBeSaidOfALargeShift) {
  make_experiment(root_ / "after", {tenant("a", 4), tenant("b", 11.5, 4)});
  expect_closed(kCannotTell, "b is UNCLEAR: +172");
  EXPECT_THAT(json::parse(gate("--json").out).at("open_questions").dump(), HasSubstr("b is UNCLEAR"));
}

TEST_F(Gate, ClosesForASideThatIsNotValid) {
  make_experiment(root_ / "after", {tenant("a", 4), tenant("b", 4)},
                  [](ExperimentRecord& record) { record.validity.valid = false; });
  expect_closed(kCannotTell, "after is not valid");
  std::filesystem::rename(root_ / "before", root_ / "good");
  std::filesystem::rename(root_ / "after", root_ / "before");
  std::filesystem::rename(root_ / "good", root_ / "after");
  expect_closed(kCannotTell, "before is not valid");
}

TEST_F(Gate, ClosesForASideThatIsIncomplete) {
  make_experiment(root_ / "after.incomplete", {tenant("a", 4), tenant("b", 4)}, [](ExperimentRecord& record) {
    record.validity.complete = false;  // and the rest says what it likes
    record.tenants[1].exit.died = true;
    record.tenants[1].exit.what = "killed by SIGKILL";
  });
  expect_closed(kCannotTell, "after.incomplete is not valid");
}

TEST_F(Gate, ClosesForARepeatThatIsNotValid) {
  make_experiment(root_ / "after", {tenant("a", 4), tenant("b", 4)});
  make_experiment(root_ / "after/repeats/02", {tenant("a", 4), tenant("b", 4)},
                  [](ExperimentRecord& record) { record.validity.valid = false; });
  expect_closed(kCannotTell, "after/repeats/02 is not valid");
}

TEST_F(Gate, ClosesForOneOfSeveralRunsThatLacksATenant) {
  make_experiment(root_ / "after/1", {tenant("a", 4), tenant("b", 4)});
  make_experiment(root_ / "after/2", {tenant("a", 4)});
  expect_closed(kCannotTell, "b is not in after/2");
}

TEST_F(Gate, ClosesForASideWithoutASample) {
  ExperimentRecord record;
  record.tenants.emplace_back().name = "a";
  write_text(root_ / "after/experiment.json", to_json(record));
  EXPECT_EQ(gate().exit_code, kCannotTell);
  EXPECT_EQ(run_cotenant("compare before after", root_.string()).exit_code, 2);
}

TEST_F(Gate, LeavesMistakesOfTheCommandLineToThemselves) {
  EXPECT_EQ(gate().exit_code, 2);  // there is no "after"
  EXPECT_EQ(run_cotenant("compare before before --allow-unclear", root_.string()).exit_code, 2);
}

}  // namespace
}  // namespace cotenant
