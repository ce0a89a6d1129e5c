"""What was set and how: versions, the address for others, proxies, secrets and how old they are."""

from __future__ import annotations

import asyncio
import platform
import sqlite3
import stat
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

from sqlalchemy import bindparam, func, or_, select

from roony import __version__
from roony.core.address import LOOPBACK_HOSTS
from roony.core.duration import DAY, SECOND
from roony.core.preflight import MISSING, OK, UNKNOWN, WARNING, Check
from roony.flows.context import FlowContext
from roony.store.tables import access_keys

# A secret that is older should be replaced once, so that everybody knows that it can be.
OLD_DAYS = 400
# For so long it is told that something was refused for its signature.
REFUSED_SECONDS = 3_600

_OLD_KEYS = select(func.count()).where(
    access_keys.c.organization_id == bindparam("org"),
    access_keys.c.kind != "session",
    access_keys.c.revoked_at.is_(None),
    or_(access_keys.c.expires_at.is_(None), access_keys.c.expires_at > bindparam("now")),
    access_keys.c.created_at < bindparam("before"),
)


class Installation(NamedTuple):
    """How this process was set up, as far as the context does not say. `files` hold secrets: their setting and path.

    `webhook_secrets` is how many count now.
    """

    webhook_secrets: int = 1
    files: tuple[tuple[str, Path], ...] = ()


class Seen(NamedTuple):
    """What the process that was asked has seen.

    How the request for these checks came: from which address, through a proxy, and whether that one is believed. And
    how many messages at Stripe's door it has refused for their signature, the last one so many seconds ago.
    """

    address: str = ""
    forwarded: bool = False
    trusted: bool = False
    refused: int = 0
    refused_ago: int | None = None


def versions(context: FlowContext) -> list[Check]:
    """What runs."""
    store = f", SQLite {sqlite3.sqlite_version}" if context.database.is_sqlite else ""
    return [Check("version", OK, f"Roony {__version__} on Python {platform.python_version()}{store}.")]


def public_url(context: FlowContext) -> list[Check]:
    """Where links and redirects lead."""
    url = context.public_url()
    parts = urlsplit(url)
    after = "Set ROONY_PUBLIC_URL to the address at which others reach Roony, beginning with https://."
    if parts.hostname in LOOPBACK_HOSTS:
        status = WARNING if context.gateway.livemode else OK
        return [Check("public_url", status, f"Links lead to {url}, which works on this machine only.", after)]
    if parts.scheme != "https":
        status = MISSING if context.gateway.livemode else WARNING
        words = f"{url} is not https: keys and card details could be read on the way."
        return [Check("public_url", status, words, after)]
    return [Check("public_url", OK, f"Links lead to {url}.")]


def proxies(seen: Seen) -> list[Check]:
    """Whether who calls is known."""
    if not seen.forwarded or seen.trusted:
        return [Check("proxies", OK, "The address of who calls is known.")]
    words = f"A proxy at {seen.address} speaks for others and is not believed: all of them count as one address."
    return [Check("proxies", WARNING, words, f"Name it: ROONY_TRUSTED_PROXIES={seen.address}")]


def signatures(seen: Seen) -> list[Check]:
    """Whether what comes to Stripe's door is signed with a secret that is known here: a wrong one is silent else."""
    if seen.refused_ago is None or seen.refused_ago > REFUSED_SECONDS:
        return []
    words = (
        f"{seen.refused} messages at /api/webhooks/stripe were refused since this process began, the last"
        f" {seen.refused_ago} s ago: no secret here made their signature."
    )
    after = (
        "If they are Stripe's, put the secret of that endpoint, of the real-time URL or of `stripe listen` into"
        " STRIPE_WEBHOOK_SECRET, with a comma behind the others, and restart."
    )
    return [Check("webhook_signatures", WARNING, words, after)]


def retention(context: FlowContext) -> list[Check]:
    """How long what may name people is kept; both are the company's choice, so neither is wrong."""
    kept = context.retention
    events = f"for {kept.event_days} days" if kept.event_days else "for ever"
    receipts = f"for {kept.receipt_days} days" if kept.receipt_days else "for ever"
    return [Check("retention", OK, f"Bodies of Stripe's events are kept {events}, files of receipts {receipts}.")]


def secrets(installation: Installation, now: float) -> list[Check]:
    """Secrets in files: who may read them and how old they are; and what is left of a change. `now` in seconds."""
    checks = []
    if installation.webhook_secrets > 1:
        words = f"{installation.webhook_secrets} secrets of STRIPE_WEBHOOK_SECRET count, as while one is replaced."
        after = "Take the old one out once Stripe signs with the new one only."
        checks.append(Check("webhook_secrets", WARNING, words, after))
    found = [problem for name, path in installation.files for problem in _of_file(name, path, now)]
    return checks + (found or [Check("secret_files", OK, _well(installation))])


def _well(installation: Installation) -> str:
    files = len(installation.files)
    return f"{files} secrets are in files that nobody else may read." if files else "No secret is in a file."


def _of_file(name: str, path: Path, now: float) -> Iterator[Check]:
    try:
        about = path.stat()
    except OSError as error:
        words = f"{name}_FILE names {path}, which cannot be looked at ({error.strerror})."
        yield Check("secret_files", UNKNOWN, words, "Put it back before Roony is started again.")
        return
    if about.st_mode & (stat.S_IRWXG | stat.S_IRWXO) & ~stat.S_IRGRP:
        words = f"Others on this machine may read or change {path} ({name}_FILE)."
        yield Check("secret_files", WARNING, words, f"chmod 0600 {path}")
    days = int((now - about.st_mtime) * SECOND / DAY)
    if days > OLD_DAYS:
        yield Check("secret_files", WARNING, f"{path} ({name}_FILE) is {days} days old.", "Replace what is in it.")


async def old_keys(context: FlowContext, organization_id: str) -> list[Check]:
    """Keys of people, programs and agents that are good for ever and have been for long."""
    now = context.clock()
    given = {"org": organization_id, "now": now, "before": now - OLD_DAYS * DAY}
    [(number,)] = await asyncio.to_thread(context.database.read, _OLD_KEYS, given)
    if not number:
        return [Check("access_keys", OK, f"No key that is good is older than {OLD_DAYS} days.")]
    words = f"{number} keys that are good are older than {OLD_DAYS} days."
    return [Check("access_keys", WARNING, words, "Rotate them (docs/keys.md), or revoke those nobody uses.")]


def present() -> float:
    """Seconds since 1970 by this machine's clock, which files go by."""
    return time.time()
