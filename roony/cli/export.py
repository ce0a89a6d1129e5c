"""`roony export`: everything the organization has in Roony, as files that need no Roony to be read."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from roony.cli.output import FAILED, WRONG_USE, JsonOption, fail, print_json
from roony.cli.remote import UrlOption, owner

if TYPE_CHECKING:
    from roony.cli.remote import Remote

FORMAT = 1
MANIFEST = "manifest.json"
_EXPORT = "/api/v1/admin/export"
# Pages of one table; half a billion rows.
MAX_PAGES = 1_000_000


def export(
    folder: Path = typer.Argument(help="A new folder; nothing is written over."),
    url: str = UrlOption,
    as_json: bool = JsonOption,
) -> None:
    """Take everything away: a file of JSON lines for each table, and a manifest with counts and SHA-256.

    Roony goes on meanwhile: each row is as it was when it was read. Without keys, passwords, tokens and secrets. The
    manifest is written last: without it an export is not whole.
    """
    from rich.console import Console
    from rich.progress import MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    api = owner(url)
    _make(folder)
    begun = api.post(_EXPORT)
    counted: dict[str, Any] = {}
    columns = (SpinnerColumn(), TextColumn("{task.description}"), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("tables", total=len(begun["tables"]))
        rows = progress.add_task("rows", total=None)
        for table in begun["tables"]:
            counted[table] = _write_table(api, folder, table, lambda count: progress.advance(rows, count))
            progress.advance(task)
    manifest = {"format": FORMAT, **begun, "tables": counted}
    _write(folder / MANIFEST, json.dumps(manifest, indent=2, sort_keys=True) + "\n")
    if as_json:
        print_json({"folder": str(folder), **manifest})
        return
    total = sum(each["rows"] for each in counted.values())
    typer.echo(f"{total:,} rows of {len(counted)} tables are in {folder}; {MANIFEST} says what is in each file.")
    typer.echo("It names people, purchases and merchants: keep it as safe as the database.")


def _make(folder: Path) -> None:
    try:
        folder.mkdir(mode=0o700, parents=True)
    except FileExistsError:
        fail(f"{folder} is there already; nothing was written.", WRONG_USE)
    except OSError as error:
        fail(f"{folder} cannot be made ({error.strerror}).", FAILED)


def _write_table(api: Remote, folder: Path, table: str, tell: Any) -> dict[str, Any]:
    """All rows of a table into its file, page by page; how many, and the hash of the file."""
    digest, count, cursor = hashlib.sha256(), 0, None
    with _created(folder / f"{table}.jsonl") as out:
        for _page in range(MAX_PAGES):
            answer = api.get(f"{_EXPORT}/rows", table=table, cursor=cursor)
            lines = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in answer["data"]).encode()
            digest.update(lines)
            out.write(lines)
            count += len(answer["data"])
            tell(len(answer["data"]))
            cursor = answer["next_cursor"]
            if cursor is None:
                return {"rows": count, "sha256": digest.hexdigest()}
    return fail(f"{table} has more rows than one export takes.", FAILED)


def _write(path: Path, text: str) -> None:
    with _created(path) as out:
        out.write(text.encode())


def _created(path: Path) -> Any:
    return os.fdopen(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "wb")
