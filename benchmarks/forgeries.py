"""Webhooks that nobody signed, of every kind: what `benchmarks.abuse` sends and the tests hold the door to."""

from __future__ import annotations

import hashlib
import hmac
import json
import random
import time
from collections.abc import Callable, Iterator

from benchmarks.events import benchmark_event

PATH = "/api/webhooks/stripe"
# Stripe's tolerance, and a little more.
STALE_SECONDS = 400

Signature = Callable[[bytes, bytes, int, random.Random], str | None]


def sign(secret: bytes, body: bytes, stamp: int) -> str:
    """The signature of this body, as hex."""
    return hmac.new(secret, b"%d.%s" % (stamp, body), hashlib.sha256).hexdigest()


def _hex(chance: random.Random) -> str:
    return f"{chance.getrandbits(256):064x}"


# What stands in the header; the secret that they are given is the good one, the body of a forgery is changed after.
SIGNATURES: dict[str, Signature] = {
    "none": lambda _secret, _body, _now, _chance: None,
    "empty": lambda _secret, _body, _now, _chance: "",
    "only a time": lambda _secret, _body, now, _chance: f"t={now}",
    "only a signature": lambda secret, body, now, _chance: f"v1={sign(secret, body, now)}",
    "of another secret": lambda _secret, body, now, _chance: f"t={now},v1={sign(b'whsec_other', body, now)}",
    "of an empty secret": lambda _secret, body, now, _chance: f"t={now},v1={sign(b'', body, now)}",
    "of the body alone": lambda secret, body, now, _chance: (
        f"t={now},v1={hmac.new(secret, body, hashlib.sha256).hexdigest()}"
    ),
    "of another time": lambda secret, body, now, _chance: f"t={now},v1={sign(secret, body, now - 1)}",
    "too old": lambda secret, body, now, _chance: (
        f"t={now - STALE_SECONDS},v1={sign(secret, body, now - STALE_SECONDS)}"
    ),
    "from the future": lambda secret, body, now, _chance: (
        f"t={now + STALE_SECONDS},v1={sign(secret, body, now + STALE_SECONDS)}"
    ),
    "the old scheme": lambda secret, body, now, _chance: f"t={now},v0={sign(secret, body, now)}",
    "cut short": lambda secret, body, now, _chance: f"t={now},v1={sign(secret, body, now)[:-1]}",
    "one more letter": lambda secret, body, now, _chance: f"t={now},v1={sign(secret, body, now)}0",
    "in capitals": lambda secret, body, now, _chance: f"t={now},v1={sign(secret, body, now).upper()}A",
    "random": lambda _secret, _body, now, chance: f"t={now},v1={_hex(chance)}",
    "many": lambda _secret, _body, now, chance: f"t={now}," + ",".join(f"v1={_hex(chance)}" for _ in range(40)),
    "the good one as the ninth": lambda secret, body, now, chance: (
        f"t={now}," + ",".join([*(f"v1={_hex(chance)}" for _ in range(8)), f"v1={sign(secret, body, now)}"])
    ),
    "a time that is none": lambda secret, body, now, _chance: f"t={now}e0,v1={sign(secret, body, now)}",
    "a long time": lambda secret, body, now, _chance: f"t={'9' * 40},v1={sign(secret, body, now)}",
    "of another scheme's shape": lambda _secret, _body, _now, chance: f"sha256={_hex(chance)}",
    "only commas": lambda _secret, _body, _now, _chance: "," * 200,
    "good, of another body": lambda secret, body, now, _chance: f"t={now},v1={sign(secret, body + b' ', now)}",
}


def bodies(chance: random.Random, now: int) -> Iterator[bytes]:
    """Bodies without end: Stripe's, damaged ones, and ones that are nothing."""
    number = 0
    while True:
        number += 1
        whole = json.dumps(benchmark_event(number, 0, now, "forged")).encode()
        yield whole
        yield whole[: chance.randrange(1, len(whole))]
        yield json.dumps({"type": "issuing_authorization.request", "id": "evt_1"}).encode()
        yield b"[" * chance.randrange(1, 2_000)
        yield chance.randbytes(chance.randrange(1, 2_000))
        yield b'{"id": ' + b"9" * chance.randrange(1, 400) + b"}"
        yield b'"' + b"\\ud800" * chance.randrange(1, 50) + b'"'


def forged(secret: bytes, count: int, seed: int, now: int | None = None) -> list[bytes]:
    """Whole HTTP requests, each refused for its signature alone, however its body is changed at one byte.

    `now` is the time in seconds that is fresh where they are sent.
    """
    chance, now = random.Random(seed), int(time.time()) if now is None else now
    found: list[bytes] = []
    made = bodies(chance, now)
    kinds = list(SIGNATURES.values())
    while len(found) < count:
        body = next(made)
        signature = kinds[len(found) % len(kinds)](secret, body, now, chance)
        found.append(request(body, signature))
    return found


def request(body: bytes, signature: str | None, path: str = PATH) -> bytes:
    """One POST with this header, or with none."""
    header = f"Stripe-Signature: {signature}\r\n" if signature is not None else ""
    head = (
        f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n{header}"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body
