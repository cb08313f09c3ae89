#!/usr/bin/env python3
"""Injects deaths, hangs and nonsense into real runs of cotenant, one at a time, and looks at what is left from outside.

    tests/faults/faults.py BUILD [--only TEXT] [--jobs N] [--keep]

Each case runs a small experiment in a directory that already holds an earlier result, brings it into a phase, injects one
fault, and then asks: did it end in time, with the right exit code and one clear message; are the samples up to then
readable; is the earlier result intact; is nothing left (processes, sockets, temporary files); does the next run work?
"""

import argparse
import concurrent.futures
import hashlib
import json
import os
import pathlib
import random
import re
import resource
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

# Faults are signals. Those above SIGRTMIN are what misbehave.cpp makes of them.
EXIT, GARBAGE, FLOOD, REPORTS, CLOSE, SCRIBBLE, PRINTS = (signal.SIGRTMIN + i for i in range(7))
KILL, SEGV, STOP = signal.SIGKILL, signal.SIGSEGV, signal.SIGSTOP
DEATHS = {KILL: "killed by SIGKILL", SEGV: "killed by SIGSEGV", EXIT: "exit code 1"}
NONSENSE = {GARBAGE: "sent what is no report", FLOOD: "sent what is no report", REPORTS: "sent what is no report",
            CLOSE: "exit code 1", SCRIBBLE: "wrote over the memory"}
ASKED = {signal.SIGINT: 130, signal.SIGTERM: 143, signal.SIGHUP: 129}
NAMES = {EXIT: "exit(1)", GARBAGE: "garbage", FLOOD: "flood", REPORTS: "false reports", CLOSE: "closed channel",
         SCRIBBLE: "overwritten ring", PRINTS: "endless output"}

# Where a process stops itself (see misbehave.cpp), and what the driver calls the phase.
PHASES = {
    "loading": ("recv load", "load"),
    "preparing": ("recv prepare", "prepare"),
    "warming": ("recv warm", "warm up"),
    "ready": ("recv warm", "warm up"),  # the other one still warms up
    "waiting for go": ("recv go", "run"),
    "in an iteration": ("", "run"),
    "stopping": ("send done", "stop"),
    "leaving": ("recv exit", "stop"),
    "writing": ("rename _summary.txt", ""),
}
WITH_WORKERS = [phase for phase in PHASES if phase != "writing"]
MEASURED = ["in an iteration", "stopping", "leaving", "writing"]  # phases in which there are samples
PATIENCE_S = 40  # for anything; a run that takes longer hangs
DEADLINE_S = 3   # of cotenant's phases, where a fault is a hang
LOST_S = 2       # of samples, at most, when the driver is killed


class Wrong(Exception):
    """What a case found: its kind is a column of the table."""

    def __init__(self, kind, text):
        super().__init__(text)
        self.kind = kind


def require(condition, kind, text):
    if not condition:
        raise Wrong(kind, text)


def config(min_duration_s, service_ms=2, kind="sleep"):
    tenants = "".join(f"  - {{name: {name}, engine: stress, stress: {{kind: {kind}, service_ms: {service_ms}}}, "
                      "num_iters: 5, num_warmup: 1}\n" for name in "ab")
    return (f"experiment_name: pair\ndevice: cpu\nmin_duration_s: {min_duration_s}\nwarmup_s: 0\n"
            f"tenants:\n{tenants}")


