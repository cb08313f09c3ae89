#include "config/overrides.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "config/load.h"

namespace cotenant {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

constexpr const char* kPair = R"(experiment_name: pair
tenants:
  - {model_name: distilgpt2, name: a, batch_size: 8, seq_len: 128}
  - {model_name: distilgpt2, name: llama3.2_3b, batch_size: 8, seq_len: 128}
)";

ExperimentConfig with(std::vector<std::string> set, std::string suffix = "") {
  return parse_config(kPair, "pair.yaml", {.set = std::move(set), .suffix = std::move(suffix)});
}

TEST(Set, ByIndexNameAndStar) {
  EXPECT_EQ(with({"tenants.0.batch_size=4"}).tenants[0].batch_size, 4);
  EXPECT_EQ(with({"tenants.0.batch_size=4"}).tenants[1].batch_size, 8);
  EXPECT_EQ(with({"tenants.llama3.2_3b.seq_len=7"}).tenants[1].seq_len, 7);
  const ExperimentConfig all = with({"tenants.*.seq_len=64"});
  EXPECT_EQ(all.tenants[0].seq_len, 64);
  EXPECT_EQ(all.tenants[1].seq_len, 64);
}

TEST(Set, KeysThatTheFileDoesNotHave) {
  EXPECT_EQ(with({"device=cpu"}).device, "cpu");
  EXPECT_EQ(with({"sharing.mode=mps"}).sharing, SharingMode::mps);
  EXPECT_EQ(with({"tenants.a.engine=stress", "tenants.a.stress.service_ms=3"}).tenants[0].stressor()->service_ms, 3);
  EXPECT_THAT(with({"tenants.a.cpus=[0, 1]"}).tenants[0].cpus, ElementsAre(0, 1));
}

TEST(Set, TheLastOneWins) {
  EXPECT_EQ(with({"seed=1", "seed=2"}).seed, 2u);
}

TEST(Set, TextAndFileStayAsTheyWere) {
  const ExperimentConfig config = with({"seed=1"});
  EXPECT_EQ(config.text, kPair);
  EXPECT_THAT(config.overrides, ElementsAre("seed=1"));
}

TEST(Set, AnyTextCanBeSet) {
  const std::string odd = "a: b #1, [x] 'y' \"z\" \\";
  EXPECT_EQ(with({text_override("out_dir", odd)}).out_dir, odd);
}

struct BadSet {
  const char *set, *what, *remedy;
};
void PrintTo(const BadSet& bad, std::ostream* out) {
  *out << bad.set;
}
class BadOverride : public testing::TestWithParam<BadSet> {};

TEST_P(BadOverride, IsRefused) {
  try {
    with({GetParam().set});
    FAIL() << GetParam().set;
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ExitCode::usage);
    EXPECT_EQ(e.where(), std::string("--set ") + GetParam().set);
    EXPECT_THAT(e.message(), HasSubstr(GetParam().what));
    EXPECT_THAT(e.remedy(), HasSubstr(GetParam().remedy));
  }
}

INSTANTIATE_TEST_SUITE_P(
    All, BadOverride,
    testing::Values(
        BadSet{"seed", "expected key=value", "--set tenants.0.batch_size=4"}, BadSet{"=4", "expected key=value", ""},
        BadSet{"tenants.2.seq_len=4", "expected one of the tenants, found \"2.seq_len\"", "0 (a), 1 (llama3.2_3b)"},
        BadSet{"tenants.b.seq_len=4", "expected one of the tenants", ""},
        BadSet{"tenants.0.seqlen=4", "tenants.0.seqlen: expected a known key", "Did you mean seq_len?"},
        BadSet{"tenants.0.seq_len=0", "tenants.0.seq_len: expected an integer from 1", ""},
        BadSet{"tenants.0.seq_len=", "tenants.0.seq_len: expected an integer from 1 to 1048576, found nothing", ""},
        BadSet{"tenants.0.seq_len.x=4", "expected a map or a list above \"x\"", ""},
        BadSet{"single_model.seq_len=4", "expected a path that is in the configuration", ""},
        BadSet{"tenants=4", "tenants: expected a list", ""},
        BadSet{"seed.=4", "expected a key behind the last '.'", ""},
        BadSet{"seq_len=4", "seq_len: expected a known key", "stands in a tenant"},
        BadSet{"seed=]", "expected YAML", ""}, BadSet{"seed=&a 4", "found an anchor", ""}));

std::vector<Variation> vary_grid(const std::vector<std::string>& options) {
  return grid_of(vary_axes(options));
}

std::vector<std::string> suffixes(const std::vector<std::string>& options) {
  std::vector<std::string> out;
  for (const Variation& cell : vary_grid(options)) out.push_back(cell.suffix);
  return out;
}

TEST(Vary, WithoutOptionsIsOnePlainRun) {
  const auto grid = vary_grid({});
  ASSERT_EQ(grid.size(), 1u);
  EXPECT_TRUE(grid[0].set.empty());
  EXPECT_EQ(grid[0].suffix, "");
}

TEST(Vary, GridWithTheLastOptionFastest) {
  const auto grid = vary_grid({"tenants.*.batch_size=1,2", "sharing.mode=timeslice,mps"});
  ASSERT_EQ(grid.size(), 4u);
  EXPECT_THAT(grid[1].set, ElementsAre("tenants.*.batch_size=1", "sharing.mode=mps"));
  EXPECT_THAT(suffixes({"tenants.*.batch_size=1,2", "sharing.mode=timeslice,mps"}),
              ElementsAre("_batch_size_1_mode_timeslice", "_batch_size_1_mode_mps", "_batch_size_2_mode_timeslice",
                          "_batch_size_2_mode_mps"));
}

