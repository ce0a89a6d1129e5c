"""`roony doctor`: everything there is to check, over HTTP, with what to do about what is missing."""

from __future__ import annotations

import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import typer

from roony.cli.checks import print_checks
from roony.cli.connection import standing_connections
from roony.cli.output import DONE, FAILED, JsonOption, print_json
from roony.cli.remote import Remote, UrlOption, owner
from roony.core.duration import SECOND

_ADMIN = "/api/v1/admin"
# One a day, and one that failed.
OLD_BACKUP_HOURS = 50
# Manifests that are read: the last ones by their names.
MAX_MANIFESTS = 1_000


def doctor(
    probe: bool = typer.Option(False, "--probe", help="Test mode: make one test authorization and see who answers."),
    backups: Path | None = typer.Option(
        None, "--backups", metavar="FOLDER", help="Where `roony backup` writes: how old is the newest one?"
    ),
    url: str = UrlOption,
    as_json: bool = JsonOption,
) -> None:
    """Check the installation and every connected account; exits 0 only if nothing is missing."""
    remote = owner(url)
    own = [_reachable(url), *remote.get(f"{_ADMIN}/doctor")["checks"]]
    if backups is not None:
        own.append(_newest_backup(backups))
    standing = standing_connections(remote)
    if not standing:
        after = "Connect one: roony connection start"
        own.append(_check("connection", "missing", "No Stripe account is connected.", after))
    groups = [(f"Roony at {url}", own), *(_connection(remote, row, probe) for row in standing)]
    missing = [check for _, checks in groups for check in checks if check["status"] == "missing"]
    if as_json:
        print_json({"ok": not missing, "groups": [{"title": title, "checks": checks} for title, checks in groups]})
    else:
        for title, checks in groups:
            print_checks(title, checks)
        typer.echo(f"Missing: {len(missing)}." if missing else "Nothing is missing.")
    raise typer.Exit(FAILED if missing else DONE)


def _connection(remote: Remote, row: dict[str, Any], probe: bool) -> tuple[str, list[dict[str, Any]]]:
    path = f"{_ADMIN}/connections/{row['id']}"
    title = f"{row['id']} ({row['kind']}, {row['stripe_account']}, {row['status']})"
    looked = remote.call("GET", f"{path}/preflight")
    if looked.status_code == 503:
        # What it found could not be kept. Why, the checks of the installation say: they are told all the same.
        after = "Mend what is missing above, then look again."
        return title, [_check("preflight", "missing", looked.json()["error"]["message"], after)]
    checks = list(remote.accepted(looked)["checks"])
    if probe:
        answer = remote.call("POST", f"{path}/probe", {})
        if answer.is_success:
            checks += answer.json()["checks"]
        else:
            error = answer.json()["error"]
            # Refused in live mode: nothing is wrong, it is only not to be done there.
            status = "unknown" if error["code"] == "live_mode" else "missing"
            after = "Probe with a test key and account." if status == "unknown" else "Look at Roony's log, try again."
            checks.append(_check("probe", status, error["message"], after))
    return title, checks


def _newest_backup(folder: Path) -> dict[str, Any]:
    """By the manifests beside the files; the files themselves are checked when they are made and restored."""
    from roony.store.backup import MANIFEST, BackupRefused, read_manifest

    taken = []
    for manifest in sorted(folder.glob(f"*{MANIFEST}"))[-MAX_MANIFESTS:]:
        file = manifest.with_name(manifest.name.removesuffix(MANIFEST))
        with suppress(BackupRefused, OSError):
            if file.exists():
                taken.append((read_manifest(file).taken_at, file.name))
    if not taken:
        return _check("backup", "missing", f"No backup lies in {folder}.", "Make one: roony backup FILE --online")
    at, name = max(taken)
    hours = (time.time() - at / SECOND) / 3_600
    words = f"The newest backup, {name}, is {hours:.0f} h old."
    if hours > OLD_BACKUP_HOURS:
        return _check("backup", "warning", words, "See why none was made since (docs/operations.md).")
    return _check("backup", "ok", words, None)


def _reachable(url: str) -> dict[str, Any]:
    return _check("reachable", "ok", f"Roony answers at {url}.", None)


def _check(id: str, status: str, message: str, after: str | None) -> dict[str, Any]:
    return {"id": id, "status": status, "message": message, "next": after}