TESTS = pathlib.Path(__file__).resolve().parent.parent
PROGRAMS = {  # tenants of which the work is done by a program that is not ours
    "external": "model_name: m, batch_size: 1, seq_len: 8, command: [python3, {tests}/driver/external_program.py]",
    "command": "command: [sh, -c, 'while echo step; do sleep 0.005; done'], progress: step",
    "server": "model_name: m, seq_len: 12, command: [python3, {tests}/servers/bad_server.py, --gap-ms, '0.1', --port, "
              "'{port}', --port-file, {root}/port, --log, /dev/null], "
              "server: {{base_url: 'http://127.0.0.1:{port}', timeout_s: 1}}",
}


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def program_config(engine, root):
    program = PROGRAMS[engine].format(tests=TESTS, root=root, port=free_port())
    return ("experiment_name: pair\ndevice: cpu\nmin_duration_s: 60\nmax_duration_s: 90\nwarmup_s: 0\ntenants:\n"
            f"  - {{name: a, engine: {engine}, num_iters: 5, num_warmup: 1, {program}}}\n"
            "  - {name: b, engine: stress, stress: {kind: sleep, service_ms: 2}, num_iters: 5, num_warmup: 1}\n")


WRITE_CONFIG = config(0.2, service_ms=0.005, kind="spin")  # tens of thousands of samples


def read(path):
    try:
        return pathlib.Path(path).read_text(errors="replace")
    except OSError:
        return ""


def tree(path):
    """What a directory holds: names and contents."""
    return {str(file.relative_to(path)): hashlib.sha256(file.read_bytes()).hexdigest()
            for file in sorted(path.rglob("*")) if file.is_file()}


def children(pid):
    return [int(child) for child in read(f"/proc/{pid}/task/{pid}/children").split()]


def is_role(pid, role):
    return read(f"/proc/{pid}/cmdline").split("\0")[1:2] == [role]


def is_stopped(pid):
    return read(f"/proc/{pid}/stat").rpartition(")")[2].split()[:1] == ["T"]


def send(pid, number):
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        pass


def wait_for(condition, what, patience_s=PATIENCE_S):
    until = time.monotonic() + patience_s
    while not (found := condition()):
        require(time.monotonic() < until, "hung", f"waited {patience_s} s for {what}")
        time.sleep(0.005)
    return found


def events(directory, tenant):
    """The samples of a tenant. Only the last line may be torn: that of a driver that was killed."""
    lines = read(directory / tenant / "events.jsonl").split("\n")
    parsed = [json.loads(line) for line in lines[:-1]]
    samples = [event for event in parsed if event["type"] == "iteration"]
    require([event["iter"] for event in samples] == list(range(len(samples))), "lost",
            f"{directory.name}/{tenant}: its iterations have gaps")
    return samples


