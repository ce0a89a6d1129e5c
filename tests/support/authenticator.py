"""A device with passkeys, as browsers speak to it; each of its answers can be made wrong in one place."""

from __future__ import annotations

import hashlib
import json
import secrets
from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import Any

import cbor2
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256

PRESENT, VERIFIED, WITH_KEY = 0x01, 0x04, 0x40


def _text(raw: bytes) -> str:
    return urlsafe_b64encode(raw).decode().rstrip("=")


class Authenticator:
    """Makes one passkey, and signs with it. `origin` and `rp_id` are what its browser says it is asked by."""

    def __init__(self, origin: str, rp_id: str = "localhost", flags: int = PRESENT | VERIFIED) -> None:
        self.origin, self.rp_id, self.flags = origin, rp_id, flags
        self.id, self.count, self.handle = secrets.token_bytes(16), 1, b""
        self._key = ec.generate_private_key(ec.SECP256R1())

    def make(self, asked: dict[str, Any]) -> dict[str, Any]:
        """The answer to `navigator.credentials.create()`."""
        self.handle = urlsafe_b64decode(asked["user"]["id"] + "==")
        numbers = self._key.public_key().public_numbers()
        # COSE of an ES256 key: RFC 9053, section 7.1.1.
        public = {1: 2, 3: -7, -1: 1, -2: numbers.x.to_bytes(32), -3: numbers.y.to_bytes(32)}
        key = bytes(16) + len(self.id).to_bytes(2) + self.id + cbor2.dumps(public)
        made = {"fmt": "none", "attStmt": {}, "authData": self._data(self.flags | WITH_KEY) + key}
        response = {
            "clientDataJSON": _text(self._client("webauthn.create", asked)),
            "attestationObject": _text(cbor2.dumps(made)), "transports": ["internal"],
        }  # fmt: skip
        return self._answer(response)

    def use(self, asked: dict[str, Any]) -> dict[str, Any]:
        """The answer to `navigator.credentials.get()`."""
        self.count += 1
        client, data = self._client("webauthn.get", asked), self._data(self.flags)
        signature = self._key.sign(data + hashlib.sha256(client).digest(), ec.ECDSA(SHA256()))
        response = {
            "clientDataJSON": _text(client), "authenticatorData": _text(data), "signature": _text(signature),
            "userHandle": _text(self.handle),
        }  # fmt: skip
        return self._answer(response)

    def _client(self, kind: str, asked: dict[str, Any]) -> bytes:
        return json.dumps({"type": kind, "challenge": asked["challenge"], "origin": self.origin}).encode()

    def _data(self, flags: int) -> bytes:
        return hashlib.sha256(self.rp_id.encode()).digest() + bytes([flags]) + self.count.to_bytes(4)

    def _answer(self, response: dict[str, Any]) -> dict[str, Any]:
        return {"id": _text(self.id), "rawId": _text(self.id), "type": "public-key", "response": response}
