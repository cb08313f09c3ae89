#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <nlohmann/json.hpp>

#include "../analysis/made_experiment.h"
#include "program.h"

// What lies beside an experiment in the data root is other people's, and may be anything.
namespace cotenant {
namespace {

using nlohmann::json;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

class Neighbours : public DataRoot {
 protected:
  void SetUp() override {
    MadeTenant a, b;
    b.name = "b";
    a.latency_ms = b.latency_ms = 4;
    make_experiment(root_ / "pair", {a, b});
  }

  void make_solo(const std::string& name, double latency_ms,
                 const std::function<void(ExperimentRecord&)>& change = {}) {
    MadeTenant alone;
    alone.latency_ms = latency_ms;
    make_experiment(root_ / name, {alone}, change);
  }
  Outcome analyze(const std::string& flags = "") {
    return run_cotenant("analyze pair --no-plots " + flags, root_.string());
  }
};

std::string first_line(const std::string& text) {
  return text.substr(0, text.find('\n'));
}

TEST_F(Neighbours, ABaselineThatNobodyNamedIsNamedOnTheFirstLine) {
  make_solo("solo", 2);
  const Outcome outcome = analyze();
  EXPECT_THAT(first_line(outcome.out), HasSubstr("alone, as found beside it: "));
  EXPECT_THAT(first_line(outcome.out), HasSubstr("/solo)"));
  EXPECT_THAT(first_line(analyze("--baseline solo").out), Not(HasSubstr("found")));
}

TEST_F(Neighbours, AreNotSearchedWhenTheUserSaysSo) {
  make_solo("solo", 2);
  EXPECT_TRUE(json::parse(analyze("--json --no-baseline-search").out).at("tenants").at(0).at("baseline").is_null());
  EXPECT_FALSE(json::parse(analyze("--json").out).at("tenants").at(0).at("baseline").is_null());
  // What is named, or the experiment's own, is used all the same.
  const json named = json::parse(analyze("--json --no-baseline-search --baseline solo").out);
  EXPECT_NEAR(named.at("tenants").at(0).at("slowdown_p50").get<double>(), 2, 1e-9);
}

TEST_F(Neighbours, ThatAreNotCompleteAndValidAreNoBaseline) {
  make_solo("invalid", 0.5, [](ExperimentRecord& record) { record.validity.valid = false; });
  make_solo("partial", 0.5, [](ExperimentRecord& record) { record.validity.complete = false; });
  const Outcome outcome = analyze();
  EXPECT_EQ(outcome.exit_code, 0);
  EXPECT_THAT(outcome.out, HasSubstr("it is not valid"));
  EXPECT_TRUE(json::parse(analyze("--json").out).at("tenants").at(0).at("baseline").is_null());
  EXPECT_TRUE(json::parse(analyze("--json --force-baseline").out).at("tenants").at(0).at("baseline").is_null());
  make_solo("good", 2);  // and one that is does not suffer from them
  EXPECT_NEAR(json::parse(analyze("--json").out).at("tenants").at(0).at("slowdown_p50").get<double>(), 2, 1e-9);
}

struct Damage {
  std::string name;
  std::function<void(const std::filesystem::path&)> make;  // of the directory of a solo experiment
};
void PrintTo(const Damage& damage, std::ostream* out) {
  *out << damage.name;
}

class DamagedNeighbours : public Neighbours, public testing::WithParamInterface<Damage> {};

TEST_P(DamagedNeighbours, AreAWarningAndNoMore) {
  make_solo("damaged", 0.5);
  GetParam().make(root_ / "damaged");
  const Outcome outcome = analyze();
  EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
  EXPECT_THAT(outcome.out, StartsWith("pair ("));
  EXPECT_THAT(outcome.out, HasSubstr("damaged is no baseline, since it cannot be read"));
  make_solo("solo", 2);
  const Outcome helped = analyze();
  EXPECT_THAT(first_line(helped.out), HasSubstr("/solo"));
  EXPECT_EQ(run_cotenant("compare pair pair", root_.string()).exit_code, 0);
}

INSTANTIATE_TEST_SUITE_P(
    All, DamagedNeighbours,
    testing::Values(
        Damage{"no_json", [](const auto& at) { write_text(at / "experiment.json", "{"); }},
        Damage{"other_types", [](const auto& at) { write_text(at / "experiment.json", R"({"tenants": 3})"); }},
        Damage{"later_format", [](const auto& at) { write_text(at / "experiment.json", R"({"format": 99})"); }},
        Damage{"empty_events", [](const auto& at) { write_text(at / "a/events.jsonl", ""); }},
        Damage{"events_of_another_kind", [](const auto& at) { write_text(at / "a/events.jsonl", "not\nan event\n"); }},
        Damage{"events_gone", [](const auto& at) { std::filesystem::remove_all(at / "a"); }}),
    [](const auto& info) { return info.param.name; });

// The experiment's own baselines are not beside it, and yet no reason to say nothing of it.
TEST_F(Neighbours, AnOwnBaselineThatIsDamagedIsAWarning) {
  make_solo("pair/baselines/a", 2);
  write_text(root_ / "pair/baselines/a/a/events.jsonl", "not\nan event\n");
  const Outcome outcome = analyze();
  EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
  EXPECT_THAT(outcome.out, HasSubstr("baselines/a is no baseline, since it cannot be read"));
}

TEST_F(Neighbours, AnOwnBaselineThatIsNotValidIsUsedWithAWarning) {
  make_solo("pair/baselines/a", 2, [](ExperimentRecord& record) { record.validity.valid = false; });
  const Outcome outcome = analyze();
  EXPECT_THAT(outcome.out, HasSubstr("is not valid: do not trust what is compared with it"));
  EXPECT_THAT(outcome.out, HasSubstr("2.00x"));
}

}  // namespace
}  // namespace cotenant
