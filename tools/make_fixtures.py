#!/usr/bin/env python3
"""Makes tests/fixtures/models: tiny random models of every family, with Hugging Face Transformers' answers.

    pip install torch transformers safetensors
    tools/make_fixtures.py [--only NAME]...

Each model is a directory as `save_pretrained` writes it, with shapes that a wrong implementation stumbles over, norms
and biases far from 1 and 0, and `expected.safetensors` beside it (tests/fixtures/README.md describes it). The truth is
computed in float32 with eager attention from the files as stored. Seeds are searched until the two best logits differ
by more than MARGIN at every greedy step, so that a correct engine cannot take another path because of rounding.
"""

import argparse
import json
import pathlib
import shutil
import sys

import safetensors.torch
import torch
import transformers

MARGIN = 2e-3
NEW_TOKENS = 48
ROWS, LENGTH = 2, 13
MODELS = pathlib.Path(__file__).resolve().parent.parent / "tests" / "fixtures" / "models"


# ---- how a directory may be written ----


def as_transformers_4(config):
    """The spelling of Transformers 4: torch_dtype, and rope_theta with rope_scaling."""
    config["torch_dtype"] = config.pop("dtype")
    config["transformers_version"] = "4.45.0"
    if "rope_parameters" in config:
        rope = config.pop("rope_parameters")
        config["rope_theta"] = rope.pop("rope_theta")
        config["rope_scaling"] = None if rope["rope_type"] == "default" else rope
    return config


def as_old_scaling_type(config):
    """Before 4.43 the key was "type"; head_dim was not written where it follows from the sizes."""
    as_transformers_4(config)
    config["rope_scaling"]["type"] = config["rope_scaling"].pop("rope_type")
    del config["head_dim"]
    return config


def old_gpt2_names(tensors):
    """GPT-2's first files: no prefix, and the causal mask stored beside the weights."""
    tensors = {name.removeprefix("transformer."): tensor for name, tensor in tensors.items()}
    layers = {name.split(".")[1] for name in tensors if name.startswith("h.")}
    for layer in layers:
        tensors[f"h.{layer}.attn.bias"] = torch.ones(1, 1, 8, 8).tril()
        tensors[f"h.{layer}.attn.masked_bias"] = torch.tensor(-1e4)
    return tensors


def old_bert_names(tensors):
    """BERT's first files: gamma and beta, a prefix, and the position ids as a tensor."""
    renamed = {}
    for name, tensor in tensors.items():
        name = name.replace("LayerNorm.weight", "LayerNorm.gamma").replace("LayerNorm.bias", "LayerNorm.beta")
        renamed[name if name.startswith("cls.") else "bert." + name.removeprefix("bert.")] = tensor
    renamed["bert.embeddings.position_ids"] = torch.arange(40).unsqueeze(0)
    return renamed


def without_prefix(prefix):
    return lambda tensors: {name.removeprefix(prefix): tensor for name, tensor in tensors.items()}


# ---- the models ----

LLAMA3_ROPE = {
    "rope_type": "llama3",
    "rope_theta": 10000.0,
    "factor": 8.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 32,
}


def sizes(**overrides):
    """Of the Llama family: few KV heads, and no size a multiple of 16."""
    return {
        "vocab_size": 131,
        "hidden_size": 40,
        "intermediate_size": 76,
        "num_hidden_layers": 3,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "max_position_embeddings": 96,
        **overrides,
    }


