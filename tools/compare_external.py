#!/usr/bin/env python3
"""Compares adapters/hf_transformers.py with Transformers itself, on the CPU with random weights.

The adapter passes when it generates the tokens that Transformers' own generate() does, from the same weights and input.
How long a forward pass takes under cotenant, and how long in a plain loop of the same process layout, is reported: both
by the host's clock, in turns, one thread each.
"""

import argparse
import json
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

ADAPTER = pathlib.Path(__file__).resolve().parent.parent / "adapters" / "hf_transformers.py"
ROWS, LENGTH, NEW_TOKENS, SEED = 2, 24, 16, 7


class Adapter:
    """The adapter at the other end of two pipes, as cotenant has it."""

    def __init__(self, **load):
        self.process = subprocess.Popen([sys.executable, ADAPTER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self.ask({"type": "hello", "version": 1}) == {"type": "hello", "version": 1}
        self.loaded = self.ask({
            "type": "load", "model": "distilgpt2", "weights": "random", "task": "forward", "batch_size": ROWS,
            "seq_len": LENGTH, "max_new_tokens": 0, "dtype": "float32", "device": "cpu", "threads": 1, "concurrency": 1,
            "seed": SEED} | load)
        assert self.ask({"type": "warm"}) == {"type": "warm"}

    def say(self, message):
        self.process.stdin.write(json.dumps(message) + "\n")
        self.process.stdin.flush()

    def hear(self):
        return json.loads(self.process.stdout.readline())

    def ask(self, message):
        self.say(message)
        return self.hear()

    def stop(self):
        self.say({"type": "stop"})
        return self.process.wait(timeout=60)


def plain_model():
    import torch
    import transformers

    torch.set_num_threads(1)
    torch.manual_seed(SEED)
    return transformers.GPT2LMHeadModel(transformers.GPT2Config(n_layer=6)).eval()


def generates_the_same(tokens):
    import torch
    import transformers

    model = plain_model()
    model.generation_config = transformers.GenerationConfig(eos_token_id=None, pad_token_id=0)
    ids = torch.tensor(tokens).view(ROWS, LENGTH)
    with torch.inference_mode():
        out = model.generate(ids, attention_mask=torch.ones_like(ids), do_sample=False, max_new_tokens=NEW_TOKENS)
    expected = out[:, LENGTH:].tolist()

    adapter = Adapter(task="generate", max_new_tokens=NEW_TOKENS)
    assert adapter.loaded["vocab_size"] == model.config.vocab_size
    adapter.say({"type": "input", "tokens": tokens})
    adapter.say({"type": "request", "id": 5, "rows": ROWS, "seq_len": LENGTH, "max_new_tokens": NEW_TOKENS})
    found = []
    while (message := adapter.hear())["type"] == "token":
        found.append(message["tokens"])
    assert message["type"] == "done" and message["id"] == 5, message
    assert adapter.stop() == 0
    return [list(row) for row in zip(*found)] == expected


def plain_p50_ms(seconds):
    import torch

    model, ids = plain_model(), torch.randint(1, 50000, (ROWS, LENGTH))
    times, until = [], time.perf_counter() + seconds
    with torch.inference_mode():
        for _ in range(10):
            model(input_ids=ids, attention_mask=torch.ones_like(ids), use_cache=False)
        while time.perf_counter() < until:
            begin = time.perf_counter()
            model(input_ids=ids, attention_mask=torch.ones_like(ids), use_cache=False)
            times.append((time.perf_counter() - begin) * 1e3)
    return statistics.median(times)


def tenants_p50_ms(cotenant, seconds):
    with tempfile.TemporaryDirectory() as scratch:
        config = {
            "experiment_name": "external", "device": "cpu", "min_duration_s": seconds, "warmup_s": 0.5, "seed": SEED,
            "out_dir": scratch + "/data",
            "single_model": {
                "engine": "external", "command": [sys.executable, str(ADAPTER)], "model_name": "distilgpt2",
                "weights": "random", "batch_size": ROWS, "seq_len": LENGTH, "threads": 1, "num_iters": 20}}
        file = pathlib.Path(scratch, "external.yaml")
        file.write_text(json.dumps(config))
        subprocess.run([cotenant, "run", file, "--quiet"], check=False, stdout=subprocess.DEVNULL)
        record = json.loads(pathlib.Path(scratch, "data", "experiment.json").read_text())
        return record["tenants"][0]["summary"]["latency"]["p50_ms"]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cotenant", default="build/release/cotenant")
    parser.add_argument("--plain", type=float, help="only the plain loop, for so many s")
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=3)
    options = parser.parse_args()
    if options.plain:
        print(plain_p50_ms(options.plain))
        return 0
    tokens = [(i * 7919) % 50000 + 1 for i in range(ROWS * LENGTH)]
    same = generates_the_same(tokens)
    print(f"generate: {'the same tokens' if same else 'OTHER TOKENS'} as Transformers")
    ratios = []
    for _ in range(options.turns):
        alone = float(subprocess.check_output([sys.executable, __file__, "--plain", str(options.seconds)], text=True))
        tenant = tenants_p50_ms(options.cotenant, options.seconds)
        ratios.append(tenant / alone)
        print(f"forward p50: {tenant:.3f} ms as a tenant, {alone:.3f} ms alone, ratio {ratios[-1]:.4f}")
    print(f"median ratio {statistics.median(ratios):.4f}")
    return 0 if same else 1


if __name__ == "__main__":
    sys.exit(main())
