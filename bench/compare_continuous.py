#!/usr/bin/env python3
"""Measures continuous batching of the native engine on a GPU, and says which bars are reached.

    bench/compare_continuous.py --build build/release [--out bench/results] [--peer] [--models distilgpt2,llama]

distilgpt2: tokens/s of 8 slots against one request at a time, both asked without a pause. Llama-3.2-3B, 32 slots,
prompts of 128 tokens and answers of 64: the highest rate of Poisson arrivals (`run --find-max-rate`) against what the
engine's own batches would give, 1 / (64 TPOT(32 rows) / 32 + TTFT(8 rows) / 8), and with --peer against Transformers'
generate_batch. Everything in one call, so on one chip at one time. Needs cotenant in the build directory, and for the
peer a Python with torch and transformers.
"""

import argparse
import datetime
import json
import pathlib
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
LLAMA, PROMPT, NEW, SLOTS = "meta-llama/Llama-3.2-3B", 128, 64, 32


def tenant(model, **keys):
    return {"name": "a", "model_name": model, "weights": "random", "task": "generate", "seq_len": PROMPT, "max_new_tokens": NEW,
            "batch_size": 1, "num_iters": 60, "num_warmup": 3} | keys


def experiment(name, one, seconds):
    return {"experiment_name": name, "device": "cuda", "warmup_s": 1, "min_duration_s": seconds, "tenants": [one]}


class Bench:
    def __init__(self, build, directory):
        self.program, self.directory = pathlib.Path(build) / "cotenant", pathlib.Path(directory)

    def call(self, *arguments):
        done = subprocess.run([self.program, *arguments], capture_output=True, text=True, cwd=self.directory, check=False)
        if done.returncode not in (0, 5):
            sys.exit(f"{' '.join(map(str, arguments))}: exit code {done.returncode}\n{done.stdout}\n{done.stderr}")
        return done.stdout

    def run(self, name, one, *arguments, seconds):
        file = self.directory / f"{name}.yaml"
        file.write_text(json.dumps(experiment(name, one, seconds)))  # JSON is YAML
        return self.call("run", "-q", *arguments, file)

    def figures(self, name, one, seconds=4):
        analysis = json.loads(self.run(name, one, "--json", seconds=seconds))
        if not analysis["valid"]:
            print(f"{name}: not valid: {analysis['reasons']}", file=sys.stderr)
        figures = analysis["tenants"][0]
        return {"ttft_ms": figures["ttft_ms"]["p50"], "tpot_ms": figures["tpot_ms"]["p50"],
                "tokens_per_s": figures["tokens_per_s"], "valid": analysis["valid"]}

    def search(self, name, one, seconds=5):
        """The table of the search, line by line."""
        return self.run(name, one, "--find-max-rate", "a", seconds=seconds).splitlines()[-20:]


def distilgpt2(bench):
    alone = bench.figures("gpt_alone", tenant("distilgpt2"))
    slots = bench.figures("gpt_slots", tenant("distilgpt2", slots=8, workload={"concurrency": 8}))
    return {"what": "distilgpt2, 8 slots against one at a time, tokens/s", "one": alone, "slots": slots,
            "value": slots["tokens_per_s"] / alone["tokens_per_s"], "bar": 4}


def llama(bench):
    of_32 = bench.figures("llama_32", tenant(LLAMA, batch_size=32, num_iters=12))
    of_8 = bench.figures("llama_8", tenant(LLAMA, batch_size=8, num_iters=12))
    wanted = 1000 / (NEW * of_32["tpot_ms"] / 32 + of_8["ttft_ms"] / 8)
    saturated = bench.figures("llama_slots", tenant(LLAMA, slots=SLOTS, workload={"concurrency": 2 * SLOTS}, num_iters=300))
    search = bench.search("llama_rate", tenant(
        LLAMA, slots=SLOTS, num_iters=300, workload={"kind": "poisson", "rate": round(0.9 * wanted, 1)},
        slo={"ttft_ms": 1000, "percentile": 95}))
    return {"what": f"Llama-3.2-3B, {SLOTS} slots, {PROMPT} + {NEW} tokens", "batch_32": of_32, "batch_8": of_8,
            "wanted_per_s": wanted, "saturated": saturated, "saturated_per_s": saturated["tokens_per_s"] / NEW,
            "search": search}


def peer():
    command = [sys.executable, ROOT / "bench/peers/hf_continuous_torch.py", "--prompt", str(PROMPT), "--new", str(NEW),
               "--slots", str(SLOTS)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=240, check=False)
    if done.returncode != 0:
        return {"failed": done.stderr[-2000:]}
    return json.loads(done.stdout.strip().splitlines()[-1])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", default="build/release", type=lambda path: pathlib.Path(path).resolve())
    parser.add_argument("--out", type=pathlib.Path)
    parser.add_argument("--peer", action="store_true")
    parser.add_argument("--models", default="distilgpt2,llama")
    options = parser.parse_args()
    result = {"date": datetime.date.today().isoformat()}
    with tempfile.TemporaryDirectory() as directory:
        bench = Bench(options.build, directory)
        for name, measure in (("distilgpt2", distilgpt2), ("llama", llama)):
            if name in options.models.split(","):
                result[name] = measure(bench)
                print(json.dumps({name: result[name]}), flush=True)
    if options.peer:
        result["peer"] = peer()
        print(json.dumps({"peer": result["peer"]}), flush=True)
    if options.out:
        options.out.mkdir(parents=True, exist_ok=True)
        (options.out / f"{result['date']}-continuous.json").write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
