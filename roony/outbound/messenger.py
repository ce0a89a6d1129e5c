"""Messages to people through apprise, each in a short-lived process of its own whose every connection is guarded.

Apprise speaks to a hundred services by several HTTP and mail libraries. None of them can be handed a guarded
connection, so the process that runs them has no other kind: what it connects to goes through the guard,
the environment is empty, and what hangs is killed.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import sys
from pathlib import Path
from urllib.parse import unquote

import roony
from roony.outbound.guard import MAX_URL, Blocked, Guard
from roony.outbound.post import Sent

TOTAL_SECONDS = 20.0
# Processes at the same time, of some 60 MB each, and how long one waits to be begun, in seconds.
MAX_PROCESSES = 4
WAIT_SECONDS = 15.0
# Of what the process says; longer is not read.
MAX_WORD = 1_000
# Services that only carry a text to people. Others read files, run programs, or post any form to any address.
MAIL = frozenset({"mailto", "mailtos"})
SCHEMES = MAIL | {
    "discord", "gchat", "matrix", "matrixs", "mmost", "mmosts", "ntfy", "ntfys", "pover", "rocket", "rockets", "slack",
    "tgram", "workflow", "workflows",
}  # fmt: skip
# What an address may say behind its `?`: who it is for and with what it is allowed to. Other parameters read files,
# fetch addresses of their own, leave out the check of certificates, or change how the text is understood.
PARAMETERS = frozenset({
    "api-version", "bcc", "botname", "cc", "channel", "channels", "from", "id", "key", "mode", "name", "pass",
    "password", "port", "priority", "reply", "sig", "smtp", "thread", "to", "token", "topic", "user", "ver", "webhook",
    "workspace",
})  # fmt: skip
_SCHEME = re.compile(r"([a-z]{1,20})://[^/?#]")
# So much of an address may be shown, and only where much more is not.
SHOWN, WORTH_SHOWING = 4, 16


def check_recipient_url(url: str) -> str:
    """The scheme of an apprise address that may be sent to. Raises Blocked, whose words quote nothing of it.

    Like apprise it takes what stands behind the first `?` for parameters, wherever a `#` is.
    """
    if not url.isascii() or not url.isprintable() or " " in url or "\\" in url or not 0 < len(url) <= MAX_URL:
        raise Blocked("unreadable", f"An address is at most {MAX_URL} printable ASCII characters, without spaces.")
    begin = _SCHEME.match(url)
    if begin is None or begin[1] not in SCHEMES:
        raise Blocked(
            "scheme", f"The address must begin with one of {', '.join(sorted(SCHEMES))}, then :// and what it needs."
        )
    _, _, behind = url.partition("?")
    for part in re.split("[&;?]", behind):
        name, _, _ = part.partition("=")
        if part and unquote(name).lower() not in PARAMETERS:
            raise Blocked("parameter", f"Behind its ? the address may only say {', '.join(sorted(PARAMETERS))}.")
    return begin[1]


def masked(url: str) -> str:
    """As much of an address as may be shown to everybody: its scheme, and its last characters if it is long enough."""
    scheme, _, rest = url.partition("://")
    there = re.split("[?#]", rest)[0].rstrip("/")
    return f"{scheme}://…" + (there[-SHOWN:] if len(there) >= WORTH_SHOWING else "")


class Messenger:
    """Sends texts; one for each process, used on its event loop."""

    def __init__(self, guard: Guard) -> None:
        self.guard = guard
        self._places = asyncio.Semaphore(MAX_PROCESSES)

    async def why_not(self, url: str) -> Blocked | None:
        """Why this address is never sent to, as far as it shows without sending; None where it may be used."""
        try:
            check_recipient_url(url)
        except Blocked as blocked:
            return blocked
        sent = await self._ask(url, {})
        return None if sent.error is None else Blocked("incomplete", f"This address cannot be used: {sent.error}.")

    async def send(self, url: str, title: str, text: str) -> Sent:
        """One text to one address. What was not taken has no status, and an error without anything of the address."""
        try:
            check_recipient_url(url)
        except Blocked as blocked:
            return Sent(None, f"{blocked.code}: {blocked}")
        return await self._ask(url, {"title": title, "text": text})

    async def _ask(self, url: str, words: dict[str, str]) -> Sent:
        networks = ",".join(str(network) for network in self.guard.listed)
        order = json.dumps({"url": url, "networks": networks, **words})
        try:
            async with asyncio.timeout(WAIT_SECONDS):
                await self._places.acquire()
        except TimeoutError:
            return Sent(None, "too many messages were under way")
        try:
            return await _run(order)
        finally:
            self._places.release()


async def _run(order: str) -> Sent:
    """One process for one order. What it is told goes in by a pipe: no argument, variable or file has it."""
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "roony.outbound.messenger_child",
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL,
        cwd=Path(roony.__file__).parent.parent, env={"PATH": os.defpath}, start_new_session=True,
    )  # fmt: skip
    try:
        async with asyncio.timeout(TOTAL_SECONDS):
            said, _ = await child.communicate(order.encode())
    except TimeoutError:
        return Sent(None, f"no answer within {TOTAL_SECONDS:.0f} s")
    finally:
        if child.returncode is None:
            child.kill()
            await child.wait()
    try:
        word = json.loads(said[:MAX_WORD])
        return Sent(word["status"], word["error"])
    except (ValueError, KeyError, TypeError):
        return Sent(None, "the process that sends ended without a word")
