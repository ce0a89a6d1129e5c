"""Signatures after the Standard Webhooks specification (standardwebhooks.com), version 1."""

from __future__ import annotations

import base64
import secrets
from collections.abc import Sequence
from datetime import UTC, datetime

from standardwebhooks import Webhook

# The specification asks for 24 to 64 random bytes.
SECRET_BYTES = 32
PREFIX = "whsec_"


def new_secret() -> str:
    """A fresh signing secret, as the specification writes them."""
    return PREFIX + base64.b64encode(secrets.token_bytes(SECRET_BYTES)).decode()


def signed_headers(message_id: str, body: str, signing: Sequence[str]) -> dict[str, str]:
    """The three headers; one signature for each secret, so that a receiver may hold the old or the new one.

    The time is the real one also where Roony's own is moved: receivers refuse what is minutes off.
    """
    now = datetime.now(UTC)
    return {
        "content-type": "application/json",
        "webhook-id": message_id,
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": " ".join(Webhook(secret).sign(message_id, now, body) for secret in signing),
    }
