#include "report/plots.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>

#include "base/error.h"
#include "base/find_program.h"
#include "scratch.h"
#include "synthetic.h"

namespace cotenant {
namespace {

using testing::HasSubstr;
using testing::Not;

class Plots : public testing::Test {
 protected:
  void SetUp() override {
    gnuplot_ = find_program("gnuplot").value_or("");
    if (gnuplot_.empty()) GTEST_SKIP() << "gnuplot is not installed";
  }
  std::filesystem::path gnuplot_;
  Scratch scratch_;
};

TEST_F(Plots, EveryPictureIsDrawnAsSvgAndPng) {
  auto experiment = synthetic_experiment({"first", "second", "third"});
  experiment.telemetry =
      scratch_.write("telemetry.jsonl", "{\"t_s\":0,\"power_w\":100}\n{\"t_s\":1,\"power_w\":200}\n");
  const auto files = draw(experiment_pictures(experiment), gnuplot_, scratch_.path() / "plots");
  for (const char* name :
       {"distribution", "ecdf", "boxes", "timeline", "latency", "slowdown", "throughput", "telemetry", "fairness"}) {
    const std::string svg = text_of(scratch_.path() / "plots" / (std::string(name) + ".svg"));
    EXPECT_THAT(svg, HasSubstr("</svg>")) << name;
    EXPECT_TRUE(text_of(scratch_.path() / "plots" / (std::string(name) + ".png")).starts_with("\x89PNG")) << name;
    if (name != std::string("telemetry")) {
      EXPECT_THAT(svg, HasSubstr("second")) << name;
    }
  }
  EXPECT_EQ(files.size(), 18u);
}

TEST_F(Plots, TelemetryThatCannotBeDrawnIsLeftOut) {
  auto experiment = synthetic_experiment({"first", "second"});
  experiment.telemetry = scratch_.write("telemetry.jsonl",
                                        "{\"t_s\":1e300,\"power_w\":100,\"sm_clock_mhz\":1e300}\n"
                                        "{\"t_s\":-1e300,\"power_w\":200,\"sm_clock_mhz\":1e300}\n");
  EXPECT_NO_THROW(draw(experiment_pictures(experiment), gnuplot_, scratch_.path()));
  EXPECT_FALSE(std::filesystem::exists(scratch_.path() / "telemetry.svg"));
}

TEST_F(Plots, NamesAreTextWhateverTheyHold) {
  const std::vector<std::string> names = {"<b>&'\"",           "50% %d %s",      "a_{b}^c", "`touch /tmp/x` $d1 @y",
                                          "x'; set output 'z", "tab\there\nline"};
  const auto experiment = synthetic_experiment(names);
  draw(experiment_pictures(experiment), gnuplot_, scratch_.path());
  for (const char* name : {"latency.svg", "boxes.svg"}) {  // names in the key, names as tics
    const std::string svg = text_of(scratch_.path() / name);
    for (const char* expected : {"&lt;b>&amp;'\"<", ">50% %d %s<", ">a_{b}^c<", ">`touch /tmp/x` $d1 @y<",
                                 ">x'; set output 'z<", ">tab?here?line<"}) {
      EXPECT_THAT(svg, HasSubstr(expected)) << name;
    }
  }
  EXPECT_FALSE(std::filesystem::exists("z"));
}

// What each of them would do: make the file. Every way of gnuplot's to run a command or to read a script, in every
// place where a text of others is drawn, and in the path.
TEST_F(Plots, NoTextIsRunAsACommand) {
  const std::string touched = (scratch_.path() / "touched").string();
  const std::vector<std::string> commands = {"\n!touch " + touched + "\n#",
                                             "`touch " + touched + "`",
                                             "'\nsystem('touch " + touched + "')\n#",
                                             "\"; system(\"touch " + touched + "\"); \"",
                                             "@`touch " + touched + "`",
                                             "\\042 . system('touch " + touched + "') . \\042",
                                             "\" x\n2 \"\nEOD\nsystem('touch " + touched + "')\n",
                                             "'.system('touch " + touched + "').'",
                                             "\r!touch " + touched + "\r",
                                             "\u2028!touch " + touched + "\u2028",
                                             "| touch " + touched,
                                             "<touch " + touched,
                                             "\xff'\n!touch " + touched + "\n"};
  auto all = synthetic_experiment(commands, 50);
  all.device.name = commands.front();
  draw(experiment_pictures(all), gnuplot_, scratch_.path() / "all");
  EXPECT_FALSE(std::filesystem::exists(touched));
  for (const std::string& command : commands) {
    auto experiment = synthetic_experiment({command}, 50);
    experiment.name = command;
    std::string component = command;
    std::ranges::replace(component, '/', '_');
    const auto directory = scratch_.path() / component;
    const auto files = draw(std::vector{*throughput_picture(experiment)}, gnuplot_, directory);
    EXPECT_FALSE(std::filesystem::exists(touched)) << command;
    EXPECT_THAT(text_of(directory / "throughput.svg"), HasSubstr("</svg>"));
    EXPECT_EQ(std::distance(std::filesystem::directory_iterator(directory), {}), static_cast<long>(files.size()));
  }
}

// The drawn text, all of it that fits, as one reads it.
TEST_F(Plots, ATitleIsDrawnAsItIs) {
  for (const auto& [name, drawn] : std::initializer_list<std::pair<std::string, std::string>>{
           {"x\n!touch RCE\n#", "x?!touch RCE?#: throughput"},
           {"50% \\n \\101 {/*2 big} a_b^c @d $e 'f' `g`", "50% \\n \\101 {/*2 big} a_b^c @d $e 'f' `g`: throughput"},
           {"größe 模型", "größe 模型: throughput"},
           {"NaN", "NaN: throughput"},
           {"# no comment", "# no comment: throughput"}}) {
    auto experiment = synthetic_experiment({"a"}, 50);
    experiment.name = name;
    draw(std::vector{*throughput_picture(experiment)}, gnuplot_, scratch_.path());
    EXPECT_THAT(text_of(scratch_.path() / "throughput.svg"), HasSubstr("<text>" + drawn + "</text>"));
  }
}

TEST_F(Plots, ALinkInTheWayIsReplacedAndNotFollowed) {
  const auto victim = scratch_.write("victim", "precious");
  std::filesystem::create_symlink(victim, scratch_.path() / "boxes.svg");
  draw(std::vector{boxes_picture(synthetic_experiment({"a"}))}, gnuplot_, scratch_.path());
  EXPECT_EQ(text_of(victim), "precious");
  EXPECT_THAT(text_of(scratch_.path() / "boxes.svg"), HasSubstr("</svg>"));
}

TEST_F(Plots, DegenerateExperimentsAreDrawn) {
  auto experiment = synthetic_experiment({"equal", "empty"});
  set_metric(experiment.tenants[0], std::vector<double>(20, 5.0));
  set_metric(experiment.tenants[1], {});
  experiment.tenants[1].samples = Samples{};
  EXPECT_NO_THROW(draw(experiment_pictures(experiment), gnuplot_, scratch_.path()));

  auto one = synthetic_experiment({"one"}, 1);
  EXPECT_NO_THROW(draw(experiment_pictures(one), gnuplot_, scratch_.path()));

  auto nothing = synthetic_experiment({"nothing"});
  set_metric(nothing.tenants[0], {});
  nothing.tenants[0].samples = Samples{};
  nothing.tenants[0].tokens_per_s.reset();
  EXPECT_NO_THROW(draw(experiment_pictures(nothing), gnuplot_, scratch_.path()));
}

TEST_F(Plots, ManyTenantsAndManyExperimentsAreDrawn) {
  std::vector<std::string> names;
  for (int i = 0; i < 24; ++i) names.push_back("tenant_" + std::to_string(i));
  const auto many = synthetic_experiment(names, 100, 1.3);
  EXPECT_NO_THROW(draw(experiment_pictures(many), gnuplot_, scratch_.path()));
  std::vector<ExperimentAnalysis> several = {synthetic_experiment({"a"}), synthetic_experiment({"a", "b"}), many};
  several[0].tenants[0].offered_per_s = 10;
  several[1].tenants[0].offered_per_s = 20;
  draw(comparison_pictures(several), gnuplot_, scratch_.path());
  for (const char* name : {"comparison.svg", "work_slowdown.svg", "scaling.svg", "load.svg"}) {
    EXPECT_THAT(text_of(scratch_.path() / name), HasSubstr("</svg>"));
  }
}

TEST_F(Plots, APlaceThatCannotBeWrittenIsTheUsersToMend) {
  const auto file = scratch_.write("file", "not a directory");
  try {
    draw(experiment_pictures(synthetic_experiment({"a"})), gnuplot_, file / "plots");
    FAIL();
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ExitCode::usage);
    EXPECT_THAT(e.where(), HasSubstr("file"));
  }
}

TEST_F(Plots, AFullDiskIsNoticed) {
  // gnuplot itself, with /dev/full behind a picture's name: every write fails.
  const auto program = scratch_.write("gnuplot", "#!/bin/sh\nln -s /dev/full boxes.svg\nexec gnuplot \"$@\"\n");
  std::filesystem::permissions(program, std::filesystem::perms::owner_all);
  try {
    draw(std::vector{boxes_picture(synthetic_experiment({"a"}))}, program, scratch_.path() / "plots");
    FAIL();
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ExitCode::usage);
    EXPECT_THAT(e.what(), HasSubstr("--no-plots"));
  }
  EXPECT_TRUE(std::filesystem::is_empty(scratch_.path() / "plots"));
}

TEST(PlotsWithoutGnuplot, IsFoundMissing) {
  const std::string path = std::getenv("PATH");
  setenv("PATH", "/nowhere", 1);
  EXPECT_EQ(find_program("gnuplot"), std::nullopt);
  setenv("PATH", path.c_str(), 1);
}

}  // namespace
}  // namespace cotenant