class Run:
    """One real run in a directory of its own, which holds the result of an earlier one."""

    def __init__(self, tools, name, text, stop_at="", options=()):
        self.tools = tools
        self.root = pathlib.Path(tempfile.mkdtemp(prefix=name.replace(" ", "_").replace("/", "_") + ".", dir=tools.root))
        self.data = self.root / "data"
        self.temporary = self.root / "tmp"
        self.temporary.mkdir()
        shutil.copytree(tools.earlier, self.data)
        self.earlier = tree(self.data / "pair")
        (self.root / "pair.yaml").write_text(text if isinstance(text, str) else text(self.root))
        self.driver = self.start(["run", "pair.yaml", *options],
                                 {"LD_PRELOAD": str(tools.misbehave), "FAULTS_STOP_AT": stop_at})

    def start(self, arguments, environment=None):
        return subprocess.Popen(
            [self.tools.cotenant, *arguments], cwd=self.root, start_new_session=True, stdin=subprocess.DEVNULL,
            stdout=open(self.root / "stdout", "w"), stderr=open(self.root / "stderr", "w"),
            env={**os.environ, "TMPDIR": str(self.temporary), "FAULTS_CASE": self.root.name, **(environment or {})})

    @property
    def staging(self):
        """Where the run is written: beside the earlier result, or with --no-save among the temporary files."""
        return next(self.temporary.glob(".cotenant-*/run.staging"), self.data / "pair.staging")

    def workers(self):
        return [pid for pid in children(self.driver.pid) if is_role(pid, "worker")]

    def supervisor(self):
        return next(pid for pid in children(self.driver.pid) if is_role(pid, "supervisor"))

    def program(self):
        return children(self.supervisor())[0]

    def keeper(self):
        return next(pid for pid in children(self.driver.pid) if is_role(pid, "keeper"))

    def name_of(self, worker):
        return "ab"[self.all_workers.index(worker)]

    def reach(self, phase):
        """Returns the worker that the phase is about: stopped where the phase begins, or none."""
        def working():
            require(self.driver.poll() is None, "lost", f"ended at once: {read(self.root / 'stderr')}")
            return len(self.workers()) == 2 and self.workers()

        self.all_workers = wait_for(working, "the workers")
        if phase == "in an iteration":
            wait_for(lambda: all(read(self.staging / tenant / "events.jsonl").count("\n") > 20 for tenant in "ab"),
                     "samples in the files")
            return self.all_workers[1]
        if phase == "writing":
            wait_for(lambda: is_stopped(self.driver.pid), "the driver to write")
            return None

        def held():
            require(self.driver.poll() is None, "lost", f"ended before phase {phase}: {read(self.root / 'stderr')}")
            return [pid for pid in self.all_workers if is_stopped(pid)]

        victim = wait_for(held, phase)[-1]
        other = next(pid for pid in self.all_workers if pid != victim)
        # The other one goes on. It may not have come to its own stop yet, or never comes to it.
        self.nurse = threading.Thread(target=self.keep_going, args=(other,), daemon=True)
        self.nurse.start()
        if phase == "ready":
            time.sleep(0.3)  # until it has warmed up, too
            send_after = other
            self.held = victim
            return send_after
        return victim

    def keep_going(self, pid):
        until = time.monotonic() + PATIENCE_S
        while time.monotonic() < until and is_role(pid, "worker"):
            if is_stopped(pid):
                send(pid, signal.SIGCONT)
                return
            time.sleep(0.01)

    def finish(self):
        try:
            code = self.driver.wait(PATIENCE_S)
        except subprocess.TimeoutExpired:
            raise Wrong("hung", f"still running after {PATIENCE_S} s") from None
        self.err = read(self.root / "stderr")
        return code

    # ---- what is asked afterwards ----

    def left_processes(self):
        mark = f"FAULTS_CASE={self.root.name}\0"
        return [pid for pid in os.listdir("/proc") if pid.isdigit() and mark in read(f"/proc/{pid}/environ")]

    def expect_nothing_left(self, *others):
        wait_for(lambda: not self.left_processes() or None, "processes to end", 10)
        require(not os.listdir(self.temporary), "left behind", f"temporary files: {os.listdir(self.temporary)}")
        require(str(self.root) not in read("/proc/net/unix"), "left behind", "a socket")
        require(not [name for name in os.listdir("/dev/shm") if "cotenant" in name], "left behind", "shared memory")
        there = set(os.listdir(self.data))
        require(there <= {"pair", *others}, "left behind", f"{sorted(there)} in data")
        odd = [file for file in self.data.rglob("*") if file.name.startswith(".cotenant-") and file.name != ".cotenant-begun"]
        require(not odd or "pair.staging" in others, "left behind", f"{odd}")

    def expect_earlier(self):
        require(tree(self.data / "pair") == self.earlier, "lost", "the earlier result has changed")

    def expect_new(self):
        require(tree(self.data / "pair") != self.earlier, "lost", "the earlier result stands in the place of the new one")
        self.expect_readable(self.data / "pair", complete=True)

    def expect_readable(self, directory, complete, samples=True):
        record = json.loads(read(directory / "experiment.json"))
        require(record["validity"]["complete"] == complete, "lost", f"{directory.name}: complete is not {complete}")
        if samples:
            self.expect_analyzable(directory)

    def expect_analyzable(self, directory):
        done = subprocess.run([self.tools.cotenant, "analyze", "--json", str(directory)], capture_output=True, text=True,
                              timeout=PATIENCE_S, cwd=self.root)
        require(done.returncode == 0, "lost", f"analyze {directory.name}: {done.stderr}")

    def expect_told(self, text, lines=1):
        told = [line for line in self.err.splitlines() if re.match(r"cotenant: |warning: ", line) and re.search(text, line)]
        require(len(told) == lines, "untold", f"{len(told)} lines with \"{text}\", expected {lines}, in: {self.err}")

    def expect_next_run(self, keeps_samples):
        """A run that was killed is kept as incomplete by the next one, and is in nobody's way."""
        (self.root / "pair.yaml").write_text(config(0.1))
        self.driver = self.start(["run", "pair.yaml"])
        code = self.finish()
        require(code == 0, "exit code", f"the next run: {code}: {self.err}")
        self.expect_nothing_left("pair.incomplete")
        self.expect_new()
        if keeps_samples:
            self.expect_analyzable(self.data / "pair.incomplete")


