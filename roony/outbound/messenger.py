"""Messages to people through apprise, each in a short-lived process of its own whose every connection is guarded.

Apprise speaks to a hundred services by several HTTP and mail libraries. None of them can be handed a guarded
connection, so the process that runs them has no other kind: what it connects to goes through the guard,
the environment is empty, and what hangs is killed.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

import roony
from roony.outbound.guard import MAX_URL, Blocked, Guard

TOTAL_SECONDS = 40.0
# Of what the process says; longer is not read.
MAX_WORD = 1_000
# Services that only carry a text to people. Others read files, run programs, or post any form to any address.
SCHEMES = frozenset({
    "discord", "gchat", "mailto", "mailtos", "matrix", "matrixs", "mmost", "mmosts", "msteams", "ntfy", "ntfys",
    "pover", "rocket", "rockets", "slack", "tgram", "workflow", "workflows",
})  # fmt: skip
# What would read a file, fetch an address of its own or change how the text is understood.
_FORBIDDEN = frozenset({"attach", "config", "email_template", "footer_logo", "format", "include", "template", "verify"})


def check_recipient_url(url: str) -> str:
    """The scheme of an apprise address that may be sent to. Raises Blocked."""
    if not url.isascii() or not url.isprintable() or " " in url or not 0 < len(url) <= MAX_URL:
        raise Blocked("unreadable", f"An address is at most {MAX_URL} printable ASCII characters, without spaces.")
    try:
        parts = urlsplit(url)
        given = {name.lower().lstrip("+-:") for name, _ in parse_qsl(parts.query, keep_blank_values=True)}
    except ValueError:
        raise Blocked("unreadable", "This is no address.") from None
    if parts.scheme not in SCHEMES:
        raise Blocked("scheme", f"The address must begin with one of {', '.join(sorted(SCHEMES))}, and ://.")
    if given & _FORBIDDEN:
        raise Blocked("parameter", f"The address may not say {', '.join(sorted(given & _FORBIDDEN))}.")
    return parts.scheme


class Messenger:
    """Sends texts; one for each process."""

    def __init__(self, guard: Guard) -> None:
        self.guard = guard

    async def send(self, url: str, title: str, text: str) -> str | None:
        """Why it was not taken, in a few words that quote nothing of the address; None when it was."""
        try:
            check_recipient_url(url)
        except Blocked as blocked:
            return f"{blocked.code}: {blocked}"
        networks = ",".join(str(network) for network in self.guard.listed)
        order = json.dumps({"url": url, "title": title, "text": text, "networks": networks})
        child = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "roony.outbound.messenger_child",
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL,
            cwd=Path(roony.__file__).parent.parent, env={"PATH": os.defpath}, start_new_session=True,
        )  # fmt: skip
        try:
            async with asyncio.timeout(TOTAL_SECONDS):
                said, _ = await child.communicate(order.encode())
        except TimeoutError:
            return f"no answer within {TOTAL_SECONDS:.0f} s"
        finally:
            if child.returncode is None:
                child.kill()
                await child.wait()
        try:
            word = json.loads(said[:MAX_WORD])
        except ValueError:
            return "the process that sends ended without a word"
        return str(word) if word is not None else None
