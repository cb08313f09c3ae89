#!/usr/bin/env python3
"""A small urgent tenant beside large ones, by every way to share a GPU: p50 and p99 of the urgent one against its own
alone at the same arrivals, and what the neighbour still does of its rate alone. All of one table in one run on one GPU.

    bench/compare_yield.py PROGRAM DIR [--neighbours mistral,roberta,...] [--modes mps,yield-mps,...] [--seconds 4]

Prints a table and writes it, with clocks and throttle reasons, as JSON to DIR/yield.json.
"""
import argparse
import json
import pathlib
import subprocess
import sys

URGENT = {
    "distilbert": {"model_name": "distilbert-base-uncased", "batch_size": 8, "seq_len": 128,
                   "workload": {"kind": "poisson", "rate": 500}},
    "distilbert50": {"model_name": "distilbert-base-uncased", "batch_size": 8, "seq_len": 128,
                     "workload": {"kind": "poisson", "rate": 1600}},
    "llama-generate": {"model_name": "meta-llama/Llama-3.2-3B", "batch_size": 1, "seq_len": 128, "task": "generate",
                       "max_new_tokens": 32, "workload": {"kind": "poisson", "rate": 5}},
    "idle": {"model_name": "distilbert-base-uncased", "batch_size": 8, "seq_len": 128, "num_iters": 1,
             "workload": {"kind": "poisson", "rate": 2}},
}
NEIGHBOURS = {
    "mistral": {"model_name": "mistralai/Mistral-7B-v0.1", "batch_size": 8, "seq_len": 128},
    "roberta": {"model_name": "FacebookAI/roberta-large", "batch_size": 8, "seq_len": 128},
    "llama-decode": {"model_name": "meta-llama/Llama-3.2-3B", "batch_size": 8, "seq_len": 128, "task": "generate",
                     "max_new_tokens": 128},
    "mistral-decode": {"model_name": "mistralai/Mistral-7B-v0.1", "batch_size": 8, "seq_len": 128, "task": "generate",
                       "max_new_tokens": 128},
    "distilgpt2": {"model_name": "distilgpt2", "batch_size": 8, "seq_len": 128},
    "distilbert": {"model_name": "distilbert-base-uncased", "batch_size": 8, "seq_len": 128},
    "llama": {"model_name": "meta-llama/Llama-3.2-3B", "batch_size": 8, "seq_len": 128},
    "gemm": {"model_name": "compute", "engine": "stress", "stress": {"kind": "compute", "service_ms": 2}},
}


def mode_of(name):
    """"yield-mps-50" is mode mps with a quantum of 50 us."""
    parts = name.split("-")
    if parts[0] != "yield":
        return {"mode": parts[0]}, [float(p) for p in parts[1:]]
    how = {"quantum_us": float(parts[2])} if len(parts) > 2 else {}
    return {"mode": parts[1], "yield": how}, []


def run(program, directory, name, sharing, tenants, seconds):
    config = {"experiment_name": name, "device": "cuda", "sharing": sharing, "min_duration_s": seconds, "warmup_s": 1,
              "max_duration_s": seconds + 20, "tenants": tenants, "out_dir": str(directory / name)}
    path = directory / (name + ".yaml")
    path.write_text(json.dumps(config))
    done = subprocess.run([program, "run", str(path)], capture_output=True, text=True)
    if done.returncode not in (0, 4):
        print(name, "exit code", done.returncode, done.stderr.strip()[-400:], file=sys.stderr)
        return None
    record = json.loads((directory / name / "experiment.json").read_text())
    if not record["validity"]["valid"]:
        print(name, "not valid:", "; ".join(record["validity"]["reasons"])[:300], file=sys.stderr)
    return record


def figures(record, tenant):
    found = [t for t in record["tenants"] if t["name"] == tenant]
    if not found:
        return None
    summary, yielded = found[0]["summary"], found[0].get("yielded")
    of = {"p50_ms": summary["latency"].get("p50_ms"), "p99_ms": summary["latency"].get("p99_ms"),
          "rate": summary["requests_per_s"], "yielded": yielded}
    if summary["tpot"].get("count"):
        of |= {"tpot_p50_ms": summary["tpot"]["p50_ms"], "ttft_p50_ms": summary["ttft"]["p50_ms"],
               "ttft_p99_ms": summary["ttft"]["p99_ms"]}
    of["sm_clock_mhz"] = record["device"]["sm_clock_mhz"]
    return of


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program")
    parser.add_argument("directory", type=pathlib.Path)
    parser.add_argument("--urgent", default="distilbert")
    parser.add_argument("--neighbours", default="roberta,mistral,llama-decode")
    parser.add_argument("--modes", default="timeslice,mps,mps-70,streams,green-30-70,yield-mps-20,yield-mps,yield-streams")
    parser.add_argument("--seconds", type=float, default=4)
    args = parser.parse_args()
    args.directory.mkdir(parents=True, exist_ok=True)
    urgent = {"name": "urgent", "weights": "random", "num_iters": 20} | URGENT[args.urgent]
    rows = []
    alone = run(args.program, args.directory, "urgent_alone", {"mode": "timeslice"}, [urgent], args.seconds)
    urgent_alone = figures(alone, "urgent")
    print("urgent alone", urgent_alone, flush=True)
    for name in args.neighbours.split(","):
        other = {"name": "other"} | NEIGHBOURS[name] | {"num_iters": 5}
        if other.get("engine") != "stress":
            other["weights"] = "random"
        alone = run(args.program, args.directory, name + "_alone", {"mode": "timeslice"}, [other], args.seconds)
        if alone is None:
            continue
        other_alone = figures(alone, "other")
        print(f"{name} alone {other_alone['rate']:.2f}/s", flush=True)
        for mode in args.modes.split(","):
            sharing, shares = mode_of(mode)
            pair = [dict(urgent), dict(other)]
            if sharing["mode"] == "streams" or "yield" in sharing:
                pair[0]["priority"] = 5
            if len(shares) == 1:
                pair[1]["sm_percent"] = shares[0]
            if len(shares) == 2:
                pair[0]["sm_percent"], pair[1]["sm_percent"] = shares
            record = run(args.program, args.directory, f"{name}_{mode}", sharing, pair, args.seconds)
            if record is None:
                continue
            u, o = figures(record, "urgent"), figures(record, "other")
            row = {"neighbour": name, "mode": mode, "urgent": u, "other": o, "kept": o["rate"] / other_alone["rate"],
                   "throttle": record.get("device_summary")}
            for key in ("p50_ms", "p99_ms", "tpot_p50_ms", "ttft_p99_ms"):
                if u.get(key) and urgent_alone.get(key):
                    row[key + "_ratio"] = u[key] / urgent_alone[key]
            rows.append(row)
            text = "  ".join(f"{k[:-6]} {u[k[:-6]]:.3f} ({row[k]:.2f}x)" for k in row if k.endswith("_ratio"))
            waited = o["yielded"] and f"gates {o['yielded']['gates']} waits {o['yielded']['waits']} " \
                                      f"waited {o['yielded']['waited_ms']:.0f} ms longest " \
                                      f"{o['yielded']['longest_wait_ms']:.2f} bound {o['yielded']['bound_hits']}"
            print(f"{name:15} {mode:16} {text}  kept {100 * row['kept']:.1f}%  {waited or ''}", flush=True)
    (args.directory / "yield.json").write_text(json.dumps({"urgent_alone": urgent_alone, "rows": rows}, indent=1))


if __name__ == "__main__":
    main()
