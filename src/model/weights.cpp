#include "model/weights.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <map>
#include <memory>
#include <set>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/text.h"
#include "model/assemble.h"
#include "model/files.h"
#include "model/json.h"
#include "model/safetensors.h"

namespace cotenant {
namespace {

namespace fs = std::filesystem;

constexpr const char* kSingleFile = "model.safetensors";
constexpr const char* kIndexFile = "model.safetensors.index.json";

struct LocatedTensor {
  StoredTensor stored;
  std::string file;
};

// All tensors of a directory, and the files that hold them.
struct Checkpoint {
  std::vector<std::shared_ptr<const MappedFile>> files;
  std::vector<LocatedTensor> tensors;
};

void add_file(Checkpoint& checkpoint, const fs::path& path, const std::set<std::string>* wanted) {
  auto file = std::make_shared<const MappedFile>(path);
  std::set<std::string> missing = wanted ? *wanted : std::set<std::string>();
  for (StoredTensor& tensor : parse_safetensors(file->bytes(), path.string())) {
    if (wanted && missing.erase(tensor.name) == 0) continue;  // the index takes it from another shard, or not at all
    checkpoint.tensors.push_back({std::move(tensor), path.string()});
  }
  if (!missing.empty())
    throw usage_error(path.string(),
                      fmt::format("tensor \"{}\" is missing, which {} promises", *missing.begin(), kIndexFile),
                      "Download the model again.");
  checkpoint.files.push_back(std::move(file));
}

// Shard -> the tensors that the index takes from it.
std::map<std::string, std::set<std::string>> read_index(const fs::path& path) {
  constexpr size_t kMostBytes = 100'000'000;
  const std::string where = path.string();
  const nlohmann::json index = parse_json(read_text_file(path, kMostBytes), where);
  if (!index.is_object() || !index.contains("weight_map") || !index.at("weight_map").is_object())
    throw usage_error(where, "has no weight_map: expected an object of tensor names and file names",
                      "Download the file again.");
  std::map<std::string, std::set<std::string>> shards;
  for (const auto& [tensor, file] : index.at("weight_map").items()) {
    if (!file.is_string() || file.get<std::string>().empty() || fs::path(file.get<std::string>()).has_parent_path())
      throw usage_error(
          where, fmt::format("weight_map: {}: expected the name of a file in the same directory, found {}", tensor,
                             shown(file)));
    shards[file.get<std::string>()].insert(tensor);
  }
  return shards;
}

Checkpoint open_checkpoint(const fs::path& directory) {
  Checkpoint checkpoint;
  if (fs::exists(directory / kSingleFile)) {
    add_file(checkpoint, directory / kSingleFile, nullptr);
  } else {
    for (const auto& [shard, tensors] : read_index(directory / kIndexFile))
      add_file(checkpoint, directory / shard, &tensors);
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
  Finder(const Checkpoint& checkpoint, Family family, std::string where)
      : prefix_(tensor_prefix(family)), layer_prefix_(layer_prefix(family)), where_(std::move(where)) {
    for (const LocatedTensor& tensor : checkpoint.tensors) {
      const auto [it, inserted] = by_name_.emplace(canonical_name(tensor.stored.name, prefix_), &tensor);
      if (!inserted)
        throw usage_error(tensor.file, fmt::format("tensor \"{}\" is there a second time, as \"{}\"",
                                                   it->second->stored.name, tensor.stored.name));
    }
  }

  TensorSource find(const TensorRequest& request) {
    const auto it = by_name_.find(request.name);
    if (it == by_name_.end())
      throw usage_error(where_,
                        fmt::format("tensor \"{}\" is missing (also as \"{}{}\")", request.name, prefix_, request.name),
                        fmt::format("The weights do not belong to config.json, or are incomplete. {}", kRemedy));
    used_.insert(request.name);
    const auto& [stored, file] = *it->second;
    if (stored.shape != request.shape)
      throw usage_error(file,
                        fmt::format("tensor \"{}\" has the shape [{}], but config.json asks for [{}]", stored.name,
                                    fmt::join(stored.shape, ", "), fmt::join(request.shape, ", ")),
                        fmt::format("The weights do not belong to config.json. {}", kRemedy));
    return {.name = stored.name,
            .dtype = dtype_of(stored, file),
            .shape = stored.shape,
            .data = stored.data.data(),
            .fill = {}};
  }

  // After everything was asked for: what is left of the layers belongs to another architecture.
  void refuse_strange_layers() const {
    for (const auto& [name, tensor] : by_name_)
      if (name.starts_with(layer_prefix_) && !used_.contains(name) && !is_stored_buffer(name))
        throw usage_error(tensor->file,
                          fmt::format("tensor \"{}\" is not part of the architecture that config.json describes",
                                      tensor->stored.name),
                          fmt::format("The weights do not belong to config.json. {}", kRemedy));
  }

 private:
  static constexpr const char* kRemedy = "Download the model again, or set weights: random.";

  static Dtype dtype_of(const StoredTensor& stored, const std::string& file) {
    const auto dtype = dtype_from_string(stored.dtype);
    if (!dtype || *dtype == Dtype::i32)
      throw usage_error(
          file, fmt::format("tensor \"{}\" has the dtype {}, expected F32, F16 or BF16", stored.name, stored.dtype),
          "Use the model's unquantised weights, or set weights: random.");
    return *dtype;
  }

  std::string_view prefix_, layer_prefix_;
  std::string where_;
  std::unordered_map<std::string, const LocatedTensor*> by_name_;
  std::unordered_set<std::string> used_;
};

std::string origin_of(const Checkpoint& checkpoint, const fs::path& directory, std::string_view dtype) {
  size_t bytes = 0;
  for (const auto& file : checkpoint.files) bytes += file->bytes().size();
  const size_t files = checkpoint.files.size();
  return fmt::format("weights of {} ({}, {}, {})", directory.string(),
                     files == 1 ? kSingleFile : fmt::format("{} shards", files), format_bytes(bytes), dtype);
}

}  // namespace

bool has_weights(const fs::path& directory) {
  std::error_code ignored;
  return fs::exists(directory / kSingleFile, ignored) || fs::exists(directory / kIndexFile, ignored);
}

Model load_weights(const ModelSpec& spec, const fs::path& directory) {
  const Checkpoint checkpoint = open_checkpoint(directory);
  const fs::path where = checkpoint.files.size() == 1 ? checkpoint.files.front()->path() : directory / kIndexFile;
  Finder finder(checkpoint, spec.family, where.string());
  Model model = assemble(spec, [&finder](const TensorRequest& request) { return finder.find(request); });
  finder.refuse_strange_layers();
  model.origin = origin_of(checkpoint, directory, to_string(model.token_embedding.dtype));
  model.files = checkpoint.files;
  return model;
}

}  // namespace cotenant
