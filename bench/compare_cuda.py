#!/usr/bin/env python3
"""Runs the floor, the CUDA engine and its peer one after another, and says which bars are reached.

    bench/compare_cuda.py --build build/release [--out bench/results] [--peers eager,static,graph,compile] [--limit-s N]
                          [--parts forward,generate,start,load]

Writes <out>/<date>-<GPU>.json and, beside it, a table in Markdown. The peer is bench/peers/hf_torch.py: eager passes,
and greedy decoding with a static cache and a compiled step. Times are p50 by the host clock after a second of load.
With --limit-s, peers that have not answered by then are left out, and the table says so. Needs bench_cuda_engine and
bench_cuda_floor in the build directory; for the peers a Python with torch and transformers.
"""

import argparse
import datetime
import json
import math
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
FORWARD = {  # bar in ms, bar as a ratio to the floor
    "distilgpt2:8:128": (0.50, 1.33),
    "distilbert:8:128": (0.34, 1.40),
    "roberta-large:8:128": (1.45, 1.28),
    "llama-3.2-3b:8:128": (12.3, 1.12),
    "mistral-7b:8:128": (25.0, 1.09),
}
TPOT = {  # bar in ms; the nearest to the peer's first, since peers may run out of time
    "mistral-7b:1:128:64": 5.5,
    "llama-3.2-3b:1:128:64": 2.7,
    "llama-3.2-3b:8:128:64": 2.8,
    "mistral-7b:8:128:64": 5.6,
    "distilgpt2:8:128:64": 0.30,
}
TPOT_RATIO_TO_PEER = 0.6
LONG_PROMPT, LONG_PROMPT_MS, LONG_PROMPT_RATIO_TO_PEER = "mistral-7b:1:2048:2", 50.0, 0.82
SPREAD = 0.05
START = ("mistral-7b:8:128", 4.0)
LOAD_SHARE_OF_LINK = 0.6


