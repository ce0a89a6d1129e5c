"""The table of promises and the tests that prove them: `python -m tests.promises` prints it.

With `--write` it goes into docs/reliability.md, where a test compares it with the list.
"""

from __future__ import annotations

import sys
from pathlib import Path

from rich.console import Console
from rich.table import Table

from tests.flows.test_promises import PROMISES

DOCUMENT = Path(__file__).resolve().parent.parent / "docs" / "reliability.md"
BEGIN, END = "<!-- promises: written by `make promises WRITE=1` -->", "<!-- promises: end -->"


def as_table() -> Table:
    """For a terminal."""
    table = Table(title=f"{len(PROMISES)} promises", show_lines=True)
    table.add_column("Promise", ratio=1)
    table.add_column("Proved by", ratio=2, overflow="fold")
    for name, (sentence, tests) in PROMISES.items():
        table.add_row(f"[bold]{name}[/bold] {sentence}", "\n".join(test.removeprefix("tests/") for test in tests))
    return table


def as_markdown() -> str:
    """For docs/reliability.md: a line for each promise, its tests by file."""
    lines = ["| Promise | Proved by |", "| --- | --- |"]
    for name, (sentence, tests) in PROMISES.items():
        by_file: dict[str, list[str]] = {}
        for test in tests:
            file, _, rest = test.partition("::")
            by_file.setdefault(file.removeprefix("tests/"), []).append(f"`{rest}`")
        proofs = "<br>".join(f"{file}: {', '.join(names)}" for file, names in by_file.items())
        lines.append(f"| **{name}** {sentence} | {proofs} |")
    return "\n".join(lines)


def written() -> str:
    """The document with the table as it is now."""
    before, _, rest = DOCUMENT.read_text(encoding="utf-8").partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n{as_markdown()}\n{END}{after}"


def main() -> None:
    """Prints the table, or writes it into the document."""
    if "--write" in sys.argv[1:]:
        DOCUMENT.write_text(written(), encoding="utf-8")
        return
    Console().print(as_table())


if __name__ == "__main__":
    main()
