"""An experiment and its files."""

from __future__ import annotations

import io
import json
import os
import tempfile
import warnings
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Dict, List, Mapping, Sequence, Union

from ._program import Error, InvalidRunWarning, call

if TYPE_CHECKING:
    import pandas

EVENT_UNITS: Dict[str, str] = {
    "iter": "the request's number, from 0",
    "counts": "whether it lies wholly inside the window in which all tenants were active",
    "latency_ms": "milliseconds, by the host's clock, from its sending (open loop: from when it was due) to its end",
    "gpu_ms": "milliseconds between device events",
    "scheduled_s": "seconds since the common start, when it was due",
    "start_s": "seconds since the common start, when it was sent",
    "end_s": "seconds since the common start, when it ended",
    "queue_ms": "milliseconds from when it was due to its sending",
    "ttft_ms": "milliseconds to the first token",
    "tpot_ms": "milliseconds per output token after the first",
    "tokens_in": "tokens of the prompts, of all rows of the batch",
    "tokens_out": "tokens generated, of all rows of the batch",
}
"""Columns of `Run.events` and what they mean. Those without an entry are names, sizes of the request, and its status."""

INVALID = 4  # the exit code of a run that is complete but not to be trusted


class Run:
    """The directory of an experiment. Everything is read when it is asked for, and then kept."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        if not self.path.is_dir():
            raise Error(f"{self.path}: there is no such directory of an experiment", 2)

    def __repr__(self) -> str:
        return f"cotenant.load({str(self.path)!r})"

    @cached_property
    def experiment(self) -> Dict[str, Any]:
        """experiment.json. The study's directories have none: an Error says so."""
        file = self.path / "experiment.json"
        try:
            found: Dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise Error(f"{file}: cannot be read: {error}", 2) from error
        return found

    @cached_property
    def events(self) -> pandas.DataFrame:
        """One row a request, in the order of each tenant's file, with the tenant as a column.

        EVENT_UNITS says what the columns mean; the frame carries it in `attrs["units"]`. What is not known is NaN.
        """
        import pandas

        _, text = call(["export", str(self.path), "--format", "csv"])
        # A tenant may be called NA; only an empty field is unknown.
        frame = pandas.read_csv(io.StringIO(text), keep_default_na=False, na_values=[""], dtype={"tenant": str}).drop(
            columns="run")
        frame.attrs["units"] = EVENT_UNITS
        return frame

    @cached_property
    def telemetry(self) -> pandas.DataFrame:
        """One row a sample, `t_s` seconds since the common start; units are in the columns' names (docs/metrics.md).

        A tenant's columns are `tenants.<name>.<field>`. Of several devices each has a row of its own, named by the column
        `device`. Empty where nothing was sampled.
        """
        import pandas

        file = self.path / "telemetry.jsonl"
        if not file.exists():
            return pandas.DataFrame()
        lines = file.read_text(encoding="utf-8").split("\n")
        samples = [_flat(json.loads(line)) for line in lines[:-1] if line]  # a torn last line has no end
        return pandas.DataFrame(samples)

    @cached_property
    def analysis(self) -> Dict[str, Any]:
        """What `cotenant analyze --json` says of it; docs/analysis.md explains each field."""
        found: Dict[str, Any] = json.loads(call(["analyze", "--json", str(self.path)])[1])
        return found

    @property
    def valid(self) -> bool | None:
        """Whether it may be trusted; None for files that do not say."""
        valid: bool | None = self.analysis["valid"]
        return valid

    @property
    def baselines(self) -> Dict[str, Run]:
        """The runs of each distinct tenant alone, by the name of their directory."""
        return _runs_below(self.path / "baselines")

    @property
    def repeats(self) -> Dict[str, Run]:
        """The same experiment again, by number."""
        return _runs_below(self.path / "repeats")


def _runs_below(directory: Path) -> Dict[str, Run]:
    if not directory.is_dir():
        return {}
    return {path.name: Run(path) for path in sorted(directory.iterdir()) if path.is_dir()}


def _flat(sample: Mapping[str, Any]) -> Dict[str, Any]:
    flat = {key: value for key, value in sample.items() if key != "tenants"}
    tenants = sample.get("tenants", {})
    named = tenants.items() if isinstance(tenants, Mapping) else ((one["name"], one) for one in tenants)
    for name, values in named:
        flat.update({f"tenants.{name}.{key}": value for key, value in values.items() if key != "name"})
    return flat


def load(path: str | os.PathLike[str]) -> Run:
    """The experiment in this directory, for example `data/pair`. Raises Error where there is none."""
    return Run(path)


def run(
    config: Union[Mapping[str, Any], str, os.PathLike[str]],
    *,
    out: str | os.PathLike[str] | None = None,
    baselines: bool = False,
    repeat: int | None = None,
    overrides: Mapping[str, Any] | None = None,
    strict: bool = False,
    options: Sequence[str] = (),
) -> Union[Run, List[Run]]:
    """Runs an experiment, waits for its end, and returns it; a list where a sweep (the key `vary`) makes several.

    config     a YAML file, or a dict of the same keys (docs/configuration.md).
    out        the directory of the results, instead of the configuration's.
    baselines  each distinct tenant alone first, for slowdowns.
    repeat     that many whole runs.
    overrides  changes to the configuration, as --set: {"tenants.*.batch_size": 4}.
    strict     every warning makes the run invalid.
    options    further options of `cotenant run`, word by word.

    Raises Error with the program's own message where it cannot be run, and where a tenant died. A run that is complete but
    not to be trusted is returned with an InvalidRunWarning that gives the reasons.
    """
    with tempfile.TemporaryDirectory(prefix="cotenant-") as directory:
        if isinstance(config, Mapping):
            file = Path(directory) / "config.yaml"
            file.write_text(json.dumps(config, indent=2, allow_nan=False), encoding="utf-8")  # JSON is YAML
        else:
            file = Path(config)
        arguments = ["run", str(file), "--json", "--quiet"]
        if out is not None:
            arguments += ["--out", str(out)]
        if baselines:
            arguments.append("--baselines")
        if repeat is not None:
            arguments += ["--repeat", str(repeat)]
        for key, value in (overrides or {}).items():
            arguments += ["--set", f"{key}={json.dumps(value) if not isinstance(value, str) else value}"]
        if strict:
            arguments.append("--strict")
        code, output = call([*arguments, *options], accepted=(0, INVALID))
    said = json.loads(output)
    analyses = said["experiments"] if isinstance(said, dict) and "experiments" in said else said
    runs = []
    for analysis in analyses if isinstance(analyses, list) else [analyses]:
        one = Run(analysis["directory"])
        one.__dict__["analysis"] = analysis
        runs.append(one)
        if code == INVALID and analysis["valid"] is False:
            warnings.warn("; ".join(analysis["reasons"]), InvalidRunWarning, stacklevel=2)
    return runs if isinstance(analyses, list) else runs[0]