def write_llama(directory, layers=16):
    """A Llama of Llama-3.2-3B's layers in float16, 3.4 GB that have just been written: from the page cache, not a disk."""
    hidden, wide, kv, vocabulary = 3072, 8192, 1024, 32000
    config = {"model_type": "llama", "architectures": ["LlamaForCausalLM"], "hidden_size": hidden, "intermediate_size": wide,
              "num_attention_heads": 24, "num_key_value_heads": 8, "head_dim": 128, "num_hidden_layers": layers,
              "vocab_size": vocabulary, "max_position_embeddings": 2048, "rms_norm_eps": 1e-5, "rope_theta": 10000.0,
              "hidden_act": "silu", "tie_word_embeddings": True}
    shapes = {"model.embed_tokens.weight": [vocabulary, hidden], "model.norm.weight": [hidden]}
    for i in range(layers):
        for name, shape in {"input_layernorm": [hidden], "post_attention_layernorm": [hidden],
                            "self_attn.q_proj": [hidden, hidden], "self_attn.k_proj": [kv, hidden],
                            "self_attn.v_proj": [kv, hidden], "self_attn.o_proj": [hidden, hidden],
                            "mlp.gate_proj": [wide, hidden], "mlp.up_proj": [wide, hidden],
                            "mlp.down_proj": [hidden, wide]}.items():
            shapes[f"model.layers.{i}.{name}.weight"] = shape
    header, end = {}, 0
    for name, shape in shapes.items():
        begin, end = end, end + 2 * math.prod(shape)
        header[name] = {"dtype": "F16", "shape": shape, "data_offsets": [begin, end]}
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    block = bytearray(64 << 20)
    block[0::2] = os.urandom(len(block) // 2)
    block[1::2] = b"\x2c" * (len(block) // 2)  # 0.0625 to 0.078
    (directory / "config.json").write_text(json.dumps(config))
    with open(directory / "model.safetensors", "wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        for begin in range(0, end, len(block)):
            file.write(memoryview(block)[: end - begin])


class Runner:
    def __init__(self, arguments):
        self.build = arguments.build.resolve()
        self.python = arguments.python
        self.end = time.monotonic() + arguments.limit_s if arguments.limit_s else None

    def lines(self, command, limit_s=None):
        """The JSON objects that a command prints, one a line; none when it fails or takes longer."""
        print("+", " ".join(map(str, command)), file=sys.stderr, flush=True)
        # A group of its own, since the peer has children.
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True)
        try:
            output, _ = process.communicate(timeout=limit_s)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
            return []
        if process.returncode != 0:
            print(f"  failed with exit code {process.returncode}", file=sys.stderr)
        return [json.loads(line) for line in output.splitlines() if line.startswith("{")]

    def floor(self, parts):
        """What the device can do, and the floors of decoding; those briefly: they are bound by bytes, not clocks."""
        cases = ["--load-s", "0.3", "--measure-s", "0.5", *TPOT] if "generate" in parts else []
        machine, *lines = self.lines([self.build / "bench_cuda_floor", *cases])
        return machine, {line["case"]: line for line in lines}

    def engine(self, cases, ceilings, *options):
        command = [self.build / "bench_cuda_engine", "--tflops", str(ceilings["tflops"]), "--gbs", str(ceilings["copy_gbs"])]
        return {line["case"]: line for line in self.lines([*command, *options, *cases])}

    def peer(self, case, mode, iterations):
        left_s = self.end - time.monotonic() if self.end else None
        if left_s is not None and left_s < 5:
            return None
        model, rows, length, *new = case.split(":")
        command = [self.python, ROOT / "bench/peers/hf_torch.py", "--tenants", model, "--mode", mode, "--batch", rows,
                   "--seq", length, "--prompt", length, "--iters", str(iterations)]
        found = self.lines([*command, "--new", new[0]] if new else command, left_s)
        return found[0] if found else None


def measure(runner, parts, peers, result):
    """In the order of what the bars need most."""
    machine, result["floor"] = runner.floor(parts)
    result["machine"], result["peer"] = machine, {}
    if "forward" in parts:
        result["forward"] = runner.engine(FORWARD, machine, "--floor", "--least", "1000")
    if "generate" in parts:
        result["generate"] = runner.engine([*TPOT, LONG_PROMPT], machine, "--least", "5")
    if "start" in parts:
        for _ in range(2):  # plans are in the cache by the second
            result["start"] = runner.engine([START[0]], machine, "--load-s", "0", "--measure-s", "0", "--least", "1")

    if "load" in parts:
        with tempfile.TemporaryDirectory() as directory:
            write_llama(pathlib.Path(directory))
            case = f"{directory}:1:16"  # twice in a process, because the first also makes the context
            lines = runner.engine([case, case], machine, "--weights", "auto", "--load-s", "0", "--measure-s", "0")
            result["load"] = lines[case] | {"case": "llama of 3.4 GB"} if case in lines else None

    def ask(part, kind, case, mode, iterations):
        if part in parts and kind in peers:
            result["peer"].setdefault(kind, {})[case] = runner.peer(case, mode, iterations)
            save(result)

    ask("generate", "eager", LONG_PROMPT, "generate", 10)
    for case in FORWARD:
        ask("forward", "eager", case, "eager", 100)
    for case in TPOT:
        ask("generate", "static", case, "generate-static", 3)
    for kind in ("graph", "compile"):
        for case in FORWARD:
            ask("forward", kind, case, kind, 100)
    save(result)


def judge(result):
    """[what, value, unit, bar, reached, note]; reached is None where there is nothing to compare with."""
    rows = []

    def add(what, value, unit, bar, note="", at_least=False):
        rows.append({"what": what, "value": value, "unit": unit, "bar": bar, "note": note,
                     "reached": None if value is None else value >= bar if at_least else value <= bar})

    def peer(kind, case, key):
        return (result["peer"].get(kind, {}).get(case) or {}).get(key)

    def ratio(value, reference):
        return value / reference if reference else None

    forward, decoded = result.get("forward", {}), result.get("generate", {})
    for case in (*(FORWARD if forward else ()), *((*TPOT, LONG_PROMPT) if decoded else ())):
        if case not in forward and case not in decoded:
            add(case, None, "", 0, "failed: see the messages of bench_cuda_engine")

    for case, line in forward.items():
        (bar_ms, bar_ratio), floor = FORWARD[case], line["floor"]
        eager = peer("eager", case, "wall_p50_ms")
        note = f"{line['tflops']:.0f} TFLOP/s, {100 * line['share_of_tflops']:.0f}% of the ceiling, {describe(line)}"
        add(f"{case} forward", line["p50_ms"], "ms", bar_ms, note + (f"; peer eager {eager:.2f} ms" if eager else ""))
        add(f"{case} forward / floor", ratio(line["p50_ms"], floor["p50_ms"]), "x", bar_ratio,
            f"floor {floor['before_ms']:.3f} ms before, {floor['after_ms']:.3f} ms after")
        add(f"{case} spread", line["spread"], "", SPREAD, "of 1,000 iterations in a row")
    for case, bar_ms in TPOT.items():
        if case not in decoded:
            continue
        line = decoded[case]
        tpot = line["tpot"]["p50_ms"]
        static = peer("static", case, "tpot_ms")
        add(f"{case} TPOT", tpot, "ms", bar_ms,
            f"{line['tpot_gbs']:.0f} GB/s of weights, {100 * line['share_of_gbs']:.0f}% of the ceiling, "
            f"products alone {result['floor'].get(case, {}).get('p50_ms', float('nan')):.3f} ms, {describe(line)}")
        add(f"{case} TPOT / peer", ratio(tpot, static), "x", TPOT_RATIO_TO_PEER,
            f"static cache, compiled: {static:.2f} ms" if static else "peer not run")
    if line := decoded.get(LONG_PROMPT):
        ttft, peer_ttft = line["ttft"]["p50_ms"], peer("eager", LONG_PROMPT, "ttft_ms")
        add(f"{LONG_PROMPT} TTFT", ttft, "ms", LONG_PROMPT_MS, f"{line['ttft_tflops']:.0f} TFLOP/s, {describe(line)}")
        add(f"{LONG_PROMPT} TTFT / peer", ratio(ttft, peer_ttft), "x", LONG_PROMPT_RATIO_TO_PEER,
            f"eager: {peer_ttft:.1f} ms" if peer_ttft else "peer not run")
    if line := result.get("start", {}).get(START[0]):
        add(f"{START[0]} process start to first iteration, second start", line["process_to_first_iteration_s"], "s", START[1],
            f"load {line['load_s']:.2f} s, tune {line['tune_s']:.2f} s")
    if "load" in result and not result["load"]:
        add("weights from a file", None, "x", LOAD_SHARE_OF_LINK, "failed: see the messages of bench_cuda_engine")
    if line := result.get("load"):
        add("weights from a file / rate of the link, at least", line["load_gbs"] / result["machine"]["link_gbs"], "x",
            LOAD_SHARE_OF_LINK, f"{line['load_gbs']:.1f} of {result['machine']['link_gbs']:.1f} GB/s, out of the page cache",
            at_least=True)
    return rows


def describe(line):
    return f"{line['device']['sm_mhz']} MHz ({line['device']['event_reasons']})"


def table(result, rows):
    machine = result["machine"]
    text = [
        f"# The CUDA engine on {machine['gpu']}, {result['date']}",
        "",
        f"Driver {machine['driver']}, CUDA {machine['cuda'] // 1000}.{machine['cuda'] % 1000 // 10}, cuBLASLt "
        f"{machine['cublaslt']}, commit {result['commit']}. Measured ceilings: {machine['tflops']:.0f} TFLOP/s "
        f"(fp16, 8192^3), {machine['copy_gbs']:.0f} GB/s (copy). fp16, p50 by the host clock.",
        "",
        "| | reached | bar | | |",
        "|---|---|---|---|---|",
    ]
    for row in rows:
        value = "-" if row["value"] is None else f"{row['value']:.3f} {row['unit']}".strip()
        verdict = {True: "yes", False: "**no**", None: "-"}[row["reached"]]
        text.append(f"| {row['what']} | {value} | {row['bar']:g} {row['unit']} | {verdict} | {row['note']} |")
    return "\n".join(text) + "\n"


def commit():
    done = subprocess.run(["git", "-C", ROOT, "rev-parse", "--short=12", "HEAD"], capture_output=True, text=True, check=False)
    return done.stdout.strip() or "unknown"


def save(result):
    """The JSON and the table, as far as the measuring has come."""
    rows = result["bars"] = judge(result)
    gpu = "-".join(result["machine"]["gpu"].lower().split())
    out = pathlib.Path(result["out"])
    out.mkdir(parents=True, exist_ok=True)
    path = out / f"{result['date']}-{gpu}"
    path.with_suffix(".json").write_text(json.dumps({k: v for k, v in result.items() if k != "out"}, indent=1) + "\n")
    path.with_suffix(".md").write_text(table(result, rows))


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--build", type=pathlib.Path, required=True)
    parser.add_argument("--out", type=pathlib.Path, default=ROOT / "bench" / "results")
    parser.add_argument("--parts", default="forward,generate,start,load", help="what to measure")
    parser.add_argument("--peers", default="eager,static")
    parser.add_argument("--python", default=sys.executable, help="of the peers")
    parser.add_argument("--limit-s", type=float, help="wait for no peer longer than this after the start")
    parser.add_argument("--commit", help="instead of asking git")
    arguments = parser.parse_args()
    result = {"date": datetime.date.today().isoformat(), "commit": arguments.commit or commit(), "out": str(arguments.out)}
    measure(Runner(arguments), arguments.parts.split(","), arguments.peers.split(","), result)
    print(table(result, result["bars"]))
    missed = [row["what"] for row in result["bars"] if row["reached"] is False]
    print(f"{len(missed)} bars missed: {', '.join(missed)}" if missed else "every bar that was measured is reached")


if __name__ == "__main__":
    main()
