#include "shipped.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <set>

#include "config/load.h"
#include "places.h"

namespace cotenant {
namespace {

// Models and how many tenants of each.
using Mix = std::map<std::string, int>;
constexpr const char *kGpt2 = "distilgpt2", *kBert = "distilbert-base-uncased", *kRoberta = "roberta-large",
                     *kLlama = "meta-llama/Llama-3.2-3B-Instruct", *kMistral = "mistralai/Mistral-7B-Instruct-v0.2";

Mix mix_of(const ExperimentConfig& config) {
  Mix mix;
  for (const TenantConfig& tenant : config.tenants) ++mix[tenant.model];
  return mix;
}

TEST(ShippedConfigs, AllLoad) {
  const auto files = shipped_configs();
  EXPECT_GE(files.size(), 34u);
  for (const auto& file : files) EXPECT_NO_THROW(load_config(file)) << file;
}

TEST(ShippedConfigs, AreNamedLikeTheirExperiment) {
  std::set<std::string> names;
  for (const auto& file : shipped_configs()) {
    const ExperimentConfig config = load_config(file);
    EXPECT_TRUE(names.insert(config.experiment_name).second) << file;
    const bool is_template = file.string().find("_template") != std::string::npos;
    EXPECT_TRUE(is_template || config.experiment_name == file.stem()) << file;
  }
}

TEST(StudyMatrix, EveryTenantHasTheStudysShape) {
  for (const char* folder : {"solo", "multitenant"}) {
    for (const auto& file : shipped_configs(folder)) {
      const ExperimentConfig config = load_config(file);
      EXPECT_EQ(config.device, "cuda") << file;
      for (const TenantConfig& tenant : config.tenants) {
        EXPECT_EQ(tenant.batch_size, 8) << file;
        EXPECT_EQ(tenant.seq_len, 128) << file;
        EXPECT_EQ(tenant.num_iters, 100) << file;
        EXPECT_EQ(tenant.num_warmup, 10) << file;
        EXPECT_EQ(tenant.task, Task::forward) << file;
      }
    }
  }
}

TEST(StudyMatrix, FiveModelsAlone) {
  std::vector<Mix> mixes;
  for (const auto& file : shipped_configs("solo")) {
    const ExperimentConfig config = load_config(file);
    EXPECT_TRUE(config.single);
    mixes.push_back(mix_of(config));
  }
  EXPECT_THAT(mixes, testing::UnorderedElementsAre(Mix{{kGpt2, 1}}, Mix{{kBert, 1}}, Mix{{kRoberta, 1}},
                                                   Mix{{kLlama, 1}}, Mix{{kMistral, 1}}));
}

TEST(StudyMatrix, TwentySixMixes) {
  std::vector<Mix> mixes;
  for (const auto& file : shipped_configs("multitenant")) mixes.push_back(mix_of(load_config(file)));
  EXPECT_THAT(mixes, testing::UnorderedElementsAreArray(
                         std::vector<Mix>{{{kGpt2, 2}},
                                          {{kGpt2, 2}},
                                          {{kBert, 2}},
                                          {{kRoberta, 2}},
                                          {{kLlama, 2}},
                                          {{kMistral, 2}},
                                          {{kBert, 1}, {kRoberta, 1}},
                                          {{kBert, 1}, {kGpt2, 1}},
                                          {{kBert, 1}, {kLlama, 1}},
                                          {{kBert, 1}, {kMistral, 1}},
                                          {{kGpt2, 1}, {kLlama, 1}},
                                          {{kGpt2, 1}, {kMistral, 1}},
                                          {{kGpt2, 1}, {kMistral, 1}},
                                          {{kLlama, 1}, {kMistral, 1}},
                                          {{kGpt2, 3}},
                                          {{kGpt2, 4}},
                                          {{kGpt2, 10}},
                                          {{kLlama, 3}},
                                          {{kLlama, 2}, {kMistral, 1}},
                                          {{kGpt2, 3}, {kMistral, 1}},
                                          {{kGpt2, 5}, {kLlama, 1}},
                                          {{kBert, 4}, {kMistral, 1}},
                                          {{kRoberta, 3}, {kLlama, 1}},
                                          {{kRoberta, 3}, {kGpt2, 2}},
                                          {{kMistral, 1}, {kLlama, 1}, {kGpt2, 1}},
                                          {{kGpt2, 1}, {kBert, 1}, {kRoberta, 1}, {kLlama, 1}, {kMistral, 1}}}));
}

TEST(StudyMatrix, WithAndWithoutMps) {
  const auto sharing = [](const std::string& name) {
    return load_config(source_dir() + "/configs/multitenant/" + name + ".yaml").sharing;
  };
  EXPECT_EQ(sharing("mps_pair_distilGPT2"), SharingMode::mps);
  EXPECT_EQ(sharing("nomps_pair_distilGPT2"), SharingMode::timeslice);
  EXPECT_EQ(sharing("mps_distilgpt2_mistral"), SharingMode::mps);
  EXPECT_EQ(sharing("distilgpt2_mistral"), SharingMode::timeslice);
}

}  // namespace
}  // namespace cotenant
