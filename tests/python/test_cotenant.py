"""The module against runs of the program itself."""

import json
import os
import signal
import stat
import subprocess
import sys
import textwrap
import time

import pytest

import cotenant

PAIR = {
    "experiment_name": "pair",
    "device": "cpu",
    "min_duration_s": 1,
    "tenants": [
        {"name": "spin", "engine": "stress", "stress": {"kind": "spin", "service_ms": 2}, "num_iters": 50},
        {"name": "NA", "engine": "stress", "stress": {"kind": "sleep", "service_ms": 5}, "num_iters": 50},
    ],
}


# What else runs on this machine may make a run invalid, which is not what is tested.
pytestmark = pytest.mark.filterwarnings("ignore::cotenant.InvalidRunWarning")


@pytest.fixture(scope="module")
def pair(tmp_path_factory):
    return cotenant.run(PAIR, out=tmp_path_factory.mktemp("pair") / "run", baselines=True)


def lines(file):
    return [json.loads(line) for line in file.read_text().splitlines()]


def test_events_are_the_requests_of_the_files(pair):
    events = pair.events
    assert set(events["tenant"]) == {"spin", "NA"}
    for tenant, rows in events.groupby("tenant"):
        written = [event for event in lines(pair.path / tenant / "events.jsonl") if event["type"] == "iteration"]
        assert rows["iter"].tolist() == [event["iter"] for event in written]
        assert rows["latency_ms"].tolist() == pytest.approx([event["latency_ms"] for event in written])
        assert rows["end_s"].tolist() == pytest.approx([event["end_s"] for event in written])
    assert events["gpu_ms"].isna().all()
    assert events["counts"].dtype == bool


def test_units_are_of_columns_that_there_are(pair):
    assert set(cotenant.EVENT_UNITS) <= set(pair.events.columns)
    assert pair.events.attrs["units"] is cotenant.EVENT_UNITS
    assert not [name for name in pair.events.columns if name.endswith(("_ms", "_s")) and name not in cotenant.EVENT_UNITS]


def test_analysis_is_the_programs_and_agrees_with_the_events(pair):
    printed = subprocess.run([cotenant.program(), "analyze", "--json", pair.path], stdout=subprocess.PIPE, check=True).stdout
    assert cotenant.load(pair.path).analysis == json.loads(printed)
    events = pair.events
    for tenant in pair.analysis["tenants"]:
        counted = events[(events["tenant"] == tenant["name"]) & events["counts"]]
        assert len(counted) == tenant["latency_ms"]["count"]
        assert counted["latency_ms"].median() == pytest.approx(tenant["latency_ms"]["p50"])


def test_run_and_load_see_the_same(pair):
    again = cotenant.load(str(pair.path))
    assert again.experiment == json.loads((pair.path / "experiment.json").read_text())
    assert again.valid == pair.valid
    assert again.events.equals(pair.events)
    assert len(pair.baselines) == 2 and pair.repeats == {}
    assert all(len(set(run.events["tenant"])) == 1 for run in pair.baselines.values())


def test_telemetry_is_a_row_a_sample(pair):
    written = lines(pair.path / "telemetry.jsonl")
    assert pair.telemetry["t_s"].tolist() == [sample["t_s"] for sample in written]
    assert "tenants.spin.busy_cores" in pair.telemetry.columns


def test_a_torn_line_is_no_sample(pair, tmp_path):
    whole = (pair.path / "telemetry.jsonl").read_text()
    (tmp_path / "telemetry.jsonl").write_text(whole[:-5])
    assert len(cotenant.load(tmp_path).telemetry) == len(pair.telemetry) - 1


def test_a_sweep_is_a_list_of_runs(tmp_path):
    config = {**PAIR, "vary": {"tenants.0.stress.service_ms": [1, 2]}, "min_duration_s": 0.2}
    runs = cotenant.run(config, out=tmp_path)
    assert [run.analysis["tenants"][0]["iterations"] >= 50 for run in runs] == [True, True]
    assert len({run.path for run in runs}) == 2


def test_errors_are_the_programs_own(tmp_path):
    with pytest.raises(cotenant.Error, match="tenants.0.batch_size") as error:
        cotenant.run({"experiment_name": "wrong", "tenants": [{"model_name": "distilgpt2", "batch_size": "many"}]}, out=tmp_path)
    assert error.value.code == 2
    with pytest.raises(cotenant.Error, match="no such directory"):
        cotenant.load(tmp_path / "nothing")
    with pytest.raises(cotenant.Error) as error:
        cotenant.load(tmp_path).analysis
    assert error.value.code == 2 and str(tmp_path) in str(error.value)
    with pytest.raises(cotenant.Error, match="experiment.json"):
        cotenant.load(tmp_path).experiment


def test_overrides_and_strict(tmp_path):
    with pytest.warns(cotenant.InvalidRunWarning):  # too few samples for a p99
        run = cotenant.run(PAIR, out=tmp_path / "run", overrides={"min_duration_s": 0.1, "tenants.*.num_iters": 7}, strict=True)
    assert run.valid is False
    assert [tenant["num_iters"] for tenant in run.experiment["tenants"]] == [7, 7]


def test_an_interrupt_reaches_the_program_which_keeps_what_it_has(tmp_path):
    code = textwrap.dedent(f"""
        import cotenant
        config = {json.dumps(PAIR)}
        cotenant.run({{**config, "min_duration_s": 60}}, out={str(tmp_path / "run")!r})
    """)
    process = subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.PIPE, text=True,
                               preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL))  # also in the background
    deadline = time.monotonic() + 30
    while not list(tmp_path.glob("run.staging/*/events.jsonl")) and time.monotonic() < deadline:
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, messages = process.communicate(timeout=30)
    assert "KeyboardInterrupt" in messages
    assert (tmp_path / "run.incomplete").is_dir()


@pytest.mark.parametrize("kind", ["missing", "not executable here", "fails"])
def test_importing_works_where_the_program_does_not(kind, tmp_path):
    program = tmp_path / "cotenant"
    if kind == "not executable here":
        program.write_bytes(b"\x7fELF of another machine")
    elif kind == "fails":
        program.write_text("#!/bin/sh\necho 'libdnnl.so.2: cannot open shared object file' >&2\nexit 127\n")
    if kind != "missing":
        program.chmod(program.stat().st_mode | stat.S_IXUSR)
    code = "import cotenant; print('imported', flush=True); cotenant.load('.').analysis"
    done = subprocess.run([sys.executable, "-c", code], env={**os.environ, "COTENANT": str(program)}, cwd=tmp_path,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert done.stdout == "imported\n"
    assert "cotenant._program.Error" in done.stderr or "cotenant.Error" in done.stderr
    assert "libdnnl" in done.stderr if kind == "fails" else "cannot be started" in done.stderr


def test_importing_reads_no_pandas():
    code = "import sys, cotenant; sys.exit('pandas' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
