#!/usr/bin/env python3
"""Writes tests/fixtures/config_defaults.json: what Transformers takes for the keys that a config.json leaves out.

    pip install transformers && tools/make_default_fixtures.py

Each case is a config.json and what Transformers' configuration class makes of it, under the names of ModelSpec.
"""

import json
import pathlib

import transformers
from transformers.models.auto.configuration_auto import CONFIG_MAPPING

ENCODERS = ("bert", "distilbert", "roberta")
QWEN = ("qwen2", "qwen3")


def cases():
    for family in ("gpt2", *ENCODERS, "llama", "mistral", *QWEN):
        yield {"model_type": family}
        heads = {"gpt2": "n_head", "distilbert": "n_heads"}.get(family, "num_attention_heads")
        yield {"model_type": family, heads: 16, {"gpt2": "n_embd", "distilbert": "dim"}.get(family, "hidden_size"): 2048}
    for family in QWEN:
        yield {"model_type": family, "use_sliding_window": True, "num_hidden_layers": 24}
        yield {"model_type": family, "use_sliding_window": True, "max_window_layers": 0}
    yield {"model_type": "mistral", "sliding_window": None}
    yield {"model_type": "roberta", "pad_token_id": 3}


def window(config):
    size = getattr(config, "sliding_window", None)
    windowed = set(getattr(config, "layer_types", None) or ["sliding_attention"])
    return size if size and windowed == {"sliding_attention"} else 0


def expected(config):
    family = config.model_type
    heads = config.num_attention_heads
    # Encoders with learned positions behind the padding id (modeling_roberta.py), and an epsilon that is no key
    # (modeling_distilbert.py).
    positions = config.max_position_embeddings - (config.pad_token_id + 1 if family == "roberta" else 0)
    first = lambda *names: next(getattr(config, name) for name in names if getattr(config, name, None) is not None)
    inner = getattr(config, "n_inner", None) if family == "gpt2" else first("intermediate_size", "hidden_dim")
    rope = getattr(config, "rope_parameters", None)
    return {
        "vocab_size": config.vocab_size,
        "hidden": config.hidden_size,
        "layers": config.num_hidden_layers,
        "heads": heads,
        # More than heads would be no model: Transformers has one number for all sizes.
        "kv_heads": min(heads, getattr(config, "num_key_value_heads", heads)),
        "head_dim": getattr(config, "head_dim", None) or config.hidden_size // heads,
        "intermediate": inner or 4 * config.hidden_size,
        "max_positions": positions,
        "norm_eps": 1e-12 if family == "distilbert" else first("layer_norm_epsilon", "layer_norm_eps", "rms_norm_eps"),
        "activation": first("activation_function", "hidden_act", "activation"),
        "rope_theta": rope["rope_theta"] if rope else None,
        "token_types": getattr(config, "type_vocab_size", 0),
        "sliding_window": window(config),
        "qkv_bias": family in ("gpt2", *ENCODERS, "qwen2") or getattr(config, "attention_bias", False),
        "ffn_bias": family in ("gpt2", *ENCODERS) or getattr(config, "mlp_bias", False),
        "tied_head": family not in ENCODERS and config.tie_word_embeddings,
    }


def main():
    made = []
    for case in cases():
        keys = {key: value for key, value in case.items() if key != "model_type"}
        made.append({"config": case, "expected": expected(CONFIG_MAPPING[case["model_type"]](**keys))})
    file = pathlib.Path(__file__).parent.parent / "tests/fixtures/config_defaults.json"
    lines = ",\n".join("    " + json.dumps(case) for case in made)
    file.write_text(f'{{\n  "transformers": "{transformers.__version__}",\n  "cases": [\n{lines}\n  ]\n}}\n')


if __name__ == "__main__":
    main()
