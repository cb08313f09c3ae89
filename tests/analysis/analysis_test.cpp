#include "analysis/analysis.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "base/error.h"
#include "made_experiment.h"

namespace cotenant {
namespace {

using testing::Contains;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

class Analysis : public DataRoot {
 protected:
  ExperimentAnalysis analyze(const std::string& name, Metric metric = Metric::latency) {
    AnalysisRequest request;
    request.directory = root_ / name;
    request.metric = metric;
    return analyze_experiment(request);
  }

  std::string refusal(const AnalysisRequest& request) {
    try {
      analyze_experiment(request);
    } catch (const Error& e) {
      EXPECT_EQ(e.code(), ExitCode::usage);
      return e.what();
    }
    return "no error";
  }
};

MadeTenant tenant(std::string name, double latency_ms, int iterations = 1000, std::string model = "distilgpt2") {
  MadeTenant made;
  made.name = std::move(name);
  made.model = std::move(model);
  made.latency_ms = latency_ms;
  made.iterations = iterations;
  return made;
}

// Two equal tenants share evenly: each at half the speed it has alone.
TEST_F(Analysis, OfAnEvenShare) {
  make_experiment(root_ / "pair", {tenant("a", 4), tenant("b", 4)});
  make_experiment(root_ / "pair" / "baselines" / "kind", {tenant("a", 2)});
  const ExperimentAnalysis found = analyze("pair");
  ASSERT_EQ(found.tenants.size(), 2u);
  for (const TenantAnalysis& t : found.tenants) {
    EXPECT_NEAR(*t.progress, 0.5, 1e-4);
    EXPECT_NEAR(*t.slowdown_p50, 2, 1e-9);
    EXPECT_NEAR(*t.slowdown_mean, 2, 1e-3);
    EXPECT_NEAR(*t.tokens_per_s, 1024 / 0.004, 100);
    EXPECT_EQ(t.verdict, Verdict::fair);
    EXPECT_EQ(t.study_verdict, Verdict::fair);
    EXPECT_EQ(t.clock, Clock::host);
    EXPECT_LT(t.progress_interval->low, 0.5);
    EXPECT_GT(t.progress_interval->high, 0.5);
    EXPECT_THAT(t.baseline->why, HasSubstr("own baselines"));
  }
  EXPECT_NEAR(*found.stp, 1, 2e-4);
  EXPECT_NEAR(*found.antt, 2, 4e-4);
  EXPECT_NEAR(*found.device.tokens_per_s, 2 * 1024 / 0.004, 200);
  EXPECT_NEAR(*found.device.tokens_per_s_alone_in_turn, 1024 / 0.002, 200);
  ASSERT_TRUE(found.fairness);
  EXPECT_EQ(found.fairness->basis, "latency_mean");
  EXPECT_NEAR(found.fairness->spread.jain, 1, 1e-6);
  EXPECT_EQ(found.progress_fairness->basis, "progress");
  EXPECT_EQ(found.valid, true);
}

// One runs at 0.8 of its speed, the other at 0.2: twice and half the geometric mean, 0.4.
TEST_F(Analysis, OfAHogAndItsVictim) {
  make_experiment(root_ / "solo", {tenant("solo", 2)});
  make_experiment(root_ / "pair", {tenant("hog", 2.5, 1600), tenant("victim", 10, 400)});
  const ExperimentAnalysis found = analyze("pair");
  EXPECT_EQ(found.tenants[0].verdict, Verdict::hogging);
  EXPECT_EQ(found.tenants[1].verdict, Verdict::starved);
  EXPECT_NEAR(*found.tenants[0].relative_progress, 2, 1e-3);
  EXPECT_NEAR(*found.tenants[1].relative_progress, 0.5, 1e-3);
  EXPECT_EQ(found.tenants[0].study_verdict, Verdict::hogging);
  EXPECT_EQ(found.tenants[1].study_verdict, Verdict::starved);
  EXPECT_NEAR(*found.stp, 1, 1e-3);
  EXPECT_NEAR(*found.antt, (1 / 0.8 + 1 / 0.2) / 2, 1e-2);
  EXPECT_NEAR(found.progress_fairness->spread.jain, 1.0 / (2 * (0.64 + 0.04)), 1e-3);
  EXPECT_THAT(found.tenants[0].baseline->why, HasSubstr("data root"));
  EXPECT_EQ(found.tenants[0].baseline->experiment, "solo");
}

// A tenant of which nothing succeeded stands beside the others, which are judged without it.
TEST_F(Analysis, OfATenantThatFailedAlwaysJudgesTheOthers) {
  make_experiment(root_ / "solo", {tenant("solo", 2)});
  MadeTenant broken = tenant("broken", 4);
  broken.change_iteration = [](Iteration& iteration) { iteration.status = IterationStatus::failed; };
  make_experiment(root_ / "three", {tenant("a", 4), tenant("b", 4), broken});
  const ExperimentAnalysis found = analyze("three");
  const TenantAnalysis& none = found.tenants[2];
  EXPECT_EQ(none.clock, Clock::host);
  EXPECT_EQ(none.failed, 1000u);
  EXPECT_EQ(none.rate_per_s, 0.0);
  EXPECT_EQ(none.progress, 0.0);
  EXPECT_FALSE(none.verdict);
  EXPECT_EQ(found.tenants[0].verdict, Verdict::fair);
  EXPECT_NEAR(*found.stp, 1, 1e-2);
  EXPECT_TRUE(found.stp_interval);
  EXPECT_FALSE(found.antt);  // it never comes to its turn
  EXPECT_NEAR(found.progress_fairness->spread.jain, 2.0 / 3, 1e-3);
  EXPECT_THAT(found.warnings, Contains(HasSubstr("because all its requests failed")));
}

// One request as long as the window: its part of the window counts as work, though no latency of it does.
TEST_F(Analysis, OfARequestThatSpansTheWindow) {
  make_experiment(root_ / "solo", {tenant("s", 2)});
  make_experiment(root_ / "solo_large", {tenant("l", 1000, 10, "roberta-large")});
  make_experiment(root_ / "mix", {tenant("small", 4), tenant("large", 10'000, 1, "roberta-large")},
                  [](ExperimentRecord& record) {
                    record.window = WindowRecord{1, 3};
                  });
  const ExperimentAnalysis found = analyze("mix");
  EXPECT_EQ(found.tenants[1].latency_ms.count, 0u);
  EXPECT_NEAR(*found.tenants[1].rate_per_s, 1 / 9.0, 1e-9);  // made_latency_ms of the first: 0.9 of the mean
  ASSERT_TRUE(found.fairness);
  EXPECT_EQ(found.fairness->basis, "progress");
  EXPECT_THAT(found.fairness->by_quantile, IsEmpty());
  EXPECT_THAT(found.warnings, Not(Contains(HasSubstr("no baseline"))));
}

// A window that holds no time says nothing, which is not 0.
TEST_F(Analysis, OfAnEmptyWindowIsUnknown) {
  for (const double end_s : {0.5, 0.25}) {
    const std::string name = "until_" + std::to_string(end_s);
    make_experiment(root_ / name, {tenant("a", 4)}, [&](ExperimentRecord& record) {
      record.window = WindowRecord{0.5, end_s};
    });
    const ExperimentAnalysis found = analyze(name);
    EXPECT_FALSE(found.tenants[0].rate_per_s);
    EXPECT_FALSE(found.tenants[0].wall_s);
    EXPECT_FALSE(found.tenants[0].tokens_per_s);
    EXPECT_FALSE(found.device.overlap_s);
    EXPECT_FALSE(found.device.tokens_per_s);
  }
}

// A load that is cut to 32 multiprocessors by its share, and to all 132 without: only the former is the same work.
TEST_F(Analysis, OfALoadWithAShareComparesWithItselfInThatShare) {
  const auto load = [](double latency_ms, int sms) {
    MadeTenant made = tenant("load", latency_ms);
    made.change_record = [sms](TenantRecord& record) {
      record.engine = StressSpec{.kind = StressKind::compute};
      record.stress.emplace().footprint_sms = sms;
      record.kind = "all";
      record.kind_with_share = "share";
    };
    return made;
  };
  make_experiment(root_ / "pair", {load(6, 32), tenant("other", 4)});
  make_experiment(root_ / "pair" / "baselines" / "all", {load(2, 132)});
  make_experiment(root_ / "pair" / "baselines" / "share", {load(2, 32)});
  EXPECT_NEAR(*analyze("pair").tenants[0].slowdown_p50, 3, 1e-9);
}

// Requests that come by themselves keep their rate beside others; what they show is in their latencies.
TEST_F(Analysis, OfAnOpenLoopSpeaksOfNoProgress) {
  const auto open = [](double latency_ms) {
    MadeTenant made = tenant("solo", latency_ms, 200);
    made.change_record = [](TenantRecord& record) { record.workload.kind = WorkloadKind::poisson; };
    return made;
  };
  make_experiment(root_ / "solo", {open(2)});
  MadeTenant beside = open(5);
  beside.name = "open";
  make_experiment(root_ / "pair", {beside, tenant("closed", 5, 200)});
  const ExperimentAnalysis found = analyze("pair");
  EXPECT_FALSE(found.tenants[0].progress);
  EXPECT_FALSE(found.stp);
  EXPECT_FALSE(found.tenants[1].verdict);
  EXPECT_NEAR(found.tenants[0].slowdown_p50.value(), 2.5, 0.1);
  EXPECT_THAT(found.warnings, Contains(HasSubstr("open: requests come by themselves")));
}

// 45 requests are enough for a verdict, 10 are not; the other tenant keeps the interval of its own progress.
TEST_F(Analysis, OfTooFewSamplesGivesNoVerdict) {
  make_experiment(root_ / "solo", {tenant("solo", 2, 45)});
  make_experiment(root_ / "enough", {tenant("hog", 2.5, 180), tenant("victim", 10, 45)});
  EXPECT_EQ(analyze("enough").tenants[0].verdict, Verdict::hogging);
  EXPECT_EQ(analyze("enough").tenants[1].verdict, Verdict::starved);
  make_experiment(root_ / "pair", {tenant("hog", 2.5, 40), tenant("victim", 10, 10)});
  const ExperimentAnalysis found = analyze("pair");
  EXPECT_EQ(found.tenants[0].verdict, Verdict::unclear);
  EXPECT_FALSE(found.tenants[0].relative_progress_interval);
  EXPECT_TRUE(found.tenants[0].progress_interval);
  EXPECT_FALSE(found.tenants[1].progress_interval);
  EXPECT_THAT(found.warnings, Contains(HasSubstr("too small for a verdict")));
  EXPECT_THAT(found.warnings, Contains(HasSubstr("interval of p95: it needs 72")));
  EXPECT_FALSE(found.tenants[0].latency_ms.ci95_p99);
  EXPECT_TRUE(found.tenants[0].latency_ms.ci95_p50);
}

// The window cuts the first and the last iteration in half: no latency of theirs, half of their tokens.
TEST_F(Analysis, CountsWhatLiesInsideTheWindow) {
  MadeTenant even = tenant("a", 10, 100);
  even.wobble = 0;
  make_experiment(root_ / "cut", {even}, [](ExperimentRecord& record) { record.window = WindowRecord{0.005, 0.995}; });
  const ExperimentAnalysis found = analyze("cut");
  const TenantAnalysis& t = found.tenants[0];
  EXPECT_EQ(t.iterations, 100u);
  EXPECT_EQ(t.outside_window, 2u);
  EXPECT_EQ(t.latency_ms.count, 98u);
  EXPECT_NEAR(*t.tokens_per_s, 1024 / 0.01, 1e-3);
  EXPECT_NEAR(*t.rate_per_s, 100, 1e-6);
  EXPECT_NEAR(*t.wall_s, 0.99, 1e-12);
  EXPECT_NEAR(*found.device.overlap_s, 0.99, 1e-12);
  EXPECT_THAT(found.warnings, Contains(HasSubstr("one tenant")));
  EXPECT_THAT(found.warnings, Contains(HasSubstr("all 98 samples are equal")));
  EXPECT_FALSE(found.fairness);
  EXPECT_FALSE(found.significance);
}

TEST_F(Analysis, OfAFixedRunIsOverAllIterationsAndOverTheOverlap) {
  make_experiment(root_ / "fixed", {tenant("short", 2, 500), tenant("long", 4, 500)},
                  [](ExperimentRecord& record) { record.settings.corun = Corun::fixed; });
  const ExperimentAnalysis found = analyze("fixed");
  EXPECT_EQ(found.tenants[1].latency_ms.count, 500u);
  EXPECT_NEAR(static_cast<double>(found.tenants[1].overlap_latency_ms->count), 250, 2);
  EXPECT_NEAR(*found.device.max_completion_s, 2, 0.01);
  EXPECT_NEAR(*found.device.tokens_per_s, 2 * 500 * 1024 / *found.device.max_completion_s, 1e-3);
  EXPECT_THAT(found.warnings, Contains(HasSubstr("ran together for 50%")));
}

TEST_F(Analysis, OfDifferentWorkIsFairInProgressOrNotAtAll) {
  make_experiment(root_ / "mix", {tenant("small", 4), tenant("large", 40, 100, "roberta-large")});
  const ExperimentAnalysis alone = analyze("mix");
  EXPECT_FALSE(alone.fairness);
  EXPECT_TRUE(alone.significance);
  EXPECT_FALSE(alone.stp);
  EXPECT_THAT(alone.warnings, Contains(HasSubstr("different work and have no baseline")));
  EXPECT_THAT(alone.warnings, Contains(HasSubstr("no baseline of small, large")));

  make_experiment(root_ / "solo_small", {tenant("s", 2)});
  make_experiment(root_ / "solo_large", {tenant("l", 20, 100, "roberta-large")});
  const ExperimentAnalysis compared = analyze("mix");
  ASSERT_TRUE(compared.fairness);
  EXPECT_EQ(compared.fairness->basis, "progress");
  EXPECT_NEAR(*compared.stp, 1, 1e-2);
}

TEST_F(Analysis, OfTheStudysFiles) {
  make_study_experiment(root_ / "solo_gpt", {{"distilgpt2", 5, 0.5}});
  make_study_experiment(root_ / "three", {{"g_10", 12, 1.0}, {"g_2", 10, 1.0}, {"g_1", 10.5, 1.25}});
  const ExperimentAnalysis found = analyze("three");
  ASSERT_EQ(found.tenants.size(), 3u);
  EXPECT_EQ(found.tenants[0].name, "g_1");  // in the order that people count
  EXPECT_EQ(found.tenants[2].name, "g_10");
  EXPECT_TRUE(found.study_form);
  EXPECT_FALSE(found.valid.has_value());
  EXPECT_NEAR(*found.tenants[0].progress, 0.4, 1e-12);  // by time_elapsed
  EXPECT_NEAR(*found.tenants[0].slowdown_mean, 2.1, 1e-3);
  EXPECT_FALSE(found.tenants[0].verdict);
  // Slowdowns 2.1, 2.0 and 2.4, of which the mean is 2.17.
  EXPECT_EQ(found.tenants[0].study_verdict, Verdict::fair);
  EXPECT_EQ(found.tenants[1].study_verdict, Verdict::hogging);
  EXPECT_EQ(found.tenants[2].study_verdict, Verdict::starved);
  EXPECT_EQ(found.tenants[0].clock, Clock::cuda_event);
  EXPECT_FALSE(found.tenants[0].gpu_ms);
  EXPECT_NEAR(*found.tenants[0].tokens_per_s, 102400 / 1.25, 1e-6);
  EXPECT_NEAR(*found.device.tokens_per_s, 3 * 102400 / 1.25, 1e-6);
  EXPECT_EQ(*found.device.max_completion_s, 1.25);
  EXPECT_EQ(*found.device.overlap_s, 1.0);
  EXPECT_NEAR(*found.stp, 0.4 + 0.5 + 0.5, 1e-12);
  EXPECT_THAT(found.warnings, Contains(HasSubstr("no verdict but the study's")));
}

TEST_F(Analysis, RefusesABaselineOfOtherWorkUnlessForced) {
  make_experiment(root_ / "pair", {tenant("a", 4), tenant("b", 4)});
  make_experiment(root_ / "other", {tenant("o", 2, 1000, "roberta-large")});
  AnalysisRequest request;
  request.directory = root_ / "pair";
  request.baseline = root_ / "other";
  EXPECT_THAT(refusal(request), HasSubstr("roberta-large, batch 8 x 128"));
  request.force_baseline = true;
  const ExperimentAnalysis forced = analyze_experiment(request);
  EXPECT_NEAR(*forced.tenants[0].progress, 0.5, 1e-4);
  EXPECT_THAT(forced.tenants[0].baseline->mismatches, Contains(HasSubstr("work: distilgpt2")));
  EXPECT_THAT(forced.warnings, Contains(HasSubstr("forced")));
}

TEST_F(Analysis, RefusesABaselineOfAnotherMachine) {
  make_experiment(root_ / "pair", {tenant("a", 4), tenant("b", 4)});
  make_experiment(root_ / "solo", {tenant("s", 2)}, [](ExperimentRecord& record) {
    record.host.cpu = "Another CPU";
    record.build.commit = "def";
  });
  const ExperimentAnalysis found = analyze("pair");  // found beside it: told, and not used
  EXPECT_FALSE(found.tenants[0].progress);
  EXPECT_THAT(found.warnings, Contains(HasSubstr("processor: Test CPU here, Another CPU alone; commit: abc")));
  AnalysisRequest request;
  request.directory = root_ / "pair";
  request.baseline = root_ / "solo";
  EXPECT_THAT(refusal(request), HasSubstr("Another CPU"));
  request.force_baseline = true;
  EXPECT_TRUE(analyze_experiment(request).tenants[0].progress);
}

TEST_F(Analysis, PrefersTheBaselineThatWasAskedFor) {
  make_experiment(root_ / "pair", {tenant("a", 4), tenant("b", 4)});
  make_experiment(root_ / "pair" / "baselines" / "kind", {tenant("a", 2)});
  make_experiment(root_ / "elsewhere" / "solo", {tenant("s", 1)});
  AnalysisRequest request;
  request.directory = root_ / "pair";
  request.baseline = root_ / "elsewhere";  // a directory of experiments
  const ExperimentAnalysis found = analyze_experiment(request);
  EXPECT_EQ(found.tenants[0].baseline->why, "--baseline");
  EXPECT_NEAR(*found.tenants[0].progress, 0.25, 1e-4);
}

TEST_F(Analysis, OfEqualSamplesHasNoTests) {
  MadeTenant a = tenant("a", 4, 50), b = tenant("b", 4, 50);
  a.wobble = b.wobble = 0;
  make_experiment(root_ / "equal", {a, b});
  const ExperimentAnalysis found = analyze("equal");
  ASSERT_TRUE(found.significance);
  EXPECT_TRUE(std::isnan(found.significance->levene.p));
  EXPECT_TRUE(std::isnan(found.significance->omnibus.p));
  EXPECT_NEAR(found.fairness->spread.cv, 0, 1e-12);
  EXPECT_THAT(found.warnings, Contains(HasSubstr("a: all 50 samples are equal")));
}

TEST_F(Analysis, OfOneSampleEachHasNoTests) {
  make_study_experiment(root_ / "tiny", {{"a", 4, 1, "m", 1}, {"b", 5, 1, "m", 1}});
  const ExperimentAnalysis found = analyze("tiny");
  EXPECT_FALSE(found.significance);
  EXPECT_TRUE(found.fairness);
  EXPECT_FALSE(found.tenants[0].latency_ms.ci95_p50);
  EXPECT_EQ(found.tenants[0].latency_ms.std, 0);
  EXPECT_THAT(found.warnings, Contains(HasSubstr("n too small for tests")));
}

TEST_F(Analysis, TellsOfDamagedFiles) {
  make_study_experiment(root_ / "torn", {{"a"}, {"b"}});
  const auto file = root_ / "torn" / "a" / "events.jsonl";
  std::ofstream(file, std::ios::app) << "{\"type\": \"gc\"}\n{\"type\": \"iterat";
  const ExperimentAnalysis found = analyze("torn");
  EXPECT_THAT(found.warnings, Contains(HasSubstr("a: the last line of events.jsonl is cut")));
  EXPECT_THAT(found.warnings, Contains(HasSubstr("a: 1 events of unknown types")));
  EXPECT_EQ(found.tenants[0].iterations, 100u);
  std::ofstream(file, std::ios::app) << "\n{\"type\": \"iteration\", \"iter\": 100, \"latency_ms\": 2}\n";
  AnalysisRequest request;
  request.directory = root_ / "torn";
  EXPECT_THAT(refusal(request), HasSubstr("a/events.jsonl:105: "));
}

TEST_F(Analysis, RefusesWhatIsNoExperiment) {
  AnalysisRequest request;
  request.directory = root_;
  EXPECT_THAT(refusal(request), HasSubstr("no <tenant>/events.jsonl"));
  request.directory = root_ / "nothing";
  EXPECT_THAT(refusal(request), HasSubstr("no such file"));
  make_study_experiment(root_ / "one", {{"a"}});
  request.directory = root_ / "one" / "a";
  EXPECT_THAT(refusal(request), HasSubstr("one tenant's directory"));
  write_text(root_ / "empty" / "a" / "events.jsonl", "");
  request.directory = root_ / "empty";
  EXPECT_THAT(refusal(request), HasSubstr("empty: no events"));
  write_text(root_ / "broken" / "experiment.json", "{");
  request.directory = root_ / "broken";
  EXPECT_THAT(refusal(request), HasSubstr("not valid JSON"));
}

TEST_F(Analysis, OfATenantThatDied) {
  MadeTenant dead = tenant("dead", 4, 0);
  dead.change_record = [](TenantRecord& record) {
    record.exit.died = true;
    record.exit.what = "killed by SIGKILL";
  };
  make_experiment(root_ / "dead", {tenant("alive", 4), dead}, [](ExperimentRecord& record) {
    record.window.reset();
    record.validity = {};
    record.validity.reasons = {"a tenant died"};
  });
  const ExperimentAnalysis found = analyze("dead");
  EXPECT_EQ(found.valid, false);
  EXPECT_EQ(found.tenants[0].latency_ms.count, 1000u);
  EXPECT_EQ(found.tenants[1].latency_ms.count, 0u);
  EXPECT_EQ(found.tenants[1].died, "killed by SIGKILL");
  EXPECT_FALSE(found.fairness);
  EXPECT_THAT(found.warnings, Contains(HasSubstr("dead died: killed by SIGKILL")));
}

TEST_F(Analysis, OfGeneratingTenantsKnowsTheirTokens) {
  MadeTenant made = tenant("chat", 100, 50);
  made.task = Task::generate;
  made.change_iteration = [](Iteration& iteration) {
    iteration.ttft_ms = 40;
    iteration.tpot_ms = 20;
    iteration.token_s = {*iteration.start_s + 0.040, *iteration.start_s + 0.055, *iteration.start_s + 0.080};
    iteration.tokens_out = 24;
  };
  make_experiment(root_ / "chat", {made});
  const ExperimentAnalysis found = analyze("chat", Metric::itl);
  const TenantAnalysis& t = found.tenants[0];
  EXPECT_NEAR(t.ttft_ms->p50, 40, 1e-9);
  EXPECT_EQ(t.itl_ms->count, 100u);
  EXPECT_NEAR(t.itl_ms->min, 15, 1e-6);
  EXPECT_NEAR(t.itl_ms->max, 25, 1e-6);
  EXPECT_EQ(t.metric_ms.size(), 100u);
  EXPECT_NEAR(*t.tokens_per_s, 24 / 0.1, 1);
  EXPECT_NEAR(*t.total_tokens_per_s, (1024 + 24) / 0.1, 20);
  AnalysisRequest request;
  request.directory = root_ / "chat";
  request.metric = Metric::gpu;
  EXPECT_THAT(refusal(request), HasSubstr("--metric gpu"));
}

TEST_F(Analysis, PicksTheColumnForEveryStatistic) {
  MadeTenant a = tenant("a", 4), b = tenant("b", 4);
  a.change_iteration = [](Iteration& iteration) { iteration.gpu_ms = iteration.latency_ms - 1; };
  b.change_iteration = [](Iteration& iteration) { iteration.gpu_ms = iteration.latency_ms - 2; };
  make_experiment(root_ / "pair", {a, b});
  const ExperimentAnalysis found = analyze("pair", Metric::gpu);
  EXPECT_EQ(found.fairness->basis, "gpu_mean");
  EXPECT_NEAR(found.fairness->spread.max_min_ratio, 1.5, 1e-3);
  EXPECT_NEAR(*found.tenants[1].host_ms, 2, 1e-9);
  EXPECT_NEAR(*found.significance->pairs[0].hodges_lehmann_ms, 1, 0.02);
}

TEST_F(Analysis, ShowsALateWarmup) {
  MadeTenant made = tenant("a", 4);
  made.change_iteration = [](Iteration& iteration) {
    if (iteration.iter < 200) iteration.latency_ms *= 1.5;
  };
  make_experiment(root_ / "late", {made});
  const ExperimentAnalysis found = analyze("late");
  ASSERT_TRUE(found.tenants[0].settled_after);
  EXPECT_NEAR(static_cast<double>(*found.tenants[0].settled_after), 200, 30);
  EXPECT_NEAR(found.tenants[0].settling_shift, 0.5, 0.05);
  EXPECT_THAT(found.warnings, Contains(HasSubstr("as if still warming up")));
}

// What changes in the middle is no warm-up.
TEST_F(Analysis, ShowsAChangeInTheMiddle) {
  MadeTenant made = tenant("a", 4);
  made.change_iteration = [](Iteration& iteration) {
    if (iteration.iter < 500) iteration.latency_ms *= 1.5;
  };
  make_experiment(root_ / "changed", {made});
  const ExperimentAnalysis found = analyze("changed");
  EXPECT_FALSE(found.tenants[0].settled_after);
  EXPECT_NEAR(static_cast<double>(*found.tenants[0].changed_after), 500, 60);
  EXPECT_THAT(found.warnings, Contains(HasSubstr("the level changed in the middle")));
}

// Six runs, each with baselines of its own, of which the speeds differ: progress stays what it is.
TEST_F(Analysis, TakesIntervalsFromRepeats) {
  for (int run = 0; run < 6; ++run) {
    const auto directory = run == 0 ? root_ / "pair" : root_ / "pair" / "repeats" / ("0" + std::to_string(run + 1));
    const double speed = 1 + 0.01 * run;
    make_experiment(directory, {tenant("a", 3 * speed, 100), tenant("b", 6 * speed + 0.02 * run, 50)});
    make_experiment(directory / "baselines" / "kind", {tenant("a", 2 * speed, 100)});
  }
  const ExperimentAnalysis found = analyze("pair");
  ASSERT_EQ(found.repeats.size(), 6u);
  EXPECT_EQ(found.repeats[1].name, "02");
  EXPECT_NEAR(*found.repeats[3].progress[0], 2.0 / 3, 2e-3);
  EXPECT_EQ(found.tenants[0].verdict, Verdict::hogging);
  EXPECT_EQ(found.tenants[1].verdict, Verdict::starved);
  const Interval of_a = *found.tenants[0].progress_interval;
  EXPECT_LT(of_a.high - of_a.low, 0.01);
  EXPECT_NEAR(std::sqrt(of_a.low * of_a.high), *found.tenants[0].progress, 1e-12);
  EXPECT_NEAR(*found.tenants[0].slowdown_p50, 1.5, 1e-3);
  EXPECT_THAT(found.warnings, Not(Contains(HasSubstr("too small for a verdict"))));
}

TEST_F(Analysis, ReadsTheDevicesTelemetry) {
  make_experiment(root_ / "pair", {tenant("a", 4), tenant("b", 4)});
  write_text(root_ / "pair" / "telemetry.jsonl",
             "{\"t_s\":-1,\"power_w\":90,\"dram_percent\":1}\n"
             "{\"t_s\":1,\"power_w\":400,\"dram_percent\":70,\"sm_percent\":90,\"sm_clock_mhz\":1400}\n"
             "{\"t_s\":2,\"power_w\":600,\"dram_percent\":80,\"sm_percent\":90,\"sm_clock_mhz\":1600,"
             "\"throttle_reasons\":\"power cap\"}\n");
  const ExperimentAnalysis found = analyze("pair");
  EXPECT_EQ(found.device.telemetry_samples, 2u);
  EXPECT_EQ(found.device.throttled_samples, 1u);
  EXPECT_NEAR(*found.device.power_w, 500, 1e-9);
  EXPECT_NEAR(*found.device.sm_clock_mhz, 1500, 1e-9);
  EXPECT_NEAR(*found.device.joules_per_token, 500 / *found.device.tokens_per_s, 1e-12);
  EXPECT_EQ(found.device.bound, "memory");
  EXPECT_THAT(found.device.bound_reason, HasSubstr("75%"));
  EXPECT_THAT(found.warnings, Contains(HasSubstr("throttled in 1 of 2")));
}

// 30 J in the 0.1 s between the readings that lie in the window.
TEST_F(Analysis, TakesEnergyFromItsCounter) {
  make_experiment(root_ / "pair", {tenant("a", 4), tenant("b", 4)});
  write_text(root_ / "pair" / "telemetry.jsonl",
             "{\"t_s\":-1,\"power_w\":90,\"energy_j\":0}\n"
             "{\"t_s\":1,\"power_w\":400,\"energy_j\":5000}\n"
             "{\"t_s\":1.1,\"power_w\":600,\"energy_j\":5030}\n");
  const ExperimentAnalysis found = analyze("pair");
  EXPECT_NEAR(*found.device.power_w, 500, 1e-9);
  EXPECT_NEAR(*found.device.joules_per_token, 300 / *found.device.tokens_per_s, 1e-12);
}

TEST_F(Analysis, TestsNoPairsOfVeryManyTenants) {
  std::vector<MadeTenant> many;
  for (int i = 0; i < 65; ++i) many.push_back(tenant("t" + std::to_string(i), 5, 10));
  make_experiment(root_ / "many", many);
  const ExperimentAnalysis found = analyze("many");
  ASSERT_TRUE(found.significance);
  EXPECT_TRUE(found.significance->pairs.empty());
  EXPECT_THAT(found.warnings, testing::Contains(testing::HasSubstr("65 tenants: pairs are tested up to 64 of them")));
}

// Driver and analysis count alike.
TEST_F(Analysis, AgreesWithTheSummaryThatTheDriverWrites) {
  MadeTenant made = tenant("a", 7, 300);
  make_experiment(root_ / "one", {made}, [](ExperimentRecord& record) { record.window = WindowRecord{0.1234, 1.777}; });
  std::vector<Iteration> iterations;
  double now_s = 0;
  for (int i = 0; i < made.iterations; ++i) {
    Iteration iteration;
    iteration.latency_ms = made_latency_ms(made, i);
    iteration.start_s = now_s;
    iteration.end_s = now_s = now_s + iteration.latency_ms * 1e-3;
    iteration.tokens_in = 1024;
    iterations.push_back(iteration);
  }
  const TenantSummary written = summarize(iterations, WindowRecord{0.1234, 1.777}, false);
  const TenantAnalysis found = analyze("one").tenants[0];
  EXPECT_EQ(static_cast<int64_t>(found.latency_ms.count), written.latency.count);
  EXPECT_DOUBLE_EQ(found.latency_ms.p99, *written.latency.p99_ms);
  EXPECT_DOUBLE_EQ(found.latency_ms.mean, *written.latency.mean_ms);
  EXPECT_NEAR(*found.tokens_per_s, *written.tokens_per_s, 1e-6);
}

}  // namespace
}  // namespace cotenant
