#include "model/weights.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/input_file.h"
#include "base/text.h"
#include "model/assemble.h"
#include "model/hub.h"
#include "model/json.h"
#include "model/safetensors.h"

namespace cotenant {
namespace {

namespace fs = std::filesystem;

constexpr const char* kSingleFile = "model.safetensors";
constexpr const char* kIndexFile = "model.safetensors.index.json";

struct LocatedTensor {
  StoredTensor stored;
  std::shared_ptr<const InputFile> file;

  std::string where() const { return file->path().string(); }
};

// All tensors of a directory, and the files that hold them.
struct Checkpoint {
  std::vector<std::shared_ptr<const InputFile>> files;
  std::vector<LocatedTensor> tensors;
  std::map<std::string, std::string> metadata;
};

void add_file(Checkpoint& checkpoint, const fs::path& path, const std::set<std::string>* wanted) {
  auto file = std::make_shared<const InputFile>(path, Links::followed);
  Safetensors found = read_safetensors(*file);
  std::set<std::string> missing = wanted ? *wanted : std::set<std::string>();
  for (StoredTensor& tensor : found.tensors) {
    if (wanted && missing.erase(tensor.name) == 0) continue;  // the index takes it from another shard, or not at all
    checkpoint.tensors.push_back({std::move(tensor), file});
  }
  if (!missing.empty())
    throw usage_error(path.string(),
                      fmt::format("tensor \"{}\" is missing, which {} promises", *missing.begin(), kIndexFile),
                      "Download the model again.");
  checkpoint.metadata.merge(found.metadata);
  checkpoint.files.push_back(std::move(file));
}

bool is_plain_file_name(const std::string& name) {
  const auto is_control = [](unsigned char c) { return c < 0x20 || c == 0x7f; };
  return !name.empty() && name != "." && name != ".." && name.size() <= 255 && name.find('/') == name.npos &&
         std::none_of(name.begin(), name.end(), is_control);
}

// Shard -> the tensors that the index takes from it.
using Shards = std::map<std::string, std::set<std::string>>;

// What fetches files of the model in `directory`. Its name stands in the path where that is the Hugging Face cache's.
std::string download_command(const fs::path& directory, const std::vector<std::string>& files) {
  for (const fs::path& part : directory) {
    std::string name = part.string();
    if (!name.starts_with("models--")) continue;
    name.erase(0, 8);
    if (const size_t dashes = name.find("--"); dashes != name.npos) name.replace(dashes, 2, "/");
    return fmt::format("hf download {} {}", name, fmt::join(files, " "));
  }
  return fmt::format("hf download <model> {} --local-dir {}", fmt::join(files, " "), directory.string());
}

void refuse_missing_shards(const fs::path& index, const Shards& shards) {
  std::vector<std::string> missing;
  for (const auto& [shard, tensors] : shards)
    if (!is_there(index.parent_path() / shard)) missing.push_back(shard);
  if (missing.empty()) return;
  throw usage_error(index.string(),
                    fmt::format("{} of its {} shards {} not there: {}", missing.size(), shards.size(),
                                missing.size() == 1 ? "is" : "are", fmt::join(missing, ", ")),
                    fmt::format("`{}` fetches what is missing.", download_command(index.parent_path(), missing)));
}

Shards read_index(const fs::path& path) {
  constexpr size_t kMostBytes = size_t{1} << 26;
  return parse_weights_index(read_file(path, kMostBytes, Links::followed), path.string());
}

Checkpoint open_checkpoint(const fs::path& directory) {
  Checkpoint checkpoint;
  if (is_there(directory / kSingleFile)) {
    add_file(checkpoint, directory / kSingleFile, nullptr);
  } else {
    const Shards shards = read_index(directory / kIndexFile);
    refuse_missing_shards(directory / kIndexFile, shards);
    for (const auto& [shard, tensors] : shards) add_file(checkpoint, directory / shard, &tensors);
  }
  return checkpoint;
}

// A stored name as TensorRequest spells it.
std::string canonical_name(std::string_view name, std::string_view prefix) {
  if (name.starts_with(prefix)) name.remove_prefix(prefix.size());
  std::string out(name);
  for (const auto& [old_end, new_end] :
       {std::pair("LayerNorm.gamma", "LayerNorm.weight"), std::pair("LayerNorm.beta", "LayerNorm.bias")})
    if (out.ends_with(old_end)) out.replace(out.size() - std::string_view(old_end).size(), std::string::npos, new_end);
  return out;
}

// Buffers that old versions of Transformers stored beside the weights of a layer; they follow from config.json.
bool is_stored_buffer(std::string_view name) {
  return name.ends_with("attn.bias") || name.ends_with("attn.masked_bias") || name.ends_with("rotary_emb.inv_freq");
}

// Answers TensorRequests from a checkpoint.
class Finder {
 public:
  Finder(const Checkpoint& checkpoint, const ModelSpec& spec, std::string where)
      : spec_(spec),
        prefix_(tensor_prefix(spec.family)),
        layer_prefix_(layer_prefix(spec.family)),
        where_(std::move(where)) {
    for (const LocatedTensor& tensor : checkpoint.tensors) {
      const auto [it, inserted] = by_name_.emplace(canonical_name(tensor.stored.name, prefix_), &tensor);
      if (!inserted)
        throw usage_error(tensor.where(), fmt::format("tensor \"{}\" is there a second time, as \"{}\"",
                                                      it->second->stored.name, tensor.stored.name));
    }
    for (const auto& [left_out, kept] : checkpoint.metadata)
      tied_.emplace(canonical_name(left_out, prefix_), canonical_name(kept, prefix_));
  }

