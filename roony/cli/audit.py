"""`roony audit`: the audit chain as a file, its signed checkpoints, and verification that needs nothing but files."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, BinaryIO

import typer
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeElapsedColumn

from roony.cli.output import FAILED, WRONG_USE, JsonOption, fail, print_json, print_list, say
from roony.cli.remote import UrlOption, owner, refused
from roony.core.audit_file import NotTrue, Verdict, check_lines, kept_hashes
from roony.core.evidence import Proven, check_evidence
from roony.core.json_text import read_once

if TYPE_CHECKING:
    import httpx2

app = typer.Typer(help="The audit chain.", no_args_is_help=True)

_AUDIT = "/api/v1/admin/audit"
# The evidence of a purchase is read whole; an export never is.
MOST_EVIDENCE_BYTES = 64 * 1024 * 1024

PublicKeys = Annotated[
    list[str] | None, typer.Option("--public-key", help="A key as `roony audit key` printed it; may be given again.")
]


def export_lines(http: httpx2.Client) -> Iterator[bytes]:
    """The chain as lines of JSON with its checkpoints, the last one the head as the organization's own row has it.

    An export that is cut short on its way has no head and fails verification.
    """
    with http.stream("GET", f"{_AUDIT}/export") as answer:
        if not answer.is_success:
            answer.read()
            refused(answer)
        for line in answer.iter_lines():
            yield line.encode() + b"\n"


def verify_file(
    file: Path, public_keys: list[str] | None = None, kept: dict[int, str] | None = None, progress: bool = False
) -> Verdict:
    """Checks an export line by line; `kept` says of numbers which hash their record has, as known from elsewhere.

    Raises OSError when the file cannot be read.
    """
    from roony.store.signing import is_signed

    with file.open("rb") as opened, _watched(opened, file, progress) as lines:
        return check_lines(lines, is_signed, public_keys or (), kept)


def verify_evidence(bundle: Any, public_keys: list[str] | None = None) -> Proven:
    """Checks the evidence of a purchase, as it was read from JSON."""
    from roony.store.signing import is_signed

    return check_evidence(bundle, is_signed, public_keys or ())


@contextmanager
def _watched(opened: BinaryIO, file: Path, progress: bool) -> Iterator[Iterator[str]]:
    """The lines of a file; with `progress` a bar on stderr says how far it was read."""
    columns = (TextColumn("verifying"), BarColumn(), DownloadColumn(), TimeElapsedColumn())
    console = Console(stderr=True)
    with Progress(*columns, console=console, transient=True, disable=not (progress and console.is_terminal)) as shown:
        task = shown.add_task("", total=file.stat().st_size)

        def lines() -> Iterator[str]:
            for line in opened:
                shown.advance(task, len(line))
                yield line.decode("utf-8", "replace")

        yield lines()


@app.command()
def export(
    output: Path | None = typer.Option(None, "--output", "-o", help="File to write; standard output if not given."),
    url: str = UrlOption,
    as_json: bool = JsonOption,
) -> None:
    """Export the whole chain as lines of JSON, with its signed checkpoints, ending with its head."""
    with owner(url).session() as http:
        if output is None:
            for line in export_lines(http):
                sys.stdout.write(line.decode())
            return
        try:
            with output.open("wb") as file:
                written = _write(file, export_lines(http))
        except OSError as error:
            fail(f"{output} cannot be written ({error.strerror}): choose another --output.", FAILED)
    records, last = written
    if not last.startswith(b'{"head"'):
        fail(f"{output} is not whole: the answer broke off. Export again.", FAILED)
    if as_json:
        print_json({"file": str(output), "records": records})
        return
    typer.echo(f"{records} records written. Next: roony audit verify {output}")


def _write(file: BinaryIO, lines: Iterator[bytes]) -> tuple[int, bytes]:
    """Writes line by line; how many records there were, and the last line."""
    columns = (TextColumn("{task.completed:.0f} records"), TimeElapsedColumn())
    console, records, last = Console(stderr=True), 0, b""
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as shown:
        task = shown.add_task("", total=None)
        for last in lines:
            file.write(last)
            if not last.startswith((b'{"head"', b'{"checkpoint"')):
                records += 1
                shown.advance(task)
    return records, last


@app.command()
def verify(
    file: Path = typer.Argument(help="What `roony audit export` or `roony purchase evidence` wrote."),
    public_key: PublicKeys = None,
    checkpoint: Path | None = typer.Option(None, help="Checkpoints kept elsewhere, which the chain must go through."),
    head: str | None = typer.Option(None, help="SEQUENCE:HASH of a record of the chain, as noted down before."),
    as_json: bool = JsonOption,
) -> None:
    """Check an exported chain, or the evidence of a purchase. Needs nothing but the file."""
    from roony.store.signing import is_public_key

    for key in public_key or ():
        if not is_public_key(key):
            raise typer.BadParameter("it is no key that `roony audit key` printed", param_hint="--public-key")
    kept = _given_head(head)
    try:
        bundle = _evidence(file)
        if bundle is not None and (checkpoint is not None or head is not None):
            fail("Evidence is checked with --public-key; its checkpoints are in it.", WRONG_USE)
        kept |= _kept(checkpoint, public_key) if checkpoint is not None else {}
        if bundle is not None:
            _tell_proven(verify_evidence(bundle, public_key), public_key, as_json)
        else:
            _tell(verify_file(file, public_key, kept, progress=True), bool(public_key), bool(kept), as_json)
    except BrokenPipeError:  # Whoever read what we print has read enough.
        raise
    except OSError as error:
        name = error.filename or file
        fail(f"{name} cannot be read ({error.strerror}): name a file that `roony audit export` wrote.", WRONG_USE)


def _evidence(file: Path) -> Any | None:
    """The evidence in a file; None where it is an export, whose every line is a value of its own."""
    with file.open("rb") as opened:
        first = opened.readline(MOST_EVIDENCE_BYTES)
        try:
            value = read_once(first)
        except (ValueError, RecursionError):
            value = None
        if value is None:
            # Printed over many lines, or no JSON at all, which the check of an export will say.
            try:
                value = read_once(first + opened.read(MOST_EVIDENCE_BYTES))
            except (ValueError, RecursionError):
                return None
    return value if isinstance(value, dict) and "format" in value else None


def _kept(file: Path, public_keys: list[str] | None) -> dict[int, str]:
    from roony.store.signing import is_signed

    try:
        return kept_hashes(
            file.read_text(encoding="utf-8", errors="replace").splitlines(), is_signed, public_keys or ()
        )
    except NotTrue as wrong:
        fail(f"{file}: {wrong}. It must hold what `roony audit checkpoint` printed.", FAILED)


def _tell(verdict: Verdict, key_known: bool, kept: bool, as_json: bool) -> None:
    if as_json:
        print_json(verdict._asdict())
    if verdict.problem is not None:
        fail(f"NOT TRUE: {verdict.problem}. Compare it with an earlier export to find out since when.", FAILED)
    if as_json:
        return
    typer.echo(f"{verdict.records} records, the chain is whole. Head: {verdict.sequence}:{verdict.hash}")
    if verdict.checkpoints:
        rest = f", {verdict.sequence - verdict.signed} after it are not signed yet"
        rest = rest if verdict.sequence > verdict.signed else ""
        plural = "" if verdict.checkpoints == 1 else "s"
        typer.echo(f"Signed up to record {verdict.signed} by {verdict.checkpoints} checkpoint{plural}{rest}.")
        _tell_keys(verdict.public_keys, key_known)
    else:
        typer.echo("Nothing of it is signed: whoever can write the database could have written all of it anew.")
    if not verdict.head_known and not kept:
        typer.echo("This file names no head: whether records are missing at its end cannot be seen. Use --head.")


def _tell_keys(keys: list[str], known: bool) -> None:
    if not known:
        typer.echo(f"Signed with {', '.join(keys)}: compare it with the key you kept, or use --public-key.")


def _tell_proven(proven: Proven, public_key: list[str] | None, as_json: bool) -> None:
    if as_json:
        print_json(proven._asdict())
    if proven.problems:
        fail("NOT PROVEN: " + "; ".join(proven.problems) + ".", FAILED)
    if as_json:
        return
    about = f"{proven.purchase_id} of {proven.organization_id}"
    say(f"{about}: {proven.records} records, all signed and as they were written.")
    if proven.withheld:
        typer.echo(f"{proven.withheld} more tell of other purchases as well: only their hashes are here.")
    for note in proven.notes:
        say(f"Note: {note}.")
    _tell_keys(proven.public_keys, bool(public_key))


def _given_head(text: str | None) -> dict[int, str]:
    if text is None:
        return {}
    sequence, _, digest = text.partition(":")
    if not sequence.isdigit() or not digest:
        raise typer.BadParameter("write it like 42:9f86d0…", param_hint="--head")
    return {int(sequence): digest.lower()}


@app.command()
def checkpoint(
    sign: bool = typer.Option(False, "--sign", help="Sign what is not signed yet first."),
    url: str = UrlOption,
) -> None:
    """Print the newest signed checkpoint as a line of JSON: keep it somewhere else, for `verify --checkpoint`."""
    remote = owner(url)
    if sign:
        while remote.post(f"{_AUDIT}/checkpoints")["more"]:
            pass
    rows = remote.get(f"{_AUDIT}/checkpoints", limit=1)["data"]
    if not rows:
        fail("Nothing is signed yet: the first checkpoint comes within a minute, or now with --sign.", FAILED)
    say(json.dumps({"checkpoint": rows[0]}))


@app.command()
def key(
    new: bool = typer.Option(False, "--new", help="Sign with a new key from now on; what was signed stays as it is."),
    url: str = UrlOption,
    as_json: bool = JsonOption,
) -> None:
    """Print the public key that checkpoints are signed with: keep it somewhere else.

    --new is refused where an installation serves several organizations: roony init --new-signing-key does it there.
    """
    remote = owner(url)
    if new:
        remote.post(f"{_AUDIT}/keys")
    answer = remote.get(f"{_AUDIT}/keys")
    columns = ("id", "public_key", "signs", "created_at")
    print_list(answer, columns, as_json, "There is no key yet: it is made with the first checkpoint, within a minute.")
