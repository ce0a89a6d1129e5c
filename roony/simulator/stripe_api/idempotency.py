"""Idempotency keys of POST requests: replay, conflict, in use (facts 7.1)."""

from __future__ import annotations

import base64
import hashlib
import zlib
from dataclasses import dataclass

from roony.simulator.refusals import Refusal
from roony.simulator.world import World

KEPT_SECONDS = 24 * 3600
_LONGEST_KEY = 255


@dataclass(frozen=True)
class Asked:
    """What must be the same for a key to be used again: the endpoint, and the parameters in any order."""

    path: str
    fingerprint: str

    @classmethod
    def by(cls, path: str, query: bytes, body: bytes) -> Asked:
        """Return what a POST asks for; parameters may stand in the query as well as in the body."""
        parts = sorted([*query.split(b"&"), *body.split(b"&")])
        return cls(path, hashlib.sha256(b"\n".join(part for part in parts if part)).hexdigest())


class Idempotency:
    """Remembers the first answer to each key of an account for 24 hours of the simulated clock."""

    def __init__(self, world: World) -> None:
        self.world = world
        self._in_use: set[str] = set()

    def begin(self, account: str, key: str, asked: Asked) -> tuple[int, bytes, str] | None:
        """Return the kept (status, body, request id) of this key, or take the key for execution."""
        if len(key) > _LONGEST_KEY:
            raise Refusal(400, f"Idempotency keys can be up to {_LONGEST_KEY} characters long.", stored=False)
        self._forget_old()
        identifier = _identifier(account, key)
        kept = self.world.idempotency.get(identifier)
        if kept is not None:
            if kept["path"] != asked.path:
                raise _elsewhere(key, asked.path, kept["path"])
            if kept["fingerprint"] != asked.fingerprint:
                raise _different(key)
            return kept["status"], zlib.decompress(base64.b64decode(kept["packed"])), kept["request"]
        if identifier in self._in_use:
            raise Refusal(
                409,
                "There is currently another in-progress request using this Idempotent Key (that probably means you "
                f"submitted twice, and the other request is still going through): {key}. Please try again later.",
                kind="idempotency_error",
                code="idempotency_key_in_use",
            )
        self._in_use.add(identifier)
        return None

    def finish(self, account: str, key: str, asked: Asked, status: int, body: bytes, request: str) -> None:
        """Keep the answer of an execution."""
        self.world.idempotency.add(
            {
                "id": _identifier(account, key),
                "path": asked.path,
                "fingerprint": asked.fingerprint,
                "status": status,
                "packed": base64.b64encode(zlib.compress(body, 1)).decode(),
                "request": request,
                "created": self.world.clock.now(),
            }
        )

    def let_go(self, account: str, key: str) -> None:
        """Say that no request works under this key any more."""
        self._in_use.discard(_identifier(account, key))

    def forget_those_in_use(self) -> None:
        """Let go of every key, as a reset does: what is still under way belongs to a world that is gone."""
        self._in_use.clear()

    def _forget_old(self) -> None:
        limit = self.world.clock.now() - KEPT_SECONDS
        while (oldest := self.world.idempotency.oldest()) is not None and oldest["created"] <= limit:
            self.world.idempotency.remove(oldest["id"])


def _identifier(account: str, key: str) -> str:
    return f"{account}/{key}"


def _different(key: str) -> Refusal:
    return Refusal(
        400,
        "Keys for idempotent requests can only be used with the same parameters they were first used with. "
        f"Try using a key other than '{key}' if you meant to execute a different request.",
        kind="idempotency_error",
    )


def _elsewhere(key: str, path: str, first: str) -> Refusal:
    return Refusal(
        400,
        "Keys for idempotent requests can only be used for the same endpoint they were first used for "
        f"('{path[:200]}' vs '{first}'). Try using a key other than '{key}' if you meant to execute a different "
        "request.",
        kind="idempotency_error",
    )