def models():
    """name -> (model class, config, how it is written)"""
    t = transformers
    return {
        # tied head, 4 * hidden between, head_dim 12
        "gpt2": (
            t.GPT2LMHeadModel,
            t.GPT2Config(vocab_size=131, n_positions=80, n_embd=36, n_layer=3, n_head=3),
            {"config": as_transformers_4},
        ),
        # head of its own, n_inner given, another activation, names without prefix
        "gpt2_old_names": (
            t.GPT2LMHeadModel,
            t.GPT2Config(
                vocab_size=97, n_positions=64, n_embd=40, n_layer=2, n_head=2, n_inner=70,
                activation_function="gelu", layer_norm_epsilon=1e-3, tie_word_embeddings=False,
            ),
            {"tensors": old_gpt2_names},
        ),
        # gamma and beta, a pooler and a head that are not used
        "bert": (
            t.BertForPreTraining,
            t.BertConfig(
                vocab_size=101, hidden_size=36, num_hidden_layers=3, num_attention_heads=3, intermediate_size=70,
                max_position_embeddings=40, type_vocab_size=2, layer_norm_eps=1e-7,
            ),
            {"config": as_transformers_4, "tensors": old_bert_names},
        ),
        # no prefix, relu, float16
        "bert_float16": (
            t.BertModel,
            t.BertConfig(
                vocab_size=67, hidden_size=30, num_hidden_layers=2, num_attention_heads=5, intermediate_size=41,
                max_position_embeddings=24, type_vocab_size=3, hidden_act="relu",
            ),
            {"dtype": torch.float16},
        ),
        "distilbert": (
            t.DistilBertForMaskedLM,
            t.DistilBertConfig(
                vocab_size=103, dim=40, n_layers=3, n_heads=2, hidden_dim=90, max_position_embeddings=32
            ),
            {"config": as_transformers_4},
        ),
        # positions start behind the padding id
        "roberta": (
            t.RobertaForMaskedLM,
            t.RobertaConfig(
                vocab_size=107, hidden_size=42, num_hidden_layers=2, num_attention_heads=3, intermediate_size=62,
                max_position_embeddings=34, type_vocab_size=1, layer_norm_eps=1e-5,
            ),
            {},
        ),
        # llama3 scaling, biases everywhere, head_dim 18 where hidden / heads is 10, a head of its own, shards
        "llama": (
            t.LlamaForCausalLM,
            t.LlamaConfig(
                **sizes(head_dim=18, attention_bias=True, mlp_bias=True), rope_parameters=dict(LLAMA3_ROPE)
            ),
            {"shard_bytes": 90_000},
        ),
        # tied head, as many KV heads as heads, linear scaling in the oldest spelling, bfloat16
        "llama_tied": (
            t.LlamaForCausalLM,
            t.LlamaConfig(
                **sizes(num_key_value_heads=4, tie_word_embeddings=True, rms_norm_eps=1e-3),
                rope_parameters={"rope_type": "linear", "rope_theta": 500.0, "factor": 2.5},
            ),
            {"config": as_old_scaling_type, "dtype": torch.bfloat16, "tensors": without_prefix("model.")},
        ),
        # a window shorter than the prompt, one KV head
        "mistral": (
            t.MistralForCausalLM,
            t.MistralConfig(**sizes(num_key_value_heads=1, sliding_window=5), rope_parameters={
                "rope_type": "default", "rope_theta": 1000.0}),
            {"config": as_transformers_4},
        ),
        # sliding_window null, float16
        "mistral_full": (
            t.MistralForCausalLM,
            t.MistralConfig(**sizes(sliding_window=None, vocab_size=89, num_hidden_layers=2)),
            {"dtype": torch.float16},
        ),
        # biases of q, k and v alone, tied head, 5 heads on 1
        "qwen2": (
            t.Qwen2ForCausalLM,
            t.Qwen2Config(
                **sizes(hidden_size=40, num_attention_heads=5, num_key_value_heads=1, tie_word_embeddings=True)
            ),
            {"config": as_transformers_4},
        ),
        # norms of q and k, head_dim 14, 6 heads on 3, shards
        "qwen3": (
            t.Qwen3ForCausalLM,
            t.Qwen3Config(**sizes(hidden_size=48, num_attention_heads=6, num_key_value_heads=3, head_dim=14)),
            {"shard_bytes": 120_000},
        ),
    }


# ---- making one ----


def randomise(model, seed):
    """Weights that make answers depend on everything: embeddings and products of order 1, norms and biases away from
    1 and 0. Where the head is tied, small embeddings keep the last token from answering with itself for ever."""
    generator = torch.Generator().manual_seed(seed)
    table_deviation = 0.1 if is_decoder(model) and model.config.tie_word_embeddings else 0.7

    def normal(tensor, mean, deviation):
        tensor.copy_(mean + deviation * torch.randn(tensor.shape, generator=generator))

    with torch.no_grad():
        for name, parameter in model.named_parameters():
            is_norm = any(word in name.lower() for word in ("norm", "ln_"))
            if parameter.dim() == 1 and is_norm and name.endswith("weight"):
                normal(parameter, 1.0, 0.3)
            elif parameter.dim() == 1:
                normal(parameter, 0.0, 0.3)
            elif "embed_tokens" in name or "wte" in name:
                normal(parameter, 0.0, table_deviation)
            elif "embed" in name or "wpe" in name:
                normal(parameter, 0.0, 0.7)
            else:
                normal(parameter, 0.0, 1.4 / parameter.shape[-1] ** 0.5)


