"""`roony bench`: the benchmarks of a checkout."""

from __future__ import annotations

import typer

from roony.cli.output import FAILED, fail


def bench(
    scale: bool = typer.Option(False, "--scale", help="Also a million authorizations and ten million rows: an hour."),
    chart: str = typer.Option("", metavar="FILE", help="Draw latency against load into this SVG file."),
) -> None:
    """Run the benchmarks: ratios against a no-op in the same run."""
    import importlib.util
    import subprocess
    import sys

    if importlib.util.find_spec("benchmarks") is None:
        fail("The benchmarks are part of the source tree: clone the repository and run `make bench` there.", FAILED)
    words = [*(["--scale"] if scale else []), *(["--chart", chart] if chart else [])]
    raise typer.Exit(subprocess.run([sys.executable, "-m", "benchmarks", *words], check=False).returncode)
