#!/usr/bin/env python3
"""A long run of many tenants, of which every event must be accounted for.

    tests/faults/soak.py BUILD [--events 10000000] [--tenants 32]

Runs CPU tenants until together they have done that many requests, sets the wall clock that the driver and its workers see
back by an hour in the middle (misbehave.cpp; the machine's clock is left alone), and watches the driver's memory. Then each
tenant's requests are counted four times: by its worker, by the driver, in the files, and by the analysis.
"""

import argparse
import json
import os
import pathlib
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

FLAT = 0.05       # growth of the driver's memory between the first quarter of the run and its end
ABOVE_START = 64  # MiB that the driver takes at most beyond what it has when its tenants begin


def resident_mib(pid):
    for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    return None


def count_events(path):
    """Iterations of a file, each of which must follow the one before; and none may begin before that one's end."""
    count, end_s = 0, float("-inf")
    with open(path, encoding="utf-8") as lines:
        for line in lines:
            if not line.startswith('{"type":"iteration"'):
                continue
            event = json.loads(line)
            assert event["iter"] == count, f"{path}: iteration {event['iter']} where {count} was due"
            assert event["start_s"] >= end_s, f"{path}: iteration {count} begins before the last one ended"
            count, end_s = count + 1, event["end_s"]
    return count


def watch(driver, staging, clock, events):
    """Sets the clock back in the middle; returns samples of (events so far by the files' sizes, memory in MiB)."""
    samples = []
    while driver.poll() is None:
        written = sum(file.stat().st_size for file in staging.glob("*/events.jsonl"))
        try:
            memory = resident_mib(driver.pid)
        except OSError:
            memory = None
        if memory and written:
            samples.append((written, memory))
        if written > events * 160 / 2 and not clock.exists():
            clock.touch()
            print(f"clock set back after about {written / 1e6:.0f} MB of events")
        time.sleep(0.5)
    return samples


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("build", type=pathlib.Path)
    parser.add_argument("--events", type=int, default=10_000_000)
    parser.add_argument("--tenants", type=int, default=32)
    parser.add_argument("--keep", action="store_true")
    options = parser.parse_args()
    build = options.build.resolve()
    root = pathlib.Path(tempfile.mkdtemp(prefix="cotenant-soak."))
    each = -(-options.events // options.tenants)
    names = [f"t{i:02}" for i in range(options.tenants)]
    tenants = "".join(f"  - {{name: {name}, engine: stress, stress: {{kind: spin, service_ms: 0.05}}, num_iters: {each}}}\n"
                      for name in names)
    (root / "soak.yaml").write_text("experiment_name: soak\ndevice: cpu\nmin_duration_s: 1\nwarmup_s: 0\n"
                                    f"max_duration_s: 36000\ntenants:\n{tenants}")
    clock = root / "clock_back"
    start = time.monotonic()
    driver = subprocess.Popen([build / "cotenant", "run", "soak.yaml"], cwd=root, stdout=subprocess.PIPE, text=True,
                              env={**os.environ, "LD_PRELOAD": str(build / "misbehave.so"),
                                   "FAULTS_CLOCK_BACK": str(clock)})
    memory = watch(driver, root / "data/soak.staging", clock, options.events)
    print(driver.stdout.read())
    print(f"{time.monotonic() - start:.0f} s, exit code {driver.returncode}")
    assert driver.returncode == 0, "the run is not valid"
    assert clock.exists(), "the clock was not set back"

    results = root / "data/soak"
    record = json.loads((results / "experiment.json").read_text())
    analysis = json.loads(subprocess.run([build / "cotenant", "analyze", "--json", results], check=True,
                                         capture_output=True, text=True).stdout)
    analysed = {tenant["name"]: tenant["iterations"] for tenant in analysis["tenants"]}
    total = 0
    for tenant in record["tenants"]:
        name = tenant["name"]
        in_file = count_events(results / name / "events.jsonl")
        run_end = [json.loads(line) for line in tail(results / name / "events.jsonl") if '"run_end"' in line][0]
        counts = {"file": in_file, "run_end": run_end["num_iters"], "driver": tenant["summary"]["completed"],
                  "analysis": analysed[name]}
        # events_dropped: the worker's own count less the driver's
        assert tenant["exit"]["events_dropped"] == 0 and len(set(counts.values())) == 1, f"{name}: {counts}"
        total += in_file
    assert total >= options.events, total
    print(f"{total} events of {len(names)} tenants, each counted alike by worker, driver, files and analysis")

    quarter = [mib for written, mib in memory if written <= memory[-1][0] / 4][-5:]
    end = [mib for _, mib in memory][-5:]
    growth = statistics.median(end) / statistics.median(quarter) - 1
    print(f"driver's memory: {statistics.median(quarter):.1f} MiB after a quarter, {statistics.median(end):.1f} MiB at the end, "
          f"{max(mib for _, mib in memory):.1f} MiB at most ({growth:+.1%})")
    above = max(mib for _, mib in memory) - memory[0][1]
    print(f"driver's memory: {memory[0][1]:.1f} MiB at the first events, {above:.1f} MiB more at most")
    assert growth <= FLAT, "the driver's memory grows"
    assert above <= ABOVE_START, "the driver's memory grows"
    shutil.rmtree(root) if not options.keep else print(root)
    return 0


def tail(path, size=4096):
    with open(path, "rb") as file:
        file.seek(max(0, path.stat().st_size - size))
        return file.read().decode().splitlines()


if __name__ == "__main__":
    sys.exit(main())