# ---- the cases: each a function of the tools that raises Wrong ----


def worker_case(phase, fault):
    def case(tools):
        stop_at, said = PHASES[phase]
        goes_on = fault == PRINTS
        long = phase in WITH_WORKERS[:6] and not goes_on
        run = Run(tools, f"worker {phase} {name(fault)}", config(60 if long else 0.3), stop_at,
                  ["--deadline", str(DEADLINE_S)] if fault == STOP else [])
        victim = run.reach(phase)
        before = {tenant: len(events(run.staging, tenant)) for tenant in "ab"} if phase in MEASURED else {}
        who = run.name_of(victim)
        send(victim, fault)
        if fault != STOP:
            send(victim, signal.SIGCONT)
        if phase == "ready":
            if fault != STOP:
                time.sleep(0.2)
            send(run.held, signal.SIGCONT)
        code = run.finish()
        what = {**DEATHS, **NONSENSE, STOP: "hung: "}.get(fault)
        if goes_on:
            require(code == 0, "exit code", f"{code}: {run.err}")
            run.expect_nothing_left()
            return run.expect_new()
        # After its run it has nothing to lose but what it writes at its end; its samples are overwritten at any time.
        if phase == "leaving" and fault != SCRIBBLE:
            require(code == 4, "exit code", f"{code}: {run.err}")
            run.expect_nothing_left()
            run.expect_new()
            require(f"{who} did not end well" in read(run.data / "pair/experiment.json"), "untold", run.err)
            return None
        require(code == 3, "exit code", f"{code}: {run.err}")
        # The ring is looked at when the run begins.
        if fault == SCRIBBLE and phase in WITH_WORKERS[:5]:
            said = "run"
        if fault == STOP and phase == "ready":  # it has done all that it was asked for, and does not start
            said = "run"
        if fault == REPORTS and phase == "warming":  # the first one is believed
            said = "(warm up|run)"
        run.expect_told(f"{who} died in phase {said}: {what}")
        run.expect_nothing_left("pair.incomplete")
        run.expect_earlier()
        run.expect_readable(run.data / "pair.incomplete", complete=False, samples=phase in MEASURED)
        for tenant, count in before.items():
            require(len(events(run.data / "pair.incomplete", tenant)) >= count, "lost", f"samples of {tenant}")
        return None

    return case


