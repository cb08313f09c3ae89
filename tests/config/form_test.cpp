#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "config/load.h"
#include "config/yaml_tree.h"

namespace cotenant {
namespace {

// Written as the study wrote its files.
constexpr const char* kStudySolo = R"(experiment_name: solo_llama
sleep_duration: 120
single_model:
  model_name: meta-llama/Llama-3.2-3B-Instruct
  batch_size: 8
  seq_len: 128
  num_warmup: 10
  num_iters: 100
  device: cuda
  out_dir: data/solo_llama/llama
  tag: llama
)";

constexpr const char* kStudyTenants = R"(experiment_name: "4_distilbert_1_mistral"
mps: True
sleep_duration: 120
device: "cuda"
tenants:
  - name: distilbert_1
    model_name: distilbert-base-uncased
    batch_size: 8
    seq_len: 128
    num_iters: 100
    num_warmup: 10
    tag: distilbert_1
    out_dir: data/4_distilbert_1_mistral/distilbert_1
  - name: mistral7b
    model_name: mistralai/Mistral-7B-Instruct-v0.2
    batch_size: 8
    seq_len: 128
)";

TEST(StudyForm, SingleModel) {
  const ExperimentConfig config = parse_config(kStudySolo, "solo_llama.yaml");
  EXPECT_TRUE(config.single);
  EXPECT_EQ(config.text, kStudySolo);
  EXPECT_EQ(config.experiment_name, "solo_llama");
  EXPECT_EQ(config.device, "cuda");
  EXPECT_EQ(config.sharing, SharingMode::timeslice);
  EXPECT_EQ(config.sleep_duration_s, 120);
  EXPECT_EQ(config.out_dir, "data/solo_llama");
  ASSERT_EQ(config.tenants.size(), 1u);
  const TenantConfig& tenant = config.tenants[0];
  EXPECT_EQ(tenant.model, "meta-llama/Llama-3.2-3B-Instruct");
  EXPECT_EQ(tenant.name, "llama");  // the study's directory was that of the tag
  EXPECT_EQ(tenant.tag, "llama");
  EXPECT_EQ(tenant.out_dir, "data/solo_llama/llama");
  EXPECT_EQ(tenant.batch_size, 8);
  EXPECT_EQ(tenant.seq_len, 128);
  EXPECT_EQ(tenant.num_iters, 100);
  EXPECT_EQ(tenant.num_warmup, 10);
}

TEST(StudyForm, Tenants) {
  const ExperimentConfig config = parse_config(kStudyTenants, "x.yaml");
  EXPECT_FALSE(config.single);
  EXPECT_EQ(config.experiment_name, "4_distilbert_1_mistral");
  EXPECT_EQ(config.sharing, SharingMode::mps);
  ASSERT_EQ(config.tenants.size(), 2u);
  EXPECT_EQ(config.tenants[0].out_dir, "data/4_distilbert_1_mistral/distilbert_1");
  EXPECT_EQ(config.tenants[1].out_dir, "data/4_distilbert_1_mistral/mistral7b");
  EXPECT_EQ(config.tenants[1].num_iters, 200);
  EXPECT_EQ(config.tenants[1].num_warmup, 10);
  EXPECT_EQ(config.tenants[1].tag, "mistral7b");
  EXPECT_EQ(config.tenants[1].where, "x.yaml:14:5");
}

