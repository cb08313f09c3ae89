#!/usr/bin/env python3
"""Tenants that share a GPU, beside the same tenants of the peer in the same mode and the same run.

    bench/compare_sharing.py --build build/release [--out bench/results] [--python PYTHON]

The peer is bench/peers/hf_torch.py (Transformers on PyTorch) under an MPS daemon that this script starts. Both sides do
the same number of passes (corun: fixed). Also: how equally ten equal tenants are served, how far apart they start, how
long the daemon takes, and what five runs of one experiment differ by. Writes <out>/<date>-<GPU>-sharing.json and a table
beside it.
"""

import argparse
import contextlib
import datetime
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
MODELS = {"distilgpt2": "distilgpt2", "distilbert": "distilbert-base-uncased"}
# peer's model, tenants, peer's mode, passes, least ratio of tokens/s
AGAINST_PEER = [("distilgpt2", 10, "eager", 600, 2.5), ("distilbert", 4, "graph", 4000, 1.3)]
EQUAL_RATES, SKEW_US, READY_S, GONE_S, CV_SOLO, CV_SHARED = 1.05, 100, 1.5, 0.5, 0.02, 0.04
REPEATS = 5


@contextlib.contextmanager
def mps_daemon():
    """The environment of a private daemon's clients."""
    with tempfile.TemporaryDirectory(prefix="peer-mps-") as directory:
        environment = dict(os.environ, CUDA_MPS_PIPE_DIRECTORY=f"{directory}/pipe", CUDA_MPS_LOG_DIRECTORY=f"{directory}/log")
        os.mkdir(f"{directory}/pipe")
        os.mkdir(f"{directory}/log")

        def control(line):
            return subprocess.run(["nvidia-cuda-mps-control"], input=line + "\n", env=environment, text=True,
                                  capture_output=True, check=False).returncode == 0

        daemon = subprocess.Popen(["nvidia-cuda-mps-control", "-f"], env=environment, stdout=subprocess.DEVNULL,
                                  stderr=subprocess.DEVNULL)
        try:
            end = time.monotonic() + 10
            while not control("get_server_list"):
                if time.monotonic() > end:
                    raise SystemExit("the peer's MPS daemon is not ready after 10 s")
                time.sleep(0.05)
            yield environment
        finally:
            control("quit")
            try:
                daemon.wait(timeout=20)
            except subprocess.TimeoutExpired:
                daemon.kill()


def peer_tokens_per_s(python, model, count, mode, passes):
    with mps_daemon() as environment:
        done = subprocess.run(
            [python, ROOT / "bench/peers/hf_torch.py", "--tenants", ",".join([model] * count), "--mode", mode,
             "--iters", str(passes), "--warmup", "50"], env=environment, text=True, capture_output=True, check=False)
    lines = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    if not lines or "gpu_tokens_per_s" not in lines[-1]:
        print(done.stderr[-2000:], file=sys.stderr)
        return None
    return lines[-1]["gpu_tokens_per_s"]


def experiment(name, model, count, mode, **keys):
    tenant = {"model_name": MODELS[model], "weights": "random", "batch_size": 8, "seq_len": 128, "num_warmup": 50,
              "num_iters": keys.pop("num_iters", 200)}
    tenants = [dict(tenant, name=f"{model}_{i + 1}") for i in range(count)]
    return {"experiment_name": name, "device": "cuda", "sharing": {"mode": mode}, "tenants": tenants, **keys}


def run(cotenant, directory, config, *options):
    """The records of one command's runs, the experiment's own first."""
    path = pathlib.Path(directory) / f"{config['experiment_name']}.yaml"
    path.write_text(json.dumps(config))  # JSON is YAML
    out = pathlib.Path(directory) / config["experiment_name"]
    done = subprocess.run([cotenant, "run", path, "--out", out, "-q", *options], text=True, capture_output=True, check=False)
    if done.returncode not in (0, 4):
        raise SystemExit(f"{path.name}: exit code {done.returncode}\n{done.stderr}")
    return [json.loads((place / "experiment.json").read_text()) for place in [out, *sorted(out.glob("repeats/*"))]]


def rates(record):
    return [tenant["summary"]["requests_per_s"] for tenant in record["tenants"]]


def coefficient_of_variation(records):
    """The largest of all tenants', of p50 over the runs."""
    by_tenant = zip(*[[tenant["summary"]["latency"]["p50_ms"] for tenant in record["tenants"]] for record in records])
    return max(statistics.stdev(values) / statistics.mean(values) for values in by_tenant)


