#include "report/text.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "base/error.h"
#include "report/json_output.h"
#include "report/table.h"
#include "synthetic.h"

namespace cotenant {
namespace {

using testing::HasSubstr;
using testing::Not;

TEST(Table, AlignsByCodePoints) {
  Table table({{"name", Align::left}, {"ms"}});
  table.add_row({"café", "1.5"});
  table.add_row({"a", "12.25"});
  EXPECT_EQ(table.text(false), "name     ms\ncafé    1.5\na     12.25\n");
  EXPECT_THROW(table.add_row({"one"}), Error);
}

TEST(Table, EscapesForEachFormat) {
  Table table({{"name", Align::left}, {"n"}});
  table.add_row({"a|b, \"c\"", "1"});
  EXPECT_EQ(table.markdown(), "| name | n |\n|---|---:|\n| a\\|b, \"c\" | 1 |\n");
  EXPECT_EQ(table.csv(), "name,n\n\"a|b, \"\"c\"\"\",1\n");
}

TEST(Table, KeepsControlCharactersFromTheTerminal) {
  Table table({{"name", Align::left}});
  table.add_row({"\033[2Jx\n"});
  EXPECT_EQ(table.text(false), "name\n?[2Jx?\n");
}

TEST(FormatMs, KeepsTheDigitsThatAreCompared) {
  EXPECT_EQ(format_ms(0.0123), "0.012");
  EXPECT_EQ(format_ms(4.65349), "4.653");
  EXPECT_EQ(format_ms(46.154), "46.15");
  EXPECT_EQ(format_ms(1234.56), "1234.6");
  EXPECT_EQ(format_ms(std::nan("")), "-");
}

TEST(ExperimentTable, HasTheFiguresAndTheReasons) {
  ExperimentAnalysis experiment = synthetic_experiment({"one", "two"});
  experiment.valid = false;
  experiment.reasons = {"another program used the device"};
  const std::string plain = experiment_table(experiment, false);
  EXPECT_THAT(plain, HasSubstr("slowdown"));
  EXPECT_THAT(plain, HasSubstr("hogging"));
  EXPECT_THAT(plain, HasSubstr("STP 1.210, ANTT 1.700, Jain 0.9960 (progress)"));
  EXPECT_THAT(plain, HasSubstr("not valid\n  another program used the device"));
  EXPECT_THAT(plain, HasSubstr("files: data/synthetic"));
  EXPECT_THAT(plain, Not(HasSubstr("TTFT")));
  EXPECT_THAT(plain, Not(HasSubstr("\033")));
  EXPECT_THAT(experiment_table(experiment, true), HasSubstr("\033[31mnot valid"));
  experiment.tenants[0].ttft_ms = experiment.tenants[0].tpot_ms = experiment.tenants[0].latency_ms;
  EXPECT_THAT(experiment_table(experiment, false), HasSubstr("TTFT ms"));
}

TEST(ExperimentTable, HasTheClockBesideTheSlowdown) {
  ExperimentAnalysis experiment = synthetic_experiment({"one", "two"});
  EXPECT_THAT(experiment_table(experiment, false), Not(HasSubstr("clock")));
  experiment.tenants[1].clock_ratio = 0.93;
  experiment.rate_spreads = {{"distilgpt2, batch 8 x 128", 2, 1.0312, 0, 1}};
  const std::string plain = experiment_table(experiment, false);
  EXPECT_THAT(plain, HasSubstr("slowdown  clock  progress"));
  EXPECT_THAT(plain, HasSubstr("0.93x"));
  EXPECT_THAT(plain, HasSubstr("(two, clock 0.93x)"));
  EXPECT_THAT(plain, HasSubstr("work rates max/min 1.0312"));
}

TEST(ExperimentDetails, SayWhatBindsAndWhatCompanyCosts) {
  ExperimentAnalysis experiment = synthetic_experiment({"one", "two"});
  experiment.tenants[0].bound = "memory";
  experiment.tenants[0].bound_reason = "DRAM 81% busy (at least 60%)";
  experiment.tenants[0].contention_ms = 1.25;
  experiment.tenants[0].clock_ratio = 0.93;
  experiment.tenants[1].bound_reason = "the CPU has no counters of what it is busy with";
  experiment.rate_spreads = {{"distilgpt2, batch 8 x 128", 2, 1.0312, 0, 1}};
  const std::string details = experiment_details(experiment, false);
  EXPECT_THAT(details, HasSubstr("bound of one alone: memory: DRAM 81% busy (at least 60%)"));
  EXPECT_THAT(details, HasSubstr("bound of two alone: unknown: the CPU has no counters"));
  EXPECT_THAT(details, HasSubstr("contention of one: +1.250 ms at the median, clock 0.93x"));
  EXPECT_THAT(details,
              HasSubstr("work rates of 2 tenants of distilgpt2, batch 8 x 128: max/min 1.0312 (one over two)"));
  const auto found = nlohmann::json::parse(json_output({&experiment, 1}));
  EXPECT_EQ(found.at("tenants").at(0).at("bound"), "memory");
  EXPECT_TRUE(found.at("tenants").at(1).at("bound").is_null());
  EXPECT_EQ(found.at("tenants").at(0).at("contention_ms"), 1.25);
  EXPECT_EQ(found.at("rate_spreads").at(0).at("slowest"), "two");
}

TEST(ExperimentDetails, HaveTheMemoryOfThoseWhoseMemoryIsKnown) {
  ExperimentAnalysis experiment = synthetic_experiment({"one", "two"});
  experiment.tenants[0].weights_bytes = uint64_t{460} << 20;
  experiment.tenants[0].activation_bytes = uint64_t{3} << 20;
  experiment.tenants[0].resident_bytes = uint64_t{700} << 20;
  const std::string line = "memory of one: 700 MiB resident; 460 MiB for weights and 3.0 MiB for activations";
  EXPECT_THAT(experiment_details(experiment, false), HasSubstr(line));
  EXPECT_THAT(experiment_details(experiment, false), Not(HasSubstr("memory of two")));
  EXPECT_THAT(markdown_output(std::span(&experiment, 1)), HasSubstr(line));
}

TEST(JsonOutput, HasNullForWhatIsUnknownOrNotFinite) {
  ExperimentAnalysis experiment = synthetic_experiment({"one", "two"});
  experiment.valid.reset();
  experiment.significance->levene = {std::nan(""), std::nan("")};
  experiment.significance->pairs[0].cohens_d = INFINITY;
  experiment.tenants[0].latency_ms.ci95_p50.reset();
  experiment.tenants[1].name = "bad \xff utf-8";
  const auto found = nlohmann::json::parse(json_output({&experiment, 1}));
  EXPECT_TRUE(found.at("valid").is_null());
  EXPECT_TRUE(found.at("significance").at("levene").at("p").is_null());
  EXPECT_TRUE(found.at("significance").at("pairs").at(0).at("cohens_d").is_null());
  EXPECT_TRUE(found.at("tenants").at(0).at("latency_ms").at("ci95_p50").is_null());
  EXPECT_EQ(found.at("tenants").at(0).at("baseline").at("experiment"), "synthetic");
}

}  // namespace
}  // namespace cotenant