def write(model, directory, options):
    shutil.rmtree(directory, ignore_errors=True)
    model.to(options.get("dtype", torch.float32))
    model.save_pretrained(directory, max_shard_size=options.get("shard_bytes", 10**9))
    (directory / "generation_config.json").unlink(missing_ok=True)
    if "tensors" in options:
        file = directory / "model.safetensors"
        tensors = options["tensors"](safetensors.torch.load_file(file))
        contiguous = {name: tensor.contiguous().clone() for name, tensor in tensors.items()}
        safetensors.torch.save_file(contiguous, file, metadata={"format": "pt"})
    if "config" in options:
        file = directory / "config.json"
        config = options["config"](json.loads(file.read_text()))
        file.write_text(json.dumps(config, indent=2, sort_keys=True) + "\n")


def is_decoder(model):
    return type(model).__name__.endswith(("CausalLM", "GPT2LMHeadModel"))


def answers(model, input_ids):
    """Logits of a decoder or hidden states of an encoder, the greedy tokens, and the least margin between the two best."""
    if not is_decoder(model):
        hidden = model.base_model(input_ids).last_hidden_state
        return {"output": hidden}, float("inf")
    logits = model(input_ids).logits
    out = model.generate(
        input_ids, attention_mask=torch.ones_like(input_ids), do_sample=False, max_new_tokens=NEW_TOKENS,
        return_dict_in_generate=True, output_logits=True,
    )
    best = torch.stack(out.logits).topk(2, dim=-1).values  # [steps, rows, 2]
    margin = (best[..., 0] - best[..., 1]).min().item()
    return {"output": logits, "new_tokens": out.sequences[:, input_ids.shape[1] :].to(torch.int32)}, margin


def load(model_class, directory):
    model = model_class.from_pretrained(directory, dtype=torch.float32, attn_implementation="eager").eval()
    if is_decoder(model):  # nothing ends a sequence early
        model.generation_config = transformers.GenerationConfig(eos_token_id=None, pad_token_id=0)
    return model


def reduced_precision_errors(model_class, directory, input_ids, output):
    """What Transformers itself loses in half precision, ||a - b|| / ||b|| of all outputs: an engine may lose as much."""
    errors = {}
    for dtype in (torch.bfloat16, torch.float16):
        found, _ = answers(load(model_class, directory).to(dtype), input_ids)
        error = (found["output"].double() - output.double()).norm() / output.double().norm()
        errors[f"error_{str(dtype).removeprefix('torch.')}"] = error.float().reshape(1)
    return errors


def same_weights(written, loaded):
    """Did from_pretrained find everything under the names we wrote? (It warns otherwise, and goes on.)"""
    stored = dict(loaded.base_model.named_parameters())
    return all(torch.equal(tensor.float(), stored[name]) for name, tensor in written.base_model.named_parameters())


def varied(tokens):
    return all(len(set(row.tolist())) >= NEW_TOKENS // 6 for row in tokens)


def make(name, model_class, config, options):
    directory = MODELS / name
    for seed in range(1000):
        torch.manual_seed(seed)
        written = model_class(config).eval()
        randomise(written, seed)
        write(written, directory, options)
        model = load(model_class, directory)
        if not same_weights(written, model):
            sys.exit(f"{name}: transformers does not find all weights in {directory}")
        # Ids from 3 on: not RoBERTa's padding
        generator = torch.Generator().manual_seed(seed)
        input_ids = torch.randint(3, config.vocab_size, (ROWS, LENGTH), generator=generator)
        with torch.no_grad():
            truth, margin = answers(model, input_ids)
        if margin > MARGIN and varied(truth.get("new_tokens", [])):
            break
    else:
        sys.exit(f"{name}: no seed gives clear answers")
    with torch.no_grad():
        truth |= reduced_precision_errors(model_class, directory, input_ids, truth["output"])
    truth["input_ids"] = input_ids.to(torch.int32)
    metadata = {
        "seed": str(seed),
        "made_with": f"transformers {transformers.__version__}, torch {torch.__version__.split('+')[0]}",
        "least_margin": f"{margin:.4g}",
    }
    tensors = {key: tensor.contiguous() for key, tensor in truth.items()}
    safetensors.torch.save_file(tensors, directory / "expected.safetensors", metadata=metadata)
    for file in directory.iterdir():
        file.chmod(0o644)
    size = sum(file.stat().st_size for file in directory.iterdir())
    print(f"{name:16} seed {seed:3}  margin {margin:8.4f}  {size / 1000:6.0f} kB")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--only", action="append", metavar="NAME", help="make only this model; repeatable")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    known = models()
    for name in arguments.only or known:
        make(name, *known[name])
    total = sum(file.stat().st_size for file in MODELS.rglob("*") if file.is_file())
    print(f"{'in all':16} {total / 1e6:.2f} MB")


if __name__ == "__main__":
    main()
