#!/usr/bin/env python3
"""Real jobs over a study: Slurm as one controller and four nodes on this machine, mpirun, and workers that are killed.

    tests/cluster/cluster.py BUILD [NAME...]

Without names all tests; the measurement four_nodes_against_one only by its name. The stress engine stands for models, so
no GPU is needed. Slurm needs root, and users munge and slurm as Debian's packages make them. Ends with "N passed, M
failed".
"""

import concurrent.futures
import csv
import io
import json
import os
import pathlib
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

BUILD = pathlib.Path(sys.argv[1]).resolve()
COTENANT = str(BUILD / "cotenant")
NODES = 4

CONFIG = """\
experiment_name: pair
device: cpu
sharing: {mode: timeslice}
min_duration_s: %s
warmup_s: 0
telemetry_interval_ms: 0
tenants:
  - {name: a, engine: stress, stress: {kind: sleep, service_ms: 2}, num_iters: 10}
  - {name: b, engine: stress, stress: {kind: sleep, service_ms: 3}, num_iters: 10}
"""


def seeds(count):
    return "seed=" + ",".join(str(i) for i in range(1, count + 1))


def study(directory, runs, seconds=0.1):
    """The command of a study of that many runs."""
    config = directory / "pair.yaml"
    config.write_text(CONFIG % seconds)
    return [COTENANT, "run", str(config), "--vary", seeds(runs), "--study", str(directory / "study"), "--lease", "2"]


def plain_environment():
    return {name: value for name, value in os.environ.items() if not name.startswith(("SLURM_", "OMPI_", "PMI"))}


def start(command, **options):
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=plain_environment(), **options)


def output(command, **options):
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=300, **options)
    return done.returncode, done.stdout


def status(directory):
    return json.loads(subprocess.run([COTENANT, "status", str(directory / "study"), "--json"], stdout=subprocess.PIPE, check=False).stdout)


def check(condition, what):
    if not condition:
        raise AssertionError(what)


def check_complete(directory, runs):
    """Every run is there exactly once, complete and valid, and nothing else is in the study's directory."""
    names = sorted(path.name for path in (directory / "study").iterdir() if path.name != ".study")
    expected = sorted(f"pair_seed_{i}" for i in range(1, runs + 1))
    check(names == expected, f"expected {runs} runs, there are {len(names)}: {set(names) ^ set(expected)}")
    for name in names:
        record = json.loads((directory / "study" / name / "experiment.json").read_text())
        check(record["validity"]["valid"], f"{name}: {record['validity']['reasons']}")
        check(record["settings"]["seed"] == int(name.rsplit("_", 1)[1]), f"{name} is another run")
    now = status(directory)
    check(now["complete"] == runs and now["left"] == 0 and not now["failed"], f"status says {now}")
    table = subprocess.run([COTENANT, "analyze", str(directory / "study"), "--csv"], stdout=subprocess.PIPE, text=True, check=True).stdout
    rows = list(csv.DictReader(io.StringIO(table)))
    check([row["run"] for row in rows] == [f"pair_seed_{i}" for i in range(1, runs + 1) for _ in "ab"], "the table has other rows")


def measured(directory):
    """How often a run came to its end, by what the workers wrote."""
    lines = [line for path in (directory / "study/.study/journal").iterdir() for line in path.read_text().splitlines()]
    return len(lines)


def test_killed_workers(directory):
    """200 runs, four workers, 20 of them killed at random instants, all cancelled once and started again."""
    runs, kills = 200, 20
    command = study(directory, runs)
    chance = random.Random(7)
    workers = [start(command) for _ in range(4)]
    for kill in range(kills):
        time.sleep(chance.uniform(0.2, 1.2))
        victim = chance.randrange(len(workers))
        workers[victim].send_signal(signal.SIGKILL)
        workers[victim].wait()
        workers[victim] = start(command)
        if kill == kills // 2:
            for worker in workers:
                worker.send_signal(signal.SIGTERM)
            codes = [worker.wait(30) for worker in workers]
            check(all(code in (143, -signal.SIGTERM) for code in codes), f"they did not end by SIGTERM: {codes}")
            check(status(directory)["left"] > 0, "all was done before the job was cancelled")
            workers = [start(command) for _ in range(4)]
    check([worker.wait(300) for worker in workers] == [0] * 4, "a worker failed")
    check_complete(directory, runs)
    # A run that was measured and not put into its place is repeated; a worker has one in hand.
    check(measured(directory) <= runs + kills + 4, f"{measured(directory)} runs were measured for {runs}")


def test_mpirun(directory):
    command = ["mpirun", "-n", "4", "--oversubscribe", "--allow-run-as-root"] + study(directory, 24)
    code, text = output(command)
    check(code == 0, text)
    check_complete(directory, 24)
    workers = len(list((directory / "study/.study/journal").iterdir()))
    check(workers == 4, f"{workers} workers wrote a journal")