TEST(Defaults, AreThoseOfTheDocumentation) {
  const ExperimentConfig config =
      parse_config("single_model: {model_name: distilgpt2, batch_size: 1, seq_len: 2}", "dir/my pair.yaml");
  EXPECT_EQ(config.experiment_name, "my pair");
  EXPECT_EQ(config.out_dir, "data/my pair");
  EXPECT_EQ(config.device, "auto");
  EXPECT_EQ(config.corun, Corun::overlap);
  EXPECT_EQ(config.min_duration_s, 5);
  EXPECT_EQ(config.warmup_s, 2);
  EXPECT_EQ(config.max_duration_s, 600);
  EXPECT_EQ(config.seed, 0u);
  EXPECT_EQ(config.wait, WaitPolicy::automatic);
  const TenantConfig& tenant = config.tenants[0];
  ASSERT_NE(tenant.native(), nullptr);
  EXPECT_EQ(tenant.dtype(), std::nullopt);
  EXPECT_EQ(tenant.native()->weights, "auto");
  EXPECT_EQ(tenant.task, Task::forward);
  EXPECT_EQ(tenant.max_new_tokens, 0);  // of generate 64
  EXPECT_EQ(parse_config("single_model: {model_name: m, batch_size: 1, seq_len: 1, task: generate}", "x.yaml")
                .tenants.at(0)
                .max_new_tokens,
            64);
  EXPECT_EQ(tenant.sm_percent, std::nullopt);
  EXPECT_EQ(tenant.priority, std::nullopt);
  EXPECT_EQ(tenant.memory_limit_bytes, std::nullopt);
  EXPECT_EQ(tenant.threads, std::nullopt);
  EXPECT_TRUE(tenant.cpus.empty());
}

TEST(Defaults, FixedRunsHaveNoLeastLength) {
  const std::string tenant = "single_model: {engine: stress}\n";
  const ExperimentConfig fixed = parse_config("corun: fixed\n" + tenant, "x.yaml");
  EXPECT_EQ(fixed.min_duration_s, 0);
  EXPECT_EQ(fixed.warmup_s, 0);
  const ExperimentConfig given = parse_config("corun: fixed\nmin_duration_s: 3\nwarmup_s: 1\n" + tenant, "x.yaml");
  EXPECT_EQ(given.min_duration_s, 3);
  EXPECT_EQ(given.warmup_s, 1);
}

TEST(Defaults, ShortMaximumShortensTheMinimum) {
  EXPECT_EQ(parse_config("max_duration_s: 1\nsingle_model: {engine: stress}\n", "x.yaml").min_duration_s, 1);
}

TEST(Names, RepeatedDefaultsAreNumbered) {
  const ExperimentConfig config = parse_config(R"(tenants:
  - {model_name: distilgpt2, batch_size: 1, seq_len: 2}
  - {model_name: distilgpt2, batch_size: 1, seq_len: 2}
  - {model_name: org/model, batch_size: 1, seq_len: 2}
  - {model_name: distilgpt2, name: distilgpt2_2, batch_size: 1, seq_len: 2}
  - {model_name: ../models/mine/, batch_size: 1, seq_len: 2}
)",
                                               "x.yaml");
  std::vector<std::string> names;
  for (const TenantConfig& tenant : config.tenants) names.push_back(tenant.name);
  EXPECT_THAT(names, testing::ElementsAre("distilgpt2_1", "distilgpt2_3", "org_model", "distilgpt2_2", "mine"));
}

TEST(Names, SlashBecomesUnderscoreInDirectories) {
  const ExperimentConfig config =
      parse_config("tenants: [{model_name: a/b, name: a/b, batch_size: 1, seq_len: 2}]", "x.yaml");
  EXPECT_EQ(config.tenants[0].name, "a/b");
  EXPECT_EQ(config.tenants[0].out_dir, "data/x/a_b");
}

TEST(Device, MayStandInEachPlaceIfItAgrees) {
  const ExperimentConfig config =
      parse_config("device: cuda\nsingle_model: {engine: stress, device: 'cuda:0'}", "x.yaml");
  EXPECT_EQ(config.device, "cuda");
  EXPECT_EQ(parse_config("tenants: [{engine: stress, device: cpu}, {engine: stress}]", "x.yaml").device, "cpu");
}