def driver_case(phase, fault, target):
    def case(tools):
        run = Run(tools, f"{target} {phase} {name(fault)}",
                  config(60 if phase in WITH_WORKERS[:6] else 0.3), PHASES[phase][0])
        run.reach(phase)
        victims = {"driver": [run.driver.pid], "group": [-run.driver.pid],
                   "driver and keeper": [run.keeper(), run.driver.pid],
                   "all at once": [run.keeper(), *run.workers(), run.driver.pid]}[target]
        died_at = time.time()
        send(run.driver.pid, STOP)  # so that all die at once
        for victim in victims:
            send(victim, fault)
        send(run.driver.pid, signal.SIGCONT)
        code = run.finish()
        require(code == (1 if fault == EXIT else -fault), "exit code", f"{code}: {run.err}")
        run.expect_nothing_left("pair.staging", "pair.lock")
        run.expect_earlier()
        if target in ("driver", "group"):
            run.err = read(run.root / "stderr")
            run.expect_told("killed; what was measured is in")
        if phase == "in an iteration":
            t0 = json.loads(read(run.staging / "experiment.json"))["t0_wall_s"]
            for tenant in "ab":
                last = events(run.staging, tenant)[-1]["end_s"]
                require(t0 + last > died_at - LOST_S, "lost", f"the last {died_at - t0 - last:.1f} s of {tenant}")
        run.expect_next_run(keeps_samples=phase in MEASURED)

    return case


def unsaved_case(phase, fault, target):
    """The death of a driver whose results nobody keeps: nothing of them is left, at once."""

    def case(tools):
        run = Run(tools, f"{target} unsaved {phase} {name(fault)}", config(60 if phase in WITH_WORKERS[:6] else 0.3),
                  PHASES[phase][0], ["--no-save"])
        run.reach(phase)
        require(run.staging.parent.parent == run.temporary, "lost", f"writes to {run.staging}")
        send(run.driver.pid, STOP)  # so that all die at once
        send(-run.driver.pid if target == "group" else run.driver.pid, fault)
        send(run.driver.pid, signal.SIGCONT)
        code = run.finish()
        require(code == (1 if fault == EXIT else -fault), "exit code", f"{code}: {run.err}")
        run.expect_nothing_left()
        run.expect_earlier()

    return case


def asked_case(phase, number):
    """Somebody asks it to end: Ctrl-C, kill, a terminal that closes."""

    def case(tools):
        run = Run(tools, f"asked {phase} {name(number)}",
                  config(60 if phase in WITH_WORKERS[:6] else 0.3), PHASES[phase][0])
        victim = run.reach(phase)
        send(run.driver.pid, number)
        over = phase in ("leaving", "writing")  # all is measured by then
        if over or phase == "stopping":
            time.sleep(0.1)
            send(victim or run.driver.pid, signal.SIGCONT)
        code = run.finish()
        if over:  # nothing is left to interrupt: the run is complete, or the signal ends what is not its results
            require(code in (0, -number), "exit code", f"{code}: {run.err}")
            run.expect_nothing_left()
            return run.expect_new()
        require(code == ASKED[number], "exit code", f"{code}: {run.err}")
        run.expect_told(f"interrupted by {name(number)}")
        run.expect_nothing_left("pair.incomplete")
        run.expect_earlier()
        return run.expect_readable(run.data / "pair.incomplete", complete=False, samples=phase in MEASURED)

    return case


def harmless_case(phase, fault, target):
    """What ends no run: the keeper's death, a driver that is stopped for a while."""

    def case(tools):
        run = Run(tools, f"{target} {phase} {name(fault)}", config(1 if phase == "in an iteration" else 0.3),
                  PHASES[phase][0])
        victim = run.reach(phase)
        send(run.driver.pid if target == "driver" else run.keeper(), fault)
        time.sleep(0.3)
        for pid in filter(None, (victim, run.driver.pid, getattr(run, "held", None))):
            send(pid, signal.SIGCONT)
        code = run.finish()
        require(code == 0, "exit code", f"{code}: {run.err}")
        if target == "keeper" and fault != STOP and phase not in ("leaving", "writing"):
            run.expect_told(re.escape(f"ended ({DEATHS[fault]})"))
        run.expect_nothing_left()
        run.expect_new()

    return case


