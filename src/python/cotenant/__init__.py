"""Run cotenant's experiments, and read what came of them, from Python.

    import cotenant

    run = cotenant.run("pair.yaml", baselines=True)    # or a dict of the same keys
    run = cotenant.load("data/pair")                   # what an earlier run left

    run.events         # a DataFrame, one row a request
    run.telemetry      # a DataFrame, one row a sample of what the machine did meanwhile
    run.analysis       # what `cotenant analyze --json` says: every figure, as a dict
    run.experiment     # experiment.json: the machine, versions, seeds, the window, validity

This module computes nothing. It reads the files of an experiment and asks the program for the rest, so that a figure here is
the program's own. The keys of a configuration are explained in docs/configuration.md, the figures in docs/metrics.md and
docs/analysis.md.
"""

from __future__ import annotations

from ._program import Error, InvalidRunWarning, __version__, program
from ._run import EVENT_UNITS, Run, load, run

__all__ = ["EVENT_UNITS", "Error", "InvalidRunWarning", "Run", "__version__", "load", "program", "run"]