TEST(Vary, CommasInBracketsAndQuotesDoNotSplit) {
  const auto grid = vary_grid({"tenants.0.cpus=[0,1],[2,3]"});
  ASSERT_EQ(grid.size(), 2u);
  EXPECT_THAT(grid[1].set, ElementsAre("tenants.0.cpus=[2,3]"));
  EXPECT_EQ(vary_grid({"tenants.0.tag='a,b',c"}).size(), 2u);
}

TEST(Vary, SuffixesAreUniqueAndFitForDirectories) {
  EXPECT_THAT(suffixes({"tenants.0.batch_size=1", "tenants.1.batch_size=1"}),
              ElementsAre("_batch_size_1_tenants.1.batch_size_1"));
  EXPECT_THAT(suffixes({"tenants.0.weights=a/b,a b"}), ElementsAre("_weights_a_b", "_weights_a_b_1"));
}

TEST(Vary, SuffixGoesBehindNameAndDirectories) {
  const ExperimentConfig config = with({"tenants.0.out_dir=here/a/"}, "_seed_1");
  EXPECT_EQ(config.experiment_name, "pair_seed_1");
  EXPECT_EQ(config.out_dir, "data/pair_seed_1");
  EXPECT_EQ(config.tenants[0].out_dir, "here/a_seed_1");
  EXPECT_EQ(config.tenants[1].out_dir, "data/pair_seed_1/llama3.2_3b");
  EXPECT_EQ(with({"out_dir=here"}, "_seed_1").out_dir, "here_seed_1");
}

TEST(Vary, BadOptionsAreRefused) {
  for (const std::vector<std::string>& bad :
       {std::vector<std::string>{"seed"}, {"seed="}, {"seed=1,,2"}, {"seed=1,1"}, {"seed=1", "seed=2"}})
    EXPECT_THROW(vary_grid(bad), Error) << bad[0];
  std::string many = "seed=0";
  for (int i = 1; i < 200; ++i) many += "," + std::to_string(i);
  EXPECT_THROW(vary_grid({many, "tenants.0." + many}), Error);
}

constexpr const char* kSweep = R"(experiment_name: sweep
vary:
  tenants.load.stress.kind: [compute, dram]
  tenants.load.stress.intensity: [0.25, 1]
  tenants.a.tag: ['8', "x, y"]
tenants:
  - {model_name: distilgpt2, name: a, batch_size: 8, seq_len: 128}
  - {engine: stress, name: load, stress: {kind: l2}}
)";

TEST(VaryKey, SpansTheGridOfItsValues) {
  const ExperimentConfig base = parse_config(kSweep, "sweep.yaml");
  ASSERT_EQ(base.vary.size(), 3u);
  EXPECT_EQ(base.vary[0].path, "tenants.load.stress.kind");
  EXPECT_EQ(base.vary[0].where, "sweep.yaml:3:29");
  const auto cells = grid_of(base.vary);
  ASSERT_EQ(cells.size(), 8u);
  EXPECT_EQ(cells.back().suffix, "_kind_dram_intensity_1_tag_x_y");
  const ExperimentConfig last = parse_config(kSweep, "sweep.yaml", {.vary = cells.back().set, .suffix = "_last"});
  EXPECT_EQ(last.experiment_name, "sweep_last");
  EXPECT_EQ(last.tenants[1].stressor()->kind, StressKind::dram);
  EXPECT_EQ(last.tenants[1].stressor()->intensity, 1);
  EXPECT_EQ(last.tenants[0].tag, "x, y");
  const ExperimentConfig first = parse_config(kSweep, "sweep.yaml", {.vary = cells.front().set});
  EXPECT_EQ(first.tenants[1].stressor()->kind, StressKind::compute);
  EXPECT_EQ(first.tenants[1].stressor()->intensity, 0.25);
  EXPECT_EQ(first.tenants[0].tag, "8");  // the quotes are kept: text, not a number
}

TEST(Vary, AMistakeIsToldOfTheOption) {
  try {
    parse_config(kSweep, "sweep.yaml", {.vary = {"tenants.*.batchsize=1"}});
    FAIL();
  } catch (const Error& e) {
    EXPECT_EQ(e.where(), "--vary tenants.*.batchsize=1");
  }
}

TEST(VaryKey, IsMultipliedByTheOption) {
  auto axes = parse_config(kSweep, "sweep.yaml").vary;
  for (auto& axis : vary_axes({"seed=1,2,3"})) axes.push_back(axis);
  EXPECT_EQ(grid_of(axes).size(), 24u);
  for (auto& axis : vary_axes({"tenants.load.stress.kind=l2"})) axes.push_back(axis);
  EXPECT_THROW(grid_of(axes), Error);  // one key twice
}

TEST(VaryKey, IsNoPartOfACellsResolvedForm) {
  EXPECT_FALSE(resolved_json(parse_config(kSweep, "sweep.yaml")).contains("vary"));
}

TEST(BaselinesKey, IsOffUnlessItIsSet) {
  EXPECT_FALSE(parse_config(kSweep, "x.yaml").baselines);
  EXPECT_TRUE(parse_config(std::string(kSweep) + "baselines: true\n", "x.yaml").baselines);
}

}  // namespace
}  // namespace cotenant