  TensorSource find(const TensorRequest& request) {
    const LocatedTensor* found = located(request);
    if (found == nullptr)
      throw usage_error(where_,
                        fmt::format("tensor \"{}\" is missing (also as \"{}{}\")", request.name, prefix_, request.name),
                        fmt::format("The weights do not belong to config.json, or are incomplete. {}", kRemedy));
    used_.insert(request.name);
    const StoredTensor& stored = found->stored;
    if (stored.shape != request.shape)
      throw usage_error(found->where(),
                        fmt::format("tensor \"{}\" has the shape [{}], but config.json asks for [{}]", stored.name,
                                    fmt::join(stored.shape, ", "), fmt::join(request.shape, ", ")),
                        fmt::format("The weights do not belong to config.json. {}", kRemedy));
    return {.name = stored.name,
            .dtype = dtype_of(stored, found->where()),
            .shape = stored.shape,
            .file = found->file.get(),
            .offset = stored.offset,
            .fill = {}};
  }

  // After everything was asked for: what is left of the layers belongs to another architecture.
  void refuse_strange_layers() const {
    for (const auto& [name, tensor] : by_name_)
      if (name.starts_with(layer_prefix_) && !used_.contains(name) && !is_stored_buffer(name))
        throw usage_error(tensor->where(),
                          fmt::format("tensor \"{}\" is not part of the architecture that config.json describes",
                                      tensor->stored.name),
                          fmt::format("The weights do not belong to config.json. {}", kRemedy));
  }

 private:
  // Of tensors that share their values a file holds one, under any of their names: safetensors' metadata says under
  // which one, and where it does not, embeddings may stand under the name of the head that is tied to them.
  const LocatedTensor* located(const TensorRequest& request) const {
    const auto named = [&](const std::string& name) {
      const auto it = by_name_.find(name);
      return it == by_name_.end() ? nullptr : it->second;
    };
    if (const LocatedTensor* found = named(request.name)) return found;
    if (const auto tied = tied_.find(request.name); tied != tied_.end())
      if (const LocatedTensor* found = named(tied->second)) return found;
    const bool may_be_the_head = request.role == TensorRole::matrix && is_token_embedding(request.name, spec_.family) &&
                                 (spec_.tied_head || !spec_.has_head);
    if (may_be_the_head)
      for (const char* head :
           {"lm_head.weight", "lm_head.decoder.weight", "cls.predictions.decoder.weight", "vocab_projector.weight"})
        if (const LocatedTensor* found = named(head)) return found;
    return nullptr;
  }

  static constexpr const char* kRemedy = "Download the model again, or set weights: random.";

  static Dtype dtype_of(const StoredTensor& stored, const std::string& file) {
    const auto dtype = dtype_from_string(stored.dtype);
    if (!dtype || *dtype == Dtype::i32)
      throw usage_error(
          file, fmt::format("tensor \"{}\" has the dtype {}, expected F32, F16 or BF16", stored.name, stored.dtype),
          "Use the model's unquantised weights, or set weights: random.");
    return *dtype;
  }

  const ModelSpec& spec_;
  std::string_view prefix_, layer_prefix_;
  std::string where_;
  std::unordered_map<std::string, std::string> tied_;  // left out -> kept
  std::unordered_map<std::string, const LocatedTensor*> by_name_;
  std::unordered_set<std::string> used_;
};

std::string origin_of(const Checkpoint& checkpoint, const fs::path& directory, std::string_view dtype) {
  size_t bytes = 0;
  for (const auto& file : checkpoint.files) bytes += file->bytes();
  const size_t files = checkpoint.files.size();
  return fmt::format("weights of {} ({}, {}, {})", directory.string(),
                     files == 1 ? kSingleFile : fmt::format("{} shards", files), format_bytes(bytes), dtype);
}

}  // namespace

std::map<std::string, std::set<std::string>> parse_weights_index(std::string_view text, const std::string& where) {
  const nlohmann::json index = parse_json(text, where, Duplicates::last_counts);
  if (!index.is_object() || !index.contains("weight_map") || !index.at("weight_map").is_object())
    throw usage_error(where, "has no weight_map: expected an object of tensor names and file names",
                      "Download the file again.");
  Shards shards;
  for (const auto& [tensor, file] : index.at("weight_map").items()) {
    if (!file.is_string() || !is_plain_file_name(file.get<std::string>()))
      throw usage_error(where,
                        fmt::format("weight_map: {}: expected the name of a file in the same directory, found {}",
                                    shown(nlohmann::json(tensor)), shown(file)));
    shards[file.get<std::string>()].insert(tensor);
  }
  return shards;
}

bool has_weights(const fs::path& directory) {
  return is_there(directory / kSingleFile) || is_there(directory / kIndexFile);
}

Model load_weights(const ModelSpec& spec, const fs::path& directory) {
  const Checkpoint checkpoint = open_checkpoint(directory);
  const fs::path where = checkpoint.files.size() == 1 ? checkpoint.files.front()->path() : directory / kIndexFile;
  Finder finder(checkpoint, spec, where.string());
  Model model = assemble(spec, [&finder](const TensorRequest& request) { return finder.find(request); });
  finder.refuse_strange_layers();
  model.origin = origin_of(checkpoint, directory, to_string(model.token_embedding.dtype));
  model.files = checkpoint.files;
  return model;
}

}  // namespace cotenant
