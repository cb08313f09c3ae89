#!/usr/bin/env python3
"""Compares `cotenant infer` with Hugging Face Transformers on models with real weights, in float32 on the CPU.

The truth is Transformers in float64. cotenant passes when its error is at most twice that of Transformers' own float32
(relative, over all logits of a decoder or all hidden states of an encoder), and when a decoder continues every row
greedily by the same 48 tokens. Exit code 1 when a model does not pass.
"""

import argparse
import json
import pathlib
import subprocess
import sys
import tempfile

import numpy
import torch
import transformers

NEW_TOKENS = 48
LENGTH = 24
# Every line gives a row of LENGTH tokens, repeated where it is too short.
TEXTS = [
    "The harbour master counted the ships twice before he closed the gate for the night, and then he counted again.",
    "A computer has one processor and many programs; the operating system decides which of them runs, and for how long.",
    "In 1969 three people flew to the Moon. Two of them walked on it, and the third waited for them in orbit.",
    "To bake bread you need flour, water, salt, yeast, and above all enough patience to leave the dough alone.",
]


def token_rows(directory):
    tokenizer = transformers.AutoTokenizer.from_pretrained(directory)
    rows = [tokenizer(text)["input_ids"] for text in TEXTS]
    return torch.tensor([(row * LENGTH)[:LENGTH] for row in rows]), tokenizer


def load(directory, dtype):
    config = transformers.AutoConfig.from_pretrained(directory)
    is_decoder = any(name.endswith(("CausalLM", "LMHeadModel")) for name in config.architectures)
    model_class = transformers.AutoModelForCausalLM if is_decoder else transformers.AutoModel
    return model_class.from_pretrained(directory, dtype=dtype).eval(), is_decoder


def output_of(model, is_decoder, ids):
    with torch.no_grad():
        result = model(ids)
    return (result.logits if is_decoder else result.last_hidden_state).double().numpy()


def greedy(model, ids):
    """The continuation, and for each token by how much its logit was ahead of the next."""
    model.generation_config = transformers.GenerationConfig(eos_token_id=None, pad_token_id=0)
    with torch.no_grad():
        out = model.generate(
            ids, attention_mask=torch.ones_like(ids), do_sample=False, max_new_tokens=NEW_TOKENS,
            return_dict_in_generate=True, output_logits=True,
        )
    best = torch.stack(out.logits).topk(2, dim=-1).values
    return out.sequences[:, ids.shape[1] :].numpy(), (best[..., 0] - best[..., 1]).T.numpy()


class Cotenant:
    def __init__(self, binary, directory, ids):
        self.folder = tempfile.TemporaryDirectory()
        self.ids_file = pathlib.Path(self.folder.name) / "ids.json"
        self.ids_file.write_text(json.dumps(ids.tolist()))
        self.command = [
            binary, "infer", "--model", directory, "--input-ids", self.ids_file, "--device", "cpu", "--dtype", "float32",
        ]

    def run(self, *arguments):
        result = subprocess.run([*self.command, *arguments], capture_output=True, text=True)
        if result.returncode != 0:
            sys.exit(f"cotenant infer failed with exit code {result.returncode}:\n{result.stderr}")
        return result.stdout

    def output(self):
        file = pathlib.Path(self.folder.name) / "logits.npy"
        self.run("--logits", file)
        return numpy.load(file).astype(numpy.float64)

    def greedy(self):
        return numpy.array(json.loads(self.run("--max-new-tokens", str(NEW_TOKENS), "--json"))["output_ids"])


def relative_error(values, truth):
    return numpy.linalg.norm(values - truth) / numpy.linalg.norm(truth)


def check(passed, text):
    print(f"  {'ok  ' if passed else 'FAIL'} {text}")
    return passed


def compare_greedy(ours, theirs, margins):
    if (ours == theirs).all():
        return check(True, f"{ours.shape[0]} x {NEW_TOKENS} greedy tokens identical (least margin {margins.min():.2g})")
    row, step = (int(i[0]) for i in numpy.nonzero(ours != theirs))
    return check(False, f"row {row} differs from token {step} on: {ours[row, step]} instead of {theirs[row, step]}, "
                        f"which is ahead by {margins[row, step]:.2g}")


def compare(binary, directory):
    print(directory.name)
    ids, tokenizer = token_rows(directory)
    cotenant = Cotenant(binary, directory, ids)
    model, is_decoder = load(directory, torch.float64)
    truth = output_of(model, is_decoder, ids)
    model, is_decoder = load(directory, torch.float32)
    error = relative_error(cotenant.output().reshape(truth.shape), truth)
    peer_error = relative_error(output_of(model, is_decoder, ids), truth)
    passed = check(error <= 2 * peer_error,
                   f"error against float64 {error:.3g}, Transformers' {peer_error:.3g}: {error / peer_error:.2f}x")
    if is_decoder:
        theirs, margins = greedy(model, ids)
        passed &= compare_greedy(cotenant.greedy(), theirs, margins)
        print(f"       {tokenizer.decode(theirs[0])!r}")
    return passed


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--cotenant", default="build/release/cotenant", help="the binary")
    parser.add_argument("directories", nargs="+", type=pathlib.Path, help="of config.json and model.safetensors")
    arguments = parser.parse_args()
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    directories = [path for path in arguments.directories if (path / "config.json").is_file()]
    if not directories:
        sys.exit("none of the directories has a config.json")
    results = [compare(arguments.cotenant, directory) for directory in directories]
    sys.exit(0 if all(results) else 1)


if __name__ == "__main__":
    main()
