"""Idempotency keys of POST requests: replay, conflict, in use (facts 7.1)."""

from __future__ import annotations

import base64
import hashlib
import zlib

from roony.simulator.refusals import Refusal
from roony.simulator.world import World

KEPT_SECONDS = 24 * 3600
_LONGEST_KEY = 255


class Idempotency:
    """Remembers the first answer to each key of an account for 24 hours of the simulated clock."""

    def __init__(self, world: World) -> None:
        self.world = world
        self._in_use: set[str] = set()

    def begin(self, account: str, key: str, fingerprint: str) -> tuple[int, bytes, str] | None:
        """Return the kept (status, body, request id) of this key, or take the key for execution."""
        if len(key) > _LONGEST_KEY:
            raise Refusal(400, f"Idempotency keys can be up to {_LONGEST_KEY} characters long.", stored=False)
        self._forget_old()
        identifier = _identifier(account, key)
        kept = self.world.idempotency.get(identifier)
        if kept is not None:
            if kept["fingerprint"] != fingerprint:
                raise _different(key)
            return kept["status"], zlib.decompress(base64.b64decode(kept["packed"])), kept["request"]
        if identifier in self._in_use:
            raise Refusal(
                409,
                f"There is currently another in-progress request using this Idempotent Key: {key}. Try again later.",
                kind="idempotency_error",
                code="idempotency_key_in_use",
            )
        self._in_use.add(identifier)
        return None

    def finish(self, account: str, key: str, fingerprint: str, status: int, body: bytes, request: str) -> None:
        """Keep the answer of an execution."""
        self.world.idempotency.add(
            {
                "id": _identifier(account, key),
                "fingerprint": fingerprint,
                "status": status,
                "packed": base64.b64encode(zlib.compress(body, 1)).decode(),
                "request": request,
                "created": self.world.clock.now(),
            }
        )

    def let_go(self, account: str, key: str) -> None:
        """Say that no request works under this key any more."""
        self._in_use.discard(_identifier(account, key))

    def _forget_old(self) -> None:
        limit = self.world.clock.now() - KEPT_SECONDS
        while (oldest := self.world.idempotency.oldest()) is not None and oldest["created"] <= limit:
            self.world.idempotency.remove(oldest["id"])


def fingerprint(method: str, path: str, body: bytes) -> str:
    """Return what must be the same for a key to be used again: method, path and parameters in any order."""
    parts = sorted(body.split(b"&"))
    return hashlib.sha256(b"\n".join([method.encode(), path.encode(), *parts])).hexdigest()


def _identifier(account: str, key: str) -> str:
    return f"{account}/{key}"


def _different(key: str) -> Refusal:
    return Refusal(
        400,
        "Keys for idempotent requests can only be used with the same parameters they were first used with. "
        f"Try using a key other than '{key}' if you meant to execute a different request.",
        kind="idempotency_error",
    )