def test_mpirun_without_a_shared_directory(directory):
    """Each rank gets a directory of its own: found out before the first run, by all."""
    config = directory / "pair.yaml"
    config.write_text(CONFIG % 0.1)
    script = f'cd $(mktemp -d -p {directory}) && exec {COTENANT} run {config} --vary {seeds(4)} --study study'
    code, text = output(["mpirun", "-n", "2", "--oversubscribe", "--allow-run-as-root", "sh", "-c", script])
    check(code == 2, f"exit code {code}: {text}")
    check("is to be seen there of process" in text, text)
    check(not list(directory.glob("*/study/pair*")), "something was run")


def test_full_disk(directory):
    """The process ends and says why; no run has failed by it, and with room again all come to their end."""
    disk = directory / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=3m", "none", str(disk)], check=True)
    try:
        command = study(disk, 4, seconds=2)
        code, text = output(command + ["--set", "tenants.a.stress.service_ms=0.05"])
        check(code == 2 and "No space left on device" in text, f"exit code {code}: {text}")
        now = status(disk)
        check(now["left"] == 4 and not now["failed"] and not now["running"], f"status says {now}")
        subprocess.run(["mount", "-o", "remount,size=100m", str(disk)], check=True)
        code, text = output([COTENANT, "run", "--study", str(disk / "study")])
        check(code == 0, text)
        check_complete(disk, 4)
    finally:
        subprocess.run(["umount", str(disk)], check=True)


class Slurm:
    """One controller and four nodes, with directories of their own, for as long as the object lives."""

    def __init__(self, directory):
        self.directory = directory
        self.daemons = []
        host = socket.gethostname().split(".")[0]
        for name in ("munge", "state", *(f"spool-n{i + 1}" for i in range(NODES))):
            (directory / name).mkdir()
        os.chmod(directory, 0o755)
        key = directory / "munge/key"
        key.write_bytes(os.urandom(1024))
        os.chmod(key, 0o400)
        for path in (directory / "munge", key):
            shutil.chown(path, "munge", "munge")
        self.port = 20000 + os.getpid() % 10000
        socket_file = directory / "munge/socket"
        (directory / "slurm.conf").write_text(
            f"""ClusterName=test
SlurmctldHost={host}(127.0.0.1)
SlurmUser=root
SlurmctldPort={self.port}
AuthType=auth/munge
AuthInfo=socket={socket_file}
StateSaveLocation={directory}/state
SlurmdSpoolDir={directory}/spool-%n
SlurmctldPidFile={directory}/slurmctld.pid
SlurmdPidFile={directory}/slurmd-%n.pid
SlurmctldLogFile={directory}/slurmctld.log
SlurmdLogFile={directory}/slurmd-%n.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SwitchType=switch/none
MpiDefault=none
SelectType=select/cons_tres
ReturnToService=2
SchedulerParameters=sched_interval=1,batch_sched_delay=1
NodeName=n[1-{NODES}] NodeHostname={host} NodeAddr=127.0.0.1 Port=[{self.port + 1}-{self.port + NODES}] CPUs=1
PartitionName=main Nodes=ALL Default=YES MaxTime=INFINITE State=UP
"""
        )
        self.environment = dict(plain_environment(), SLURM_CONF=str(directory / "slurm.conf"))
        try:
            self.begin(["setpriv", "--reuid=munge", "--regid=munge", "--clear-groups", "munged", "--foreground", "--force",
                        f"--socket={socket_file}", f"--key-file={key}", f"--pid-file={directory}/munge/pid",
                        f"--log-file={directory}/munge/log", f"--seed-file={directory}/munge/seed"])
            self.wait_for(socket_file.exists, "munged makes no socket")
            self.begin(["slurmctld", "-D"])
            for node in range(NODES):
                self.begin(["slurmd", "-D", "-N", f"n{node + 1}"])
            self.wait_for(lambda: "idle" in self.command(["sinfo", "-h", "-o", "%D %T"])[1].split()
                          and self.command(["sinfo", "-h", "-t", "idle", "-o", "%D"])[1].split() == [str(NODES)],
                          "the nodes do not come up")
        except BaseException:
            self.end()
            raise

    def begin(self, command):
        log = (self.directory / f"{len(self.daemons)}.out").open("w")
        self.daemons.append(subprocess.Popen(command, stdout=log, stderr=log, env=self.environment))

    def command(self, command):
        return output(command, env=self.environment, cwd=self.directory)

    def wait_for(self, condition, what, seconds=60):
        until = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > until:
                raise AssertionError(f"{what}\n{self.command(['squeue'])[1]}{self.command(['sinfo'])[1]}")
            time.sleep(0.2)

    def end(self):
        for daemon in reversed(self.daemons):
            daemon.terminate()
        for daemon in self.daemons:
            try:
                daemon.wait(10)
            except subprocess.TimeoutExpired:
                daemon.kill()
                daemon.wait()


