"""Receivers and deliveries as the owner sees them: never a secret that was shown once already, or given to us."""

from __future__ import annotations

import json

from roony.core.notification import MessageRecipient, NoticeDelivery, WebhookEndpoint, masked_url
from roony.web.answers import Json, time


def endpoint(row: WebhookEndpoint, secret: str | None = None, *, whole: bool = True) -> Json:
    """A receiver of webhooks; `secret` only in the answer that made it. Not `whole`: without what may be in its url."""
    shown = {
        "id": row.id, "url": row.url if whole else masked_url(row.url), "description": row.description,
        "types": json.loads(row.types), "status": row.status, "reason": row.reason,
        "old_secret_until": time(row.before_until or None), "created_at": time(row.created_at),
        "updated_at": time(row.updated_at),
    }  # fmt: skip
    return {**shown, "secret": secret} if secret is not None else shown


def recipient(row: MessageRecipient) -> Json:
    """Who reads messages; of the address no more than tells it from others."""
    return {
        "id": row.id, "name": row.name, "address": row.masked, "types": json.loads(row.types), "status": row.status,
        "created_at": time(row.created_at), "updated_at": time(row.updated_at),
    }  # fmt: skip


def delivery(row: NoticeDelivery) -> Json:
    """One notice for one receiver; its body as it is sent."""
    waits = row.status == "pending" and row.due_at > 0
    return {
        "id": row.id, "target_id": row.target_id, "sequence": row.sequence, "type": row.type, "status": row.status,
        "tries": row.tries, "next_try_at": time(row.due_at) if waits else None, "answer": row.answer,
        "last_error": row.last_error, "payload": json.loads(row.payload), "queued_at": time(row.queued_at),
        "created_at": time(row.created_at), "finished_at": time(row.finished_at),
    }  # fmt: skip
