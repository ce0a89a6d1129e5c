"""`roony bench`: the benchmarks of a checkout."""

from __future__ import annotations

import typer

from roony.cli.output import FAILED, fail


def bench() -> None:
    """Run the benchmarks: ratios against a no-op in the same run."""
    import importlib.util
    import subprocess
    import sys

    if importlib.util.find_spec("benchmarks") is None:
        fail("The benchmarks are part of the source tree: clone the repository and run `make bench` there.", FAILED)
    raise typer.Exit(subprocess.run([sys.executable, "-m", "benchmarks"], check=False).returncode)
