#include "model/open.h"

#include <sys/wait.h>

#include <chrono>

#include "../fixtures/expected.h"
#include "model/hub.h"
#include "model/presets.h"
#include "support.h"

namespace cotenant {
namespace {

namespace fs = std::filesystem;

// A Hugging Face cache of its own for every test, and nothing else in the environment.
class OpenModel : public testing::Test {
 protected:
  fs::path cache() const { return temporary_.path() / "hub"; }

  // Puts a fixture into the cache as `hf download` does: blobs, and links to them below the commit.
  void download(const std::string& folder, const std::string& fixture, const std::string& commit,
                bool with_weights = true) {
    const fs::path repository = cache() / folder;
    write_file(repository / "refs" / "main", commit + "\n");
    fs::create_directories(repository / "blobs");
    fs::create_directories(repository / "snapshots" / commit);
    for (const auto& entry : fs::directory_iterator(fixture_directory(fixture))) {
      const std::string name = entry.path().filename().string();
      if (!with_weights && name != "config.json") continue;
      fs::copy_file(entry.path(), repository / "blobs" / (commit + name));
      fs::create_symlink(fs::path("../../blobs") / (commit + name), repository / "snapshots" / commit / name);
    }
  }

  TemporaryDirectory temporary_;

 private:
  ScopedEnvironment hub_cache_{"HF_HUB_CACHE", (temporary_.path() / "hub").string()};
  ScopedEnvironment old_hub_cache_{"HUGGINGFACE_HUB_CACHE", std::nullopt};
  ScopedEnvironment transformers_cache_{"TRANSFORMERS_CACHE", std::nullopt};
  ScopedEnvironment home_{"HF_HOME", std::nullopt};
};

TEST_F(OpenModel, KnownNameWithoutFilesHasRandomWeightsAndSaysSo) {
  const Model model = open_model("distilgpt2", "auto", 5);
  EXPECT_EQ(model.name, "distilgpt2");
  EXPECT_EQ(model.spec, find_preset("distilgpt2")->spec);
  EXPECT_EQ(model.token_embedding.file, nullptr);
  for (const std::string& part :
       {std::string("random weights (seed 5)"), cache().string(), std::string("hf download distilbert/distilgpt2")})
    EXPECT_THAT(model.origin, testing::HasSubstr(part));
  EXPECT_EQ(model.origin.find('\n'), std::string::npos);
}

TEST_F(OpenModel, ModelsOfManyGigabytesCostNothingToOpen) {
  const Model model = open_model("deepseek-ai/DeepSeek-R1-Distill-Llama-70B", "random", 0);
  EXPECT_EQ(model.layers.size(), 80u);
  EXPECT_THAT(model.origin, testing::HasSubstr("as asked"));
}

TEST_F(OpenModel, NameInTheCache) {
  download("models--someone--tiny-qwen", "qwen3", "0123abcd");
  const Model model = open_model("someone/tiny-qwen", "auto", 0);
  EXPECT_THAT(model.origin, testing::AllOf(testing::StartsWith("weights of "), testing::HasSubstr("0123abcd"),
                                           testing::HasSubstr("3 shards")));
  EXPECT_EQ(open_spec("someone/tiny-qwen", "auto"), model.spec);
}

TEST_F(OpenModel, RefsMainChoosesTheSnapshot) {
  download("models--someone--tiny", "qwen3", "older");
  download("models--someone--tiny", "gpt2", "newer");
  EXPECT_EQ(open_spec("someone/tiny", "auto").family, Family::gpt2);
  // Without it: the newest of those that hold a model
  const fs::path snapshots = cache() / "models--someone--tiny" / "snapshots";
  fs::remove(cache() / "models--someone--tiny" / "refs" / "main");
  const auto now = fs::file_time_type::clock::now();
  fs::last_write_time(snapshots / "older", now - std::chrono::hours(2));
  fs::last_write_time(snapshots / "newer", now - std::chrono::hours(1));
  fs::create_directory(snapshots / "empty");
  write_file(snapshots / "README", "not a snapshot");
  EXPECT_EQ(open_spec("someone/tiny", "auto").family, Family::gpt2);
  write_file(cache() / "models--someone--tiny" / "refs" / "main", "of-a-download-that-broke-off");
  EXPECT_EQ(open_spec("someone/tiny", "auto").family, Family::gpt2);
  fs::remove_all(cache() / "models--someone--tiny" / "snapshots" / "newer");
  EXPECT_EQ(open_spec("someone/tiny", "auto").family, Family::qwen3);
}

TEST_F(OpenModel, TheCacheIsBeforeWhatIsBuiltIn) {
  download("models--distilbert--distilgpt2", "gpt2", "c0ffee");
  EXPECT_EQ(open_spec("distilgpt2", "auto").hidden, 36);
  EXPECT_EQ(open_spec("distilbert/distilgpt2", "auto").hidden, 36);
}

TEST_F(OpenModel, TheCacheIsFoundUnderTheOldBareName) {
  download("models--distilgpt2", "gpt2", "c0ffee");
  EXPECT_EQ(open_spec("distilbert/distilgpt2", "auto").hidden, 36);
}

TEST_F(OpenModel, TransformersCacheIsLookedInFirst) {
  download("models--someone--tiny", "gpt2", "c0ffee");
  const fs::path other = temporary_.path() / "transformers";
  fs::rename(cache(), other);
  ScopedEnvironment variable("TRANSFORMERS_CACHE", other.string());
  EXPECT_THAT(open_model("someone/tiny", "auto", 0).origin, testing::HasSubstr(other.string()));
  download("models--someone--else", "qwen3", "c0ffee");  // where `hf download` puts it
  EXPECT_EQ(open_spec("someone/else", "auto").family, Family::qwen3);
  expect_usage_error([] { open_spec("someone/nobody", "auto"); }, {other, cache(), "unknown model"});
}

// Runs in a process of another user, since root may read everything.
TEST_F(OpenModel, ACacheThatMayNotBeReadIsNoEmptyOne) {
  download("models--distilgpt2", "gpt2", "c0ffee");
  fs::permissions(temporary_.path(), fs::perms::others_exec | fs::perms::others_read, fs::perm_options::add);
  fs::permissions(cache(), fs::perms::owner_all);
  const auto as_another_user = [](auto call) {
    const pid_t child = ::fork();
    if (child == 0) {
      if (::geteuid() == 0 && ::setresuid(65534, 65534, 65534) != 0) ::_exit(1);
      call();
      ::_exit(testing::Test::HasFailure() ? 2 : 0);
    }
    int status = -1;
    ::waitpid(child, &status, 0);
    return status;
  };
  if (::geteuid() != 0) fs::permissions(cache(), fs::perms::none);
  EXPECT_EQ(as_another_user([&] {
              expect_usage_error([] { open_model("distilgpt2", "auto", 0); },
                                 {cache().string(), "Permission denied", "HF_HUB_CACHE"});
              EXPECT_EQ(open_spec("distilgpt2", "random").hidden, 768);
            }),
            0);
  fs::permissions(cache(), fs::perms::owner_all);
}

TEST_F(OpenModel, ATildeIsTheHomeDirectory) {
  fs::copy(fixture_directory("gpt2"), temporary_.path() / "model");
  ScopedEnvironment home("HOME", temporary_.path().string());
  EXPECT_EQ(open_spec("~/model", "auto").hidden, 36);
  EXPECT_EQ(open_model("distilgpt2", "~/model", 0).spec.hidden, 36);
  expect_usage_error([] { open_spec("~/nothing", "auto"); }, {temporary_.path().string(), "no such directory"});
}

TEST_F(OpenModel, CacheWithoutWeightsMeansRandomOnes) {
  download("models--someone--tiny", "gpt2", "c0ffee", false);
  const Model model = open_model("someone/tiny", "auto", 1);
  EXPECT_EQ(model.spec.hidden, 36);
  EXPECT_THAT(model.origin, testing::AllOf(testing::HasSubstr("random weights (seed 1)"),
                                           testing::HasSubstr("has no model.safetensors")));
}

TEST_F(OpenModel, WeightsOfAnotherFormatAreMentioned) {
  download("models--someone--tiny", "gpt2", "c0ffee", false);
  write_file(cache() / "models--someone--tiny" / "snapshots" / "c0ffee" / "pytorch_model.bin", "");
  EXPECT_THAT(open_model("someone/tiny", "auto", 1).origin, testing::HasSubstr("pytorch_model.bin"));
}

TEST_F(OpenModel, RandomNeverReadsWeights) {
  const fs::path directory = temporary_.path() / "model";
  fs::copy(fixture_directory("gpt2"), directory);
  write_file(directory / "model.safetensors", "damaged");
  EXPECT_EQ(open_model(directory.string(), "random", 0).spec.hidden, 36);
  expect_usage_error([&] { open_model(directory.string(), "auto", 0); }, {"model.safetensors", "has 7 bytes"});
}

TEST_F(OpenModel, WeightsOfAnotherDirectory) {
  const std::string fixture = fixture_directory("gpt2").string();
  EXPECT_EQ(open_model("distilgpt2", fixture, 0).spec.hidden, 36);  // its config.json is with it
  EXPECT_EQ(open_model("distilgpt2", fixture, 0).name, "distilgpt2");

  // Without one the name says what they are
  const fs::path bare = temporary_.path() / "bare";
  write_file(bare / "model.safetensors", read_file(fixture_directory("gpt2") / "model.safetensors"));
  expect_usage_error([&] { open_model("distilgpt2", bare.string(), 0); }, {"[131, 36]", "[50257, 768]"});

  expect_usage_error([&] { open_model("distilgpt2", "/nonexistent", 0); }, {"/nonexistent", "no such directory"});
  const fs::path empty = temporary_.path() / "empty";
  fs::create_directory(empty);
  expect_usage_error([&] { open_model("distilgpt2", empty.string(), 0); }, {empty, "neither model.safetensors nor"});
}

TEST_F(OpenModel, DirectoryWithoutConfig) {
  expect_usage_error([&] { open_model(temporary_.path().string(), "auto", 0); },
                     {temporary_.path(), "without config.json", "hf download"});
}

TEST_F(OpenModel, ResultsNamedLikeAModelDoNotHideIt) {
  fs::create_directory(temporary_.path() / "distilgpt2");
  const fs::path before = fs::current_path();
  fs::current_path(temporary_.path());
  const ModelSpec spec = open_spec("distilgpt2", "auto");
  fs::current_path(before);
  EXPECT_EQ(spec.hidden, 768);
}

TEST_F(OpenModel, UnknownNamesSuggestTheNearest) {
  expect_usage_error([] { open_model("distilgpt-2", "auto", 0); }, {"distilgpt-2", "unknown model", "mean distilgpt2"});
  expect_usage_error([] { open_model("meta-llama/Llama-3.2-3B-Instuct", "auto", 0); },
                     {"meta-llama/Llama-3.2-3B-Instruct", "cotenant models"});
  expect_usage_error([] { open_model("./missing", "auto", 0); }, {"./missing", "no such directory"});
  expect_usage_error([] { open_model("", "auto", 0); }, {"empty"});
  expect_usage_error([] { open_model("../nonexistent", "auto", 0); }, {"no such directory"});
  expect_usage_error([] { open_model("a/../../b", "auto", 0); }, {"unknown model"});
}

TEST_F(OpenModel, UnsupportedArchitectureInTheCache) {
  write_file(cache() / "models--google-t5--t5-small" / "refs" / "main", "abc");
  write_file(cache() / "models--google-t5--t5-small" / "snapshots" / "abc" / "config.json", "{\"model_type\": \"t5\"}");
  expect_usage_error([] { open_model("google-t5/t5-small", "auto", 0); }, {"\"t5\"", "Supported: gpt2"});
}

// huggingface_hub's rules (constants.py).
TEST(HubCache, FollowsTheEnvironment) {
  ScopedEnvironment home("HOME", "/home/user");
  ScopedEnvironment xdg("XDG_CACHE_HOME", std::nullopt);
  ScopedEnvironment hf_home("HF_HOME", std::nullopt);
  ScopedEnvironment old_cache("HUGGINGFACE_HUB_CACHE", std::nullopt);
  ScopedEnvironment cache("HF_HUB_CACHE", std::nullopt);
  EXPECT_EQ(hub_cache(), "/home/user/.cache/huggingface/hub");
  ScopedEnvironment xdg_set("XDG_CACHE_HOME", "/xdg");
  EXPECT_EQ(hub_cache(), "/xdg/huggingface/hub");
  ScopedEnvironment hf_home_set("HF_HOME", "~/hf");
  EXPECT_EQ(hub_cache(), "/home/user/hf/hub");
  ScopedEnvironment old_cache_set("HUGGINGFACE_HUB_CACHE", "/old");
  EXPECT_EQ(hub_cache(), "/old");
  ScopedEnvironment cache_set("HF_HUB_CACHE", "/cache");
  EXPECT_EQ(hub_cache(), "/cache");
}

}  // namespace
}  // namespace cotenant
