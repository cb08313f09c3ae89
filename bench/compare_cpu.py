#!/usr/bin/env python3
"""The CPU engine beside its peer, Hugging Face Transformers on PyTorch, in one run with as many threads.

    python3 -m venv peer && peer/bin/pip install torch transformers   # from PyPI
    peer/bin/python bench/compare_cpu.py build/release [--threads N] [--seconds S] [--out FILE]

Measures on an otherwise idle machine mean something; the peer and the engine take turns so that both see the same one.
Prints the median times of the host's clock and their ratio, and exits with 1 when a ratio is over its bar.
"""

import argparse
import datetime
import json
import os
import pathlib
import platform
import subprocess
import sys

PEER = pathlib.Path(__file__).parent / "peers" / "hf_torch.py"

# name of the engine's case, of the peer's model, the peer's mode and dtype, its figure, and the bar of the ratio
COMPARISONS = [
    ("forward distilgpt2 float32 8x128", "distilgpt2", "eager", "float32", "wall_p50_ms", 1.0),
    ("forward distilbert-base-uncased float32 8x128", "distilbert", "eager", "float32", "wall_p50_ms", 1.0),
    ("forward distilgpt2 bfloat16 8x128", "distilgpt2", "eager", "bfloat16", "wall_p50_ms", 1.0),
    ("forward distilbert-base-uncased bfloat16 8x128", "distilbert", "eager", "bfloat16", "wall_p50_ms", 1.0),
    ("generate distilgpt2 float32 1x128", "distilgpt2", "generate", "float32", "tpot_ms", 0.8),
    ("generate distilgpt2 bfloat16 1x128", "distilgpt2", "generate", "float32", "tpot_ms", 0.5),
]


def last_json_line(command, key):
    output = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
    lines = [json.loads(line) for line in output.splitlines() if line.startswith("{")]
    return next(line for line in lines if key in line)


def peer_ms(model, mode, dtype, figure, arguments):
    command = [sys.executable, PEER, "--device", "cpu", "--tenants", model, "--mode", mode, "--dtype", dtype]
    command += ["--threads", str(arguments.threads), "--prompt", "128", "--new", "64"]
    if mode == "generate":
        command += ["--batch", "1", "--iters", "5", "--warmup", "5"]
    else:
        command += ["--batch", "8", "--seq", "128", "--iters", str(arguments.iterations), "--warmup", "3"]
    return last_json_line(command, figure)[figure]


def engine_line(case, arguments):
    program = pathlib.Path(arguments.build) / "bench" / "cpu_engine" / "bench_cpu_engine"
    command = [program, "--json", "--only", case, "--seconds", str(arguments.seconds)]
    return last_json_line(command + ["--threads", str(arguments.threads)], "ms")


def cpu_model():
    lines = pathlib.Path("/proc/cpuinfo").read_text().splitlines()
    return next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), platform.machine())


def commit():
    described = ["git", "-C", str(PEER.parent), "describe", "--always", "--dirty", "--abbrev=12", "--exclude=*"]
    return subprocess.run(described, stdout=subprocess.PIPE, text=True).stdout.strip() or None


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("build", help="the build folder")
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--seconds", type=float, default=5, help="of each of the engine's cases")
    parser.add_argument("--iterations", type=int, default=15, help="of each of the peer's forward cases")
    parser.add_argument("--out", help="write the results as JSON to this file")
    arguments = parser.parse_args()

    results, missed = [], 0
    print(f"{arguments.threads} threads, load {os.getloadavg()[0]:.2f} at the start")
    print(f"{'':48} {'ours ms':>9} {'peer ms':>9} {'ratio':>6} {'bar':>5} {'of ceiling':>11}")
    for case, model, mode, dtype, figure, bar in COMPARISONS:
        ours, peer = engine_line(case, arguments), peer_ms(model, mode, dtype, figure, arguments)
        ratio, share = ours["ms"] / peer, ours["rate"] / ours["ceiling"]
        missed += ratio > bar
        print(f"{case:48} {ours['ms']:9.2f} {peer:9.2f} {ratio:6.2f} {bar:5.1f} {share:10.0%}", flush=True)
        results.append({**ours, "peer_ms": peer, "ratio": ratio, "bar": bar})
    if arguments.out:
        about = {"date": datetime.datetime.now().isoformat(timespec="seconds"), "cpu": cpu_model(),
                 "commit": commit(), "threads": arguments.threads, "results": results}
        pathlib.Path(arguments.out).write_text(json.dumps(about, indent=2) + "\n")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