def program_case(engine, fault, target):
    """A tenant's program, its supervisor or the driver dies or hangs while it runs."""

    def case(tools):
        run = Run(tools, f"{engine} {target} {name(fault)}", lambda root: program_config(engine, root), "",
                  ["--deadline", str(DEADLINE_S)] if fault == STOP else [])
        run.reach("in an iteration")
        before = {tenant: len(events(run.staging, tenant)) for tenant in "ab"}
        victims = {"program": lambda: run.program(), "supervisor": lambda: run.supervisor(),
                   "driver": lambda: run.driver.pid, "group": lambda: -run.driver.pid}
        send(victims[target](), fault)
        code = run.finish()
        if target in ("driver", "group") and fault not in ASKED:
            require(code == -fault, "exit code", f"{code}: {run.err}")
            run.expect_nothing_left("pair.staging", "pair.lock")
            run.expect_earlier()
            return run.expect_next_run(keeps_samples=True)
        require(code == ASKED.get(fault, 3), "exit code", f"{code}: {run.err}")
        if fault in ASKED:
            run.expect_told(f"interrupted by {name(fault)}")
        elif target == "program" and fault in DEATHS:
            run.expect_told(f"a died in phase run: its program ended: {DEATHS[fault]}")
        else:
            run.expect_told("a died in phase run: ")
        run.expect_nothing_left("pair.incomplete")
        run.expect_earlier()
        run.expect_readable(run.data / "pair.incomplete", complete=False)
        for tenant, count in before.items():
            require(len(events(run.data / "pair.incomplete", tenant)) >= count, "lost", f"samples of {tenant}")
        return None

    return case


def write_case(number, seed):
    """SIGKILL of the driver at a random instant of its final write: the old result or the new one, whole."""
    instants = random.Random(seed * 1000 + number)

    def case(tools):
        code = 0
        while code != -KILL:  # it may have been quicker
            run = Run(tools, f"final write {number}", WRITE_CONFIG, PHASES["writing"][0])
            run.reach("writing")
            send(run.driver.pid, signal.SIGCONT)
            time.sleep(instants.random() * tools.write_s)
            send(run.driver.pid, KILL)
            code = run.finish()
            require(code in (-KILL, 0, 4), "exit code", f"{code}: {run.err}")
        run.expect_nothing_left("pair.staging", "pair.lock", "pair.old")
        if tree(run.data / "pair") != run.earlier:
            run.expect_new()
        run.expect_next_run(keeps_samples=False)

    return case


def name(number):
    return NAMES.get(number) or signal.Signals(number).name


def all_cases(writes, seed):
    """(target, fault, phase, function)"""
    cases = []
    for phase in WITH_WORKERS:
        faults = [*DEATHS, STOP]
        faults += [SCRIBBLE] if phase != "loading" else []  # the memory may not be the worker's yet
        faults += [GARBAGE, FLOOD, REPORTS, CLOSE, PRINTS] if phase != "leaving" else []  # nobody listens any more
        cases += [("worker", fault, phase, worker_case(phase, fault)) for fault in faults]
    for phase in PHASES:
        cases += [(target, fault, phase, driver_case(phase, fault, target))
                  for target in ("driver", "group") for fault in DEATHS]
        cases += [(target, KILL, phase, driver_case(phase, KILL, target))
                  for target in ("driver and keeper", "all at once")]
        cases += [(f"{target}, --no-save", fault, phase, unsaved_case(phase, fault, target))
                  for target, fault in (("driver", KILL), ("driver", EXIT), ("group", KILL))]
        cases += [("driver, asked", number, phase, asked_case(phase, number)) for number in ASKED]
        cases += [("keeper", fault, phase, harmless_case(phase, fault, "keeper")) for fault in (*DEATHS, STOP)]
        cases += [("driver", STOP, phase, harmless_case(phase, STOP, "driver"))]
    for engine in PROGRAMS:
        # A server that hangs fails its requests (tests/driver/server_test.cpp), and the run goes on.
        cases += [(f"{engine}: {target}", fault, "in an iteration", program_case(engine, fault, target))
                  for target, faults in (("program", [*DEATHS, *([STOP] if engine != "server" else [])]),
                                         ("supervisor", [KILL]), ("driver", [KILL, signal.SIGINT]), ("group", [KILL]))
                  for fault in faults]
    cases += [("driver, at random", KILL, "writing", write_case(number, seed)) for number in range(writes)]
    return cases