def describe(record):
    clock = record["device"].get("sm_clock_mhz")
    return ("valid" if record["validity"]["valid"] else "; ".join(record["validity"]["reasons"])) + (
        f", {clock:.0f} MHz" if clock else "")


def measure(arguments):
    cotenant = arguments.build.resolve() / "cotenant"
    rows = []

    def add(what, value, bar, reached, note):
        rows.append({"what": what, "value": value, "bar": bar, "reached": reached, "note": note})
        print(what, value, bar, reached, note, file=sys.stderr, flush=True)

    with tempfile.TemporaryDirectory(prefix="compare-sharing-") as directory:
        for model, count, mode, passes, least in AGAINST_PEER:
            config = experiment(f"{count}_{model}_fixed", model, count, "mps", corun="fixed", num_iters=passes)
            record = run(cotenant, directory, config)[0]
            ours = record["device_summary"]["tokens_per_s"]
            theirs = peer_tokens_per_s(arguments.python, model, count, mode, passes)
            ratio = ours / theirs if theirs else None
            add(f"{count} {model} under MPS, GPU tokens/s against the peer ({mode})", ratio, f">= {least}",
                None if ratio is None else ratio >= least,
                f"{ours / 1e6:.2f}M against {(theirs or 0) / 1e6:.2f}M, {passes} passes each; {describe(record)}")
        alone = run(cotenant, directory, experiment("solo", "distilgpt2", 1, "timeslice", min_duration_s=2, warmup_s=1),
                    "--repeat", str(REPEATS))
        shared = run(cotenant, directory, experiment("ten", "distilgpt2", 10, "mps", min_duration_s=2, warmup_s=1),
                     "--repeat", str(REPEATS))
        spread = max(max(rates(record)) / min(rates(record)) for record in shared)
        add("10 distilgpt2 under MPS, largest / smallest work rate", spread, f"<= {EQUAL_RATES}", spread <= EQUAL_RATES,
            f"the worst of {REPEATS} runs; {describe(shared[0])}")
        skews = [abs(tenant["start_skew_us"]) for record in shared for tenant in record["tenants"]]
        skew = statistics.median(skews)
        add("start skew of 10 tenants, p50, us", skew, f"<= {SKEW_US}", skew <= SKEW_US, f"most {max(skews):.0f} us")
        for key, bar, what in (("ready_s", READY_S, "MPS daemon ready, s"), ("gone_s", GONE_S, "MPS daemon gone, s")):
            worst = max(record["daemon"][key] for record in shared)
            add(what, worst, f"<= {bar}", worst <= bar, f"the worst of {REPEATS} runs")
        for what, records, bar in (("alone", alone, CV_SOLO), ("10 under MPS", shared, CV_SHARED)):
            variation = coefficient_of_variation(records)
            add(f"distilgpt2 {what}, {REPEATS} runs, variation of p50", variation, f"<= {bar}", variation <= bar,
                f"p50 {records[0]['tenants'][0]['summary']['latency']['p50_ms']:.3f} ms; {describe(records[0])}")
    return shared[0], rows


def table(record, rows):
    device, build = record["device"], record["build"]
    text = [f"# Sharing {device['name']}, {datetime.date.today().isoformat()}", "",
            f"Driver {device['driver']}, CUDA {device['cuda']}, commit {build['commit']}. fp16, batch 8 x 128, random weights.",
            "", "| | reached | bar | | |", "|---|---|---|---|---|"]
    for row in rows:
        value = "-" if row["value"] is None else f"{row['value']:.4g}"
        verdict = {True: "yes", False: "**no**", None: "-"}[row["reached"]]
        text.append(f"| {row['what']} | {value} | {row['bar']} | {verdict} | {row['note']} |")
    return "\n".join(text) + "\n"


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--build", type=pathlib.Path, required=True)
    parser.add_argument("--out", type=pathlib.Path, default=ROOT / "bench" / "results")
    parser.add_argument("--python", default=sys.executable, help="of the peer")
    arguments = parser.parse_args()
    record, rows = measure(arguments)
    arguments.out.mkdir(parents=True, exist_ok=True)
    name = "-".join(record["device"]["name"].lower().split())
    path = arguments.out / f"{datetime.date.today().isoformat()}-{name}-sharing"
    path.with_suffix(".json").write_text(json.dumps({"device": record["device"], "build": record["build"], "bars": rows},
                                                    indent=1) + "\n")
    path.with_suffix(".md").write_text(table(record, rows))
    print(table(record, rows))


if __name__ == "__main__":
    main()
