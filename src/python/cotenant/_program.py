"""Finding and calling the program."""

from __future__ import annotations

import importlib.metadata
import os
import shutil
import signal
import subprocess
from pathlib import Path
from typing import Collection, Sequence, Tuple

try:
    __version__ = importlib.metadata.version("cotenant")
except importlib.metadata.PackageNotFoundError:  # the sources, on PYTHONPATH
    __version__ = "unknown"


class Error(RuntimeError):
    """What the program could not do, in its own words.

    code: its exit code (docs/architecture.md has the table): 2 for a configuration or a machine that does not fit, 3 for a
    tenant that died; None where it could not be started at all.
    """

    def __init__(self, message: str, code: int | None = None) -> None:
        super().__init__(message)
        self.code = code


class InvalidRunWarning(UserWarning):
    """A run is complete, but not to be trusted. The reasons are in its `analysis["reasons"]`."""


def _installed_program() -> str | None:
    """The one that came with this package: where it is differs between environments, but pip wrote it down."""
    try:
        files = importlib.metadata.files("cotenant") or []
    except importlib.metadata.PackageNotFoundError:
        return None
    for file in files:
        if file.name == "cotenant" and file.parent.name in ("bin", "scripts"):
            path = Path(str(file.locate())).resolve()
            if path.is_file():
                return str(path)
    return None


def program() -> str:
    """The path of the program: the one $COTENANT names, else this package's, else the first on PATH.

    Raises Error where there is none.
    """
    found = os.environ.get("COTENANT") or _installed_program() or shutil.which("cotenant")
    if not found:
        raise Error("the program cotenant was not found: install the package again, or set COTENANT to its path")
    return found


def call(arguments: Sequence[str], accepted: Collection[int] = (0,)) -> Tuple[int, str]:
    """Runs the program and returns its exit code and what it printed. Raises Error unless the code is an accepted one.

    Ctrl-C is passed on, and waited for: the program then keeps what it has measured.
    """
    command = [program(), *arguments]
    try:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                   text=True, encoding="utf-8", errors="replace")
    except OSError as error:
        raise Error(f"{command[0]} cannot be started: {error.strerror}. It is for x86-64 Linux with glibc 2.36 or newer"
                    ) from error
    with process:
        try:
            output, messages = process.communicate()
        except KeyboardInterrupt:
            process.send_signal(signal.SIGINT)
            process.communicate()
            raise
    if process.returncode in accepted:
        return process.returncode, output
    if process.returncode < 0:
        raise Error(f"{command[0]} was ended by {signal.Signals(-process.returncode).name}\n{messages}".rstrip())
    text = messages.strip()
    raise Error(text[len("cotenant: "):] if text.startswith("cotenant: ") else text or "cotenant failed and said nothing",
                process.returncode)