// A tenant's own is told, the experiment's is not told again.
TEST(Device, OfATenantMayBeAnotherGpu) {
  const ExperimentConfig config = parse_config(
      "device: cuda\ntenants: [{engine: stress, device: 'cuda:0'}, {engine: stress, device: 'cuda:1'}, "
      "{engine: stress}]",
      "x.yaml");
  EXPECT_EQ(config.device, "cuda");
  EXPECT_EQ(config.tenants[0].device, "");
  EXPECT_EQ(config.tenants[1].device, "cuda:1");
  EXPECT_EQ(config.tenants[2].device, "");
  const auto resolved = resolved_json(config);
  EXPECT_EQ(resolved.at("tenants").at(1).at("device"), "cuda:1");
  EXPECT_FALSE(resolved.at("tenants").at(0).contains("device"));
  const ExperimentConfig again = parse_config(resolved.dump(), "x.yaml");
  EXPECT_EQ(again.tenants[1].device, "cuda:1");
}

TEST(Device, ThatTenantsNameAloneIsTheExperimentsWhereAllAgree) {
  const auto device_of = [](const std::string& first, const std::string& second) {
    return parse_config("tenants: [{engine: stress, device: '" + first + "'}, {engine: stress, device: '" + second +
                            "'}, {engine: stress}]",
                        "x.yaml")
        .device;
  };
  EXPECT_EQ(device_of("cuda:1", "cuda:1"), "cuda:1");
  EXPECT_EQ(device_of("cuda:1", "cuda:0"), "auto");
  EXPECT_EQ(device_of("GPU-01234567-89ab-cdef-0123-456789abcdef", "GPU-01234567-89ab-cdef-0123-456789abcdef"),
            "GPU-01234567-89ab-cdef-0123-456789abcdef");
}

TEST(Values, SpellingsOfBytesAndCpus) {
  const auto tenant = [](const std::string& rest) {
    return parse_config("single_model: {engine: stress, " + rest + "}", "x.yaml").tenants.at(0);
  };
  EXPECT_EQ(tenant("memory_limit: 1073741824").memory_limit_bytes, 1073741824u);
  EXPECT_EQ(tenant("memory_limit: 512MiB").memory_limit_bytes, 512u << 20);
  EXPECT_EQ(tenant("memory_limit: 3 G").memory_limit_bytes, uint64_t{3} << 30);
  EXPECT_THAT(tenant("cpus: [3, 1]").cpus, testing::ElementsAre(3, 1));
  EXPECT_THAT(tenant("cpus: '0-2,7'").cpus, testing::ElementsAre(0, 1, 2, 7));
  EXPECT_THAT(tenant("cpus: 4").cpus, testing::ElementsAre(4));
}

TEST(Values, WorkloadsOfEachKind) {
  const auto workload = [](const std::string& text) {
    return parse_config("single_model: {engine: stress, workload: " + text + "}", "x.yaml").tenants.at(0).workload;
  };
  EXPECT_EQ(workload("{concurrency: 4, think_s: 0.5}").concurrency, 4);
  EXPECT_EQ(workload("{kind: gamma, rate: 12.5, cv: 2}").rate, 12.5);
  const WorkloadDescription steps =
      workload("{kind: steps, steps: [{rate: 1, duration_s: 60}, {duration_s: 0.5, rate: 0}], max_queue: 0}");
  ASSERT_EQ(steps.steps.size(), 2u);
  EXPECT_EQ(steps.steps[0].rate, 1);
  EXPECT_EQ(steps.steps[1].duration_s, 0.5);
  EXPECT_EQ(steps.max_queue, 0);
  EXPECT_EQ(workload("{kind: ramp, to: 9, duration_s: 3}").from, 0);
  EXPECT_EQ(workload("{kind: trace, path: a.csv, limit: 5}").limit, 5);
}

// What the resolved configuration says is read as the same.
TEST(Values, WorkloadsAreTold) {
  const std::string start = "single_model: {engine: stress, name: a, workload: ";
  for (const char* text :
       {"{concurrency: 4}", "{kind: poisson, rate: 3}", "{kind: ramp, from: 1, to: 9, duration_s: 3}",
        "{kind: steps, steps: [{rate: 1, duration_s: 60}, {rate: 2, duration_s: 1}]}",
        "{kind: trace, path: a.csv, speedup: 2, limit: 7}"}) {
    const auto told = resolved_json(parse_config(start + text + "}", "x.yaml"));
    EXPECT_EQ(resolved_json(parse_config(told.dump(), "x.yaml")), told) << text;
    EXPECT_TRUE(told["single_model"].contains("workload")) << text;
  }
  EXPECT_FALSE(resolved_json(parse_config(start + "{}}", "x.yaml"))["single_model"].contains("workload"));
}

