#!/usr/bin/env python3
"""Makes random models of every family that no kernel has seen before, with Transformers' answers, for the GPU tests.

    tools/make_fresh_models.py DIRECTORY [--seed N]        # the seed is drawn, and printed, unless given
    COTENANT_FRESH_MODELS=DIRECTORY build/test_cuda --gtest_filter='FreshModels.*'

Larger than the committed fixtures (tests/fixtures/README.md) and written like them. The truth is computed in float64.
`error_float16` and `error_bfloat16` are what Transformers loses in these on this machine's GPU (or the CPU without one),
and `wrong_float16` and `wrong_bfloat16` at how many positions its best token is another than float64's. `choices` are
float64's best tokens.
"""

import argparse
import pathlib
import random

import safetensors.torch
import torch
import transformers as t

import make_fixtures

ROWS, LENGTH = 3, 150
HALVES = (torch.float16, torch.bfloat16)


def sizes(**overrides):
    """Of the Llama family."""
    return {
        "vocab_size": 1031,
        "hidden_size": 512,
        "intermediate_size": 1376,
        "num_hidden_layers": 4,
        "num_attention_heads": 8,
        "num_key_value_heads": 2,
        "max_position_embeddings": 512,
        **overrides,
    }


def encoder(**overrides):
    return {
        "vocab_size": 997,
        "hidden_size": 384,
        "num_hidden_layers": 4,
        "num_attention_heads": 6,
        "intermediate_size": 1536,
        "max_position_embeddings": 256,
        **overrides,
    }


def models():
    """name -> (model class, config); head_dim 32, 64, 80, 96 and 128 are all there."""
    return {
        "gpt2": (t.GPT2LMHeadModel, t.GPT2Config(vocab_size=1031, n_positions=256, n_embd=384, n_layer=4, n_head=6)),
        "gpt2_80": (t.GPT2LMHeadModel, t.GPT2Config(vocab_size=515, n_positions=256, n_embd=320, n_layer=2, n_head=4)),
        "bert": (t.BertModel, t.BertConfig(**encoder(), type_vocab_size=2)),
        "bert_32": (t.BertModel, t.BertConfig(**encoder(num_attention_heads=12), type_vocab_size=2)),
        "distilbert": (
            t.DistilBertModel,
            t.DistilBertConfig(vocab_size=997, dim=384, n_layers=3, n_heads=6, hidden_dim=1536, max_position_embeddings=256),
        ),
        "roberta": (t.RobertaModel, t.RobertaConfig(**encoder(), type_vocab_size=1)),
        "llama": (
            t.LlamaForCausalLM,
            t.LlamaConfig(**sizes(head_dim=128), rope_parameters=dict(make_fixtures.LLAMA3_ROPE)),
        ),
        "llama_96": (t.LlamaForCausalLM, t.LlamaConfig(**sizes(hidden_size=384, num_attention_heads=4, head_dim=96))),
        "mistral": (t.MistralForCausalLM, t.MistralConfig(**sizes(sliding_window=37))),
        "mistral_full": (t.MistralForCausalLM, t.MistralConfig(**sizes(sliding_window=None, head_dim=128))),
        "qwen2": (t.Qwen2ForCausalLM, t.Qwen2Config(**sizes(tie_word_embeddings=True))),
        "qwen3": (t.Qwen3ForCausalLM, t.Qwen3Config(**sizes(head_dim=128))),
    }


def load(model_class, directory, dtype, device):
    return model_class.from_pretrained(directory, dtype=dtype, attn_implementation="sdpa").eval().to(device)


def output(model, input_ids):
    if make_fixtures.is_decoder(model):
        return model(input_ids).logits
    return model(input_ids).last_hidden_state


def greedy(model, input_ids, count):
    """The continuation of each row, from whole forward passes."""
    tokens = input_ids
    for _ in range(count):
        tokens = torch.cat([tokens, model(tokens).logits[:, -1].argmax(-1, keepdim=True)], 1)
    return tokens[:, input_ids.shape[1] :]


def make(directory, model_class, config, seed):
    torch.manual_seed(seed)
    model = model_class(config).eval()
    make_fixtures.randomise(model, seed)
    make_fixtures.write(model, directory, {})
    input_ids = torch.randint(3, config.vocab_size, (ROWS, LENGTH), generator=torch.Generator().manual_seed(seed))
    device = "cuda" if torch.cuda.is_available() else "cpu"
    exact_model = load(model_class, directory, torch.float64, device)
    exact = output(exact_model, input_ids.to(device))
    truth = {"input_ids": input_ids, "output": exact.float().cpu()}
    if make_fixtures.is_decoder(model):
        truth["choices"] = exact.argmax(-1).cpu()
        truth["new_tokens"] = greedy(exact_model, input_ids.to(device), 16).cpu()
    for dtype in HALVES:
        name = str(dtype).removeprefix("torch.")
        found = output(load(model_class, directory, dtype, device), input_ids.to(device)).double()
        truth[f"error_{name}"] = ((found - exact).norm() / exact.norm()).float().reshape(1).cpu()
        truth[f"wrong_{name}"] = (found.argmax(-1) != exact.argmax(-1)).sum().reshape(1).cpu()
    tensors = {key: value.to(torch.int32) if value.dtype == torch.int64 else value for key, value in truth.items()}
    safetensors.torch.save_file({key: value.contiguous() for key, value in tensors.items()},
                                directory / "expected.safetensors")
    print(f"{directory.name:14} " + "  ".join(f"{key} {value.item():.3g}" for key, value in tensors.items() if value.numel() == 1))


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("directory", type=pathlib.Path)
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 30))
    arguments = parser.parse_args()
    t.logging.set_verbosity_error()
    print(f"seed {arguments.seed}")
    with torch.no_grad():
        for i, (name, (model_class, config)) in enumerate(models().items()):
            make(arguments.directory / name, model_class, config, arguments.seed + i)


if __name__ == "__main__":
    main()