# ---- the program ----


class Tools:
    def __init__(self, build, root):
        self.cotenant = build / "cotenant"
        self.misbehave = build / "misbehave.so"
        self.root = root
        self.earlier = root / "earlier"
        self.earlier.mkdir(parents=True)
        (root / "pair.yaml").write_text(config(0.1))
        subprocess.run([self.cotenant, "run", "pair.yaml", "-q", "--out", self.earlier / "pair"], cwd=root, check=True,
                       stdout=subprocess.DEVNULL)

    def measure_write(self):
        run = Run(self, "measure", WRITE_CONFIG, PHASES["writing"][0])
        run.reach("writing")
        start = time.monotonic()
        send(run.driver.pid, signal.SIGCONT)
        run.finish()
        self.write_s = time.monotonic() - start
        shutil.rmtree(run.root)


def attempt(tools, case):
    try:
        case(tools)
        return None
    except Wrong as wrong:
        return wrong
    except Exception as error:  # pylint: disable=broad-except  # a file that is not there, a line that is no JSON
        return Wrong("lost", f"{type(error).__name__}: {error}")


def print_table(results):
    columns = ["injected", "hung", "lost", "left behind", "exit code", "untold"]
    rows = {}
    for (target, fault, _, _), wrong in results:
        row = rows.setdefault(f"{target}: {name(fault)}", dict.fromkeys(columns, 0))
        row["injected"] += 1
        if wrong:
            row[wrong.kind] += 1
    rows["all"] = {column: sum(row[column] for row in rows.values()) for column in columns}
    width = max(map(len, rows))
    print(" " * width + "".join(f"  {column:>11}" for column in columns))
    for title, row in rows.items():
        print(f"{title:<{width}}" + "".join(f"  {row[column]:>11}" for column in columns))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("build", type=pathlib.Path)
    parser.add_argument("--only", default="", help="cases whose name holds this text")
    parser.add_argument("--jobs", type=int, default=4 * (os.cpu_count() or 1))
    parser.add_argument("--writes", type=int, default=50, help="kills during the final write")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--keep", action="store_true", help="the directories of what failed")
    options = parser.parse_args()
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    # What runs in the background may have been told to ignore these, and the runs with it.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)
    root = pathlib.Path(tempfile.mkdtemp(prefix="cotenant-faults."))
    try:
        tools = Tools(options.build.resolve(), root)
        tools.measure_write()
        cases = [case for case in all_cases(options.writes, options.seed)
                 if options.only in f"{case[0]}: {name(case[1])}, {case[2]}"]
        with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
            results = list(zip(cases, pool.map(lambda case: attempt(tools, case[3]), cases)))
        # On a busy machine a signal can meet a process at another instant than the case is about: what went wrong is tried
        # again, alone, and counts as wrong only if it goes wrong again.
        again = Tools(options.build.resolve(), root / "again")
        again.write_s = tools.write_s
        for i, (case, wrong) in enumerate(results):
            if wrong:
                print(f"again {case[0]}: {name(case[1])}, {case[2]}: {wrong.kind}: {str(wrong).splitlines()[0]}")
                results[i] = (case, attempt(again, case[3]))
        for (target, fault, phase, _), wrong in results:
            if wrong:
                print(f"FAILED {target}: {name(fault)}, {phase}: {wrong.kind}: {wrong}\n")
        print_table(results)
        failed = sum(wrong is not None for _, wrong in results)
        print(f"{len(results) - failed} passed, {failed} failed")
        return 1 if failed else 0
    finally:
        if options.keep:
            print(f"directories: {root}")
        else:
            shutil.rmtree(root, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