SLURM = None


def slurm():
    global SLURM
    if SLURM is None:
        SLURM = Slurm(pathlib.Path(tempfile.mkdtemp(prefix="cotenant-slurm-")))
    return SLURM


def test_srun(directory):
    """One job of four tasks, one on each node."""
    code, text = slurm().command(["srun", "-N", "4", "-n", "4"] + study(directory, 24))
    check(code == 0, text)
    check_complete(directory, 24)
    tasks = {json.loads(line)["worker"] for path in (directory / "study/.study/journal").iterdir() for line in path.read_text().splitlines()}
    check(len(tasks) == 4, f"{len(tasks)} tasks ran something")


def test_job_array(directory):
    """Its tasks start when there is room, and what a cancelled one had is taken up when it is submitted again."""
    command = study(directory, 40, seconds=0.5)
    script = directory / "job.sh"
    script.write_text("#!/bin/sh\nexec " + " ".join(command) + "\n")
    submit = ["sbatch", "--parsable", "--array=0-3", f"--output={directory}/%A_%a.out", str(script)]
    code, first = slurm().command(submit)
    check(code == 0, first)
    slurm().wait_for(lambda: (directory / "study").exists() and status(directory).get("complete", 0) >= 4, "nothing is done")
    slurm().command(["scancel", first.strip()])
    slurm().wait_for(lambda: not slurm().command(["squeue", "-h"])[1].strip(), "the job does not end")
    check(status(directory)["left"] > 0, "all was done before the job was cancelled")
    code, second = slurm().command(submit)
    check(code == 0, second)
    slurm().wait_for(lambda: not slurm().command(["squeue", "-h"])[1].strip(), "the job does not end", 120)
    check_complete(directory, 40)


def measure_four_nodes_against_one(directory):
    """40 runs of 2 s on four nodes against one after another."""
    times = {}
    for nodes in (4, 1):
        place = directory / str(nodes)
        place.mkdir()
        begin = time.monotonic()
        code, text = slurm().command(["srun", "-N", str(nodes), "-n", str(nodes)] + study(place, 40, seconds=2))
        times[nodes] = time.monotonic() - begin
        check(code == 0, text)
    print(f"    40 runs on 4 nodes {times[4]:.1f} s, on one {times[1]:.1f} s: {times[1] / times[4]:.2f} times as fast")
    check_complete(directory / "4", 40)


def test_submit(directory):
    """The script that `submit` writes, submitted by it."""
    command = study(directory, 8)
    place = directory / "study"
    code, text = output([COTENANT, "submit", "slurm"] + command[2:5] + ["--study", str(place), "--tasks", "4", "--gpus", "0", "--now"],
                        env=slurm().environment, cwd=directory)
    check(code == 0, text)
    slurm().wait_for(lambda: not slurm().command(["squeue", "-h"])[1].strip(), "the job does not end", 120)
    check_complete(directory, 8)


def test_submit_mpi(directory):
    """The script for mpirun, run by `submit --now`; more of mpirun's options come from the command line."""
    command = study(directory, 8)
    code, text = output([COTENANT, "submit", "mpi"] + command[2:5] + ["--study", str(directory / "study"), "--tasks", "2", "--gpus", "0",
                         "--option=--oversubscribe", "--option=--allow-run-as-root", "--now"], cwd=directory)
    check(code == 0, text)
    check_complete(directory, 8)


# Only waits, for half a minute and more: runs beside the others.
BESIDE = ["mpirun_without_a_shared_directory"]


def attempt(name, test):
    directory = pathlib.Path(tempfile.mkdtemp(prefix="cotenant-cluster-"))
    os.chmod(directory, 0o755)
    begin = time.monotonic()
    try:
        test(directory)
    except (AssertionError, subprocess.TimeoutExpired) as error:
        print(f"FAILED  {name} ({directory}): {str(error)[-3000:]}", flush=True)
        return False
    print(f"ok      {name} ({time.monotonic() - begin:.1f} s)", flush=True)
    shutil.rmtree(directory)
    return True


def main():
    tests = {name.split("_", 1)[1]: value for name, value in globals().items() if name.startswith(("test_", "measure_"))}
    wanted = sys.argv[2:] or [name[5:] for name in globals() if name.startswith("test_")]
    try:
        with concurrent.futures.ThreadPoolExecutor() as pool:
            beside = [pool.submit(attempt, name, tests[name]) for name in wanted if name in BESIDE]
            passed = [attempt(name, tests[name]) for name in wanted if name not in BESIDE]
            passed += [one.result() for one in beside]
    finally:
        if SLURM is not None:
            SLURM.end()
            shutil.rmtree(SLURM.directory, ignore_errors=True)
    print(f"{passed.count(True)} passed, {passed.count(False)} failed")
    return 0 if all(passed) else 1


if __name__ == "__main__":
    sys.exit(main())