TEST(Values, StressNeedsNoModel) {
  const TenantConfig tenant =
      parse_config("single_model: {engine: stress, stress: {kind: sleep, service_ms: 2.5}}", "x.yaml").tenants.at(0);
  ASSERT_NE(tenant.stressor(), nullptr);
  EXPECT_EQ(tenant.stressor()->kind, StressKind::sleep);
  EXPECT_EQ(tenant.stressor()->service_ms, 2.5);
  EXPECT_EQ(tenant.model, "sleep");
  EXPECT_EQ(tenant.batch_size, 1);
  EXPECT_EQ(tenant.seq_len, 1);
}

// What is resolved is itself a configuration, and of the same experiment.
TEST(Resolved, LoadsAsTheSameExperiment) {
  for (const char* text : {kStudySolo, kStudyTenants,
                           "sharing: {mode: partition}\nseed: 9007199254740991\ntenants:\n"
                           "  - {engine: stress, sm_percent: 12.5, cpus: 0-1, threads: 2, memory_limit: 4GiB}\n"
                           "  - {model_name: a/b, task: generate, max_new_tokens: 3, batch_size: 1, seq_len: 2,"
                           " dtype: bfloat16, weights: random, name: 'a: b # \\ \" c'}\n"}) {
    const auto resolved = resolved_json(parse_config(text, "x.yaml"));
    EXPECT_EQ(resolved_json(parse_config(resolved.dump(), "y.yaml")), resolved);
  }
}

TEST(Flags, MakeTheTextOfAFile) {
  const std::string text = config_text({"distilgpt2", "org/model"}, {{"batch_size", "8"},
                                                                     {"num_iters", "100"},
                                                                     {"dtype", "bfloat16"},
                                                                     {"device", "cpu"},
                                                                     {"cpus", "0-1"},
                                                                     {"out_dir", "results: #1"}});
  const ExperimentConfig config = parse_config(text);
  EXPECT_EQ(config.experiment_name, "distilgpt2_org_model_b8_L128");
  EXPECT_EQ(config.device, "cpu");
  EXPECT_EQ(config.out_dir, "results: #1");
  ASSERT_EQ(config.tenants.size(), 2u);
  EXPECT_EQ(config.tenants[1].model, "org/model");
  EXPECT_EQ(config.tenants[1].batch_size, 8);
  EXPECT_EQ(config.tenants[1].seq_len, 128);
  EXPECT_EQ(config.tenants[1].num_iters, 100);
  EXPECT_EQ(config.tenants[1].dtype(), Dtype::bf16);
  EXPECT_THAT(config.tenants[1].cpus, testing::ElementsAre(0, 1));
}

TEST(Flags, NothingInAValueBecomesAKey) {
  for (const char* value : {"8\n    num_iters: 3", "8}", "8 # x", "&a 8", "*a", "!!int 8", "8: 9", ""})
    EXPECT_THROW(parse_config(config_text({"distilgpt2"}, {{"batch_size", value}})), Error) << value;
}

TEST(Quoting, ReadsBackExactly) {
  for (const std::string text :
       {"plain", "a/b-c.d", "true", "No",  "null", "~",  "",  " x ", "1", "1e3", "a: b", "#",  "'",  "\"", "\\",
        "é",     "-",       "- a",  "[a]", "{",    "@x", "`", "%",   "|", ">",   "&a",   "*a", "!x", "y"}) {
    const YamlNode node = parse_yaml("key: " + yaml_quoted(text), "x.yaml");
    ASSERT_NE(node.find("key"), nullptr);
    EXPECT_EQ(node.find("key")->kind, YamlNode::Kind::scalar) << text;
    EXPECT_EQ(node.find("key")->text, text);
  }
}

}  // namespace
}  // namespace cotenant
