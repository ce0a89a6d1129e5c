"""`roony audit`: the audit chain as a file, and a verification that needs nothing but that file."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, get_type_hints

import typer

from roony.cli.output import FAILED, WRONG_USE, JsonOption, fail, print_json
from roony.cli.remote import UrlOption, owner, refused
from roony.core.audit import AuditRecord, verify

if TYPE_CHECKING:
    import httpx2

app = typer.Typer(help="The audit chain.", no_args_is_help=True)

_FIELDS = get_type_hints(AuditRecord)
_HEAD_FIELDS = {"sequence", "hash"}


class Verdict(NamedTuple):
    """What a file holds. `problem` is None when it is true from its first record to the head it names."""

    records: int
    sequence: int
    hash: str
    head_known: bool
    problem: str | None


class _Unreadable(Exception):
    """A line is no audit record."""


def export_lines(http: httpx2.Client) -> list[str]:
    """The chain as lines of JSON, the last one the head as the organization's own row has it.

    The head is asked for first: an export that is cut short on its way does not reach it and fails verification.
    """
    organization = http.get("/api/v1/admin/organization")
    if not organization.is_success:
        refused(organization)
    head = organization.json()["audit_head"]
    lines: list[str] = []
    with http.stream("GET", "/api/v1/admin/audit", params={"format": "jsonl"}) as answer:
        if not answer.is_success:
            answer.read()
            refused(answer)
        for line in answer.iter_lines():
            if len(lines) == head["sequence"]:
                break  # written after the head was read
            lines.append(line)
    return [*lines, json.dumps({"head": head})]


def verify_file(file: Path, head: tuple[int, str] | None = None) -> Verdict:
    """Reads records line by line and checks the chain. `head` is what it should end with, as known from elsewhere.

    Raises OSError when the file cannot be read.
    """
    with file.open(encoding="utf-8", errors="replace") as lines:
        reader = _Reader(lines)
        try:
            broken = verify(reader.records())
        except _Unreadable as error:
            return reader.verdict(str(error))
    if broken is not None:
        return reader.verdict(f"record {broken.sequence} {broken.problem}")
    for name, expected in (("the head in its last line", reader.head), ("the head you gave", head)):
        if expected is not None and expected != (reader.sequence, reader.hash):
            return reader.verdict(
                f"the chain ends at record {reader.sequence}, but {name} is record {expected[0]}: records were cut off"
                " or changed"
            )
    return reader.verdict(None if reader.count else "there is no record in this file")


class _Reader:
    """Turns lines into records and remembers where they ended."""

    def __init__(self, lines: Any) -> None:
        self._lines = lines
        self.count = 0
        self.sequence = 0
        self.hash = "0" * 64
        self.head: tuple[int, str] | None = None

    def records(self) -> Iterator[AuditRecord]:
        """Every record in order. Raises _Unreadable at the first line that is none."""
        for number, line in enumerate(self._lines, 1):
            if not line.strip():
                continue
            value = self._parse(line, number)
            if self.head is not None:
                raise _Unreadable(f"line {number} stands behind the head: the head must come last")
            if set(value) == {"head"}:
                self.head = _read_head(value["head"], number)
                continue
            record = _read_record(value, number)
            yield record
            self.count += 1
            self.sequence, self.hash = record.sequence, record.hash

    def verdict(self, problem: str | None) -> Verdict:
        """What was found, with this problem."""
        return Verdict(self.count, self.sequence, self.hash, self.head is not None, problem)

    @staticmethod
    def _parse(line: str, number: int) -> dict[str, Any]:
        try:
            value = json.loads(line)
        except (ValueError, RecursionError):
            raise _Unreadable(f"line {number} is not JSON") from None
        if not isinstance(value, dict):
            raise _Unreadable(f"line {number} is no audit record")
        return value


def _read_record(value: dict[str, Any], number: int) -> AuditRecord:
    # `type(...) is` and not isinstance: true is no sequence number.
    if set(value) != set(_FIELDS) or any(type(value[name]) is not kind for name, kind in _FIELDS.items()):
        raise _Unreadable(f"line {number} is no audit record: fields are missing, added or of another type")
    return AuditRecord(**value)


def _read_head(value: Any, number: int) -> tuple[int, str]:
    if not isinstance(value, dict) or set(value) != _HEAD_FIELDS:
        raise _Unreadable(f"line {number} is no head")
    return value["sequence"], value["hash"]


@app.command()
def export(
    output: Path | None = typer.Option(None, "--output", "-o", help="File to write; standard output if not given."),
    url: str = UrlOption,
    as_json: bool = JsonOption,
) -> None:
    """Export the whole chain as lines of JSON, ending with its head."""
    with owner(url).session() as http:
        lines = export_lines(http)
    text = "\n".join(lines) + "\n"
    if output is None:
        sys.stdout.write(text)
        return
    try:
        output.write_text(text, encoding="utf-8")
    except OSError as error:
        fail(f"{output} cannot be written ({error.strerror}): choose another --output.", FAILED)
    if as_json:
        print_json({"file": str(output), "records": len(lines) - 1})
        return
    typer.echo(f"{len(lines) - 1} records written. Next: roony audit verify {output}")


@app.command("verify")
def verify_command(
    file: Path = typer.Argument(help="What `roony audit export` wrote."),
    head: str | None = typer.Option(None, help="SEQUENCE:HASH the chain should end with, as noted down before."),
    as_json: bool = JsonOption,
) -> None:
    """Check an exported chain. Needs nothing but the file."""
    try:
        verdict = verify_file(file, _given_head(head))
    except OSError as error:
        fail(f"{file} cannot be read ({error.strerror}): name a file that `roony audit export` wrote.", WRONG_USE)
    if as_json:
        print_json(verdict._asdict())
    if verdict.problem is not None:
        fail(f"NOT TRUE: {verdict.problem}. Compare it with an earlier export to find out since when.", FAILED)
    if not as_json:
        typer.echo(f"{verdict.records} records, the chain is whole. Head: {verdict.sequence}:{verdict.hash}")
        if not verdict.head_known and head is None:
            typer.echo("This file names no head: whether records are missing at its end cannot be seen. Use --head.")


def _given_head(text: str | None) -> tuple[int, str] | None:
    if text is None:
        return None
    sequence, _, digest = text.partition(":")
    if not sequence.isdigit() or not digest:
        raise typer.BadParameter("write it like 42:9f86d0…", param_hint="--head")
    return int(sequence), digest.lower()
