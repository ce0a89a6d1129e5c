"""Who outside is told what: endpoints of systems, how far the chain is handed out, and each delivery with its tries."""

from __future__ import annotations

import json
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from roony.core.duration import SECOND, local_time
from roony.core.hashing import text_hash
from roony.core.message import Text
from roony.core.notice import Notice

# Waits after each try that failed, in seconds: with them the last one is made within three days of the first.
WAITS = (5, 60, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 64_800, 79_200)
# What could not even be tried for so long, because its receiver answered nothing before it, ends as well: in seconds.
MAX_WAIT = 7 * 86_400
# How long deliveries that ended are kept, in seconds, by how they ended.
KEPT = {"delivered": 30 * 86_400, "canceled": 30 * 86_400, "dead": 90 * 86_400}
# Of a body, in bytes. A notice that is larger keeps its ids and leaves out the rest.
MAX_PAYLOAD = 16 * 1024
MAX_ERROR = 300
TEST_TYPE, MESSAGE_TEST_TYPE = "webhook.test", "message.test"


class WebhookEndpoint(NamedTuple):
    """A receiver of webhooks. `types` is a JSON list of notice types, empty for all; times in microseconds UTC.

    `status` is active, disabled or removed, `reason` why it was disabled. Notices up to `since` of the chain are not
    its own. `sealed_before` is the secret before the last rotation, which signs too until `before_until`.
    """

    organization_id: str
    id: str
    url: str
    description: str
    types: str
    status: str
    reason: str | None
    since: int
    sealed: str
    sealed_before: str
    before_until: int
    created_at: int
    updated_at: int


class MessageRecipient(NamedTuple):
    """Where people read messages. `sealed` is its address, `masked` as much of it as everybody may see.

    `types` is a JSON list of message types, empty for all. `status` and `since` as of an endpoint.
    """

    organization_id: str
    id: str
    name: str
    masked: str
    types: str
    status: str
    since: int
    sealed: str
    created_at: int
    updated_at: int


Receiver = WebhookEndpoint | MessageRecipient


class NoticeCursor(NamedTuple):
    """How far an organization's audit chain is handed out; there is one from the first receiver on."""

    organization_id: str
    sequence: int


class NoticeDelivery(NamedTuple):
    """One notice for one receiver. `status`: pending → delivered | dead | canceled, and pending again by a replay.

    `sequence` is that of the audit record, 0 for a test; `place` counts the notices of that record.
    `answer` is the status of the last answer, `last_error` why it did not count. `queued_at` is when it was made or
    last replayed.
    """

    organization_id: str
    id: str
    target_id: str
    sequence: int
    place: int
    type: str
    payload: str
    status: str
    tries: int
    due_at: int
    lease_until: int
    generation: int
    answer: int | None
    last_error: str | None
    queued_at: int
    created_at: int
    finished_at: int | None


def masked_url(url: str) -> str:
    """An address without what may be a secret: many services put one into its path or query."""
    parts = urlsplit(url)
    place = parts.netloc.rpartition("@")[2]
    return f"{parts.scheme}://{place}/" + ("***" if parts.path.strip("/") or parts.query or parts.fragment else "")


def described_endpoint(row: WebhookEndpoint) -> dict[str, Any]:
    """What the audit chain keeps of an endpoint: nothing of its secrets, and a hash by which its address is known."""
    known_by = text_hash(f"{row.id}|{row.url}")[:12]
    return {
        "url": masked_url(row.url), "url_hash": known_by, "description": row.description,
        "types": json.loads(row.types), "status": row.status,
    }  # fmt: skip


def described_recipient(row: MessageRecipient) -> dict[str, Any]:
    """What the audit chain keeps of a recipient: what may be shown of its address, and a hash that tells a change.

    Its name may be a person's, and stays in its row alone.
    """
    known_by = text_hash(f"{row.id}|{row.sealed}")[:12]
    return {
        "address": row.masked, "address_hash": known_by, "types": json.loads(row.types), "status": row.status,
    }  # fmt: skip


def is_chosen(types: str, kind: str) -> bool:
    """True if a receiver that chose these types hears of this one."""
    chosen = json.loads(types)
    return not chosen or kind in chosen


def delivery_id(target_id: str, sequence: int, place: int) -> str:
    """The id of what one record tells one receiver, the same however often it is worked out.

    `place` counts the notices of that record. Receivers see it as `webhook-id`, by which they know a repetition.
    """
    return once_id(target_id, f"{sequence}|{place}")


def once_id(target_id: str, key: str) -> str:
    """The id of what a receiver is told once, however often it happens; `key` says what that is."""
    digest = text_hash(f"{target_id}|{key}")[:24]
    return "whd_" + digest.translate(str.maketrans("0123456789abcdef", "abcdefghijklmnop"))


def payload_of(notice: Notice) -> str:
    """The body of a webhook: type, timestamp, and what happened with its ids, of bounded size."""
    ids = {
        "id": notice.subject,
        "organization_id": notice.organization_id,
        "sequence": notice.sequence,
        "purchase_id": notice.purchase_id,
        "agent_id": notice.agent_id,
    }
    body = _body(notice.type, notice.at, {**notice.data, **ids})
    if len(body.encode()) > MAX_PAYLOAD:
        return _body(notice.type, notice.at, {**ids, "truncated": True})
    return body


def trial_payload(organization_id: str, endpoint_id: str, now: int) -> str:
    """The body of a test: nothing happened."""
    return _body(TEST_TYPE, now, {"id": endpoint_id, "organization_id": organization_id})


def message_payload(kind: str, at: int, text: Text) -> str:
    """What is kept of a message to send."""
    return _body(kind, at, text._asdict())


def text_in(payload: str) -> Text:
    """The text of what `message_payload` made."""
    return Text(**json.loads(payload)["data"])


def _body(kind: str, at: int, data: dict[str, Any]) -> str:
    time = local_time(at).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return json.dumps({"type": kind, "timestamp": time, "data": data}, separators=(",", ":"))


def new_delivery(notice: Notice, target_id: str, place: int, payload: str, now: int) -> NoticeDelivery:
    """A delivery that is due at once, written as 0: an organization's time may run ahead of the worker's."""
    return NoticeDelivery(
        notice.organization_id, delivery_id(target_id, notice.sequence, place), target_id, notice.sequence, place,
        notice.type, payload, "pending", 0, 0, 0, 0, None, None, now, now, None,
    )  # fmt: skip


def after_failure(
    delivery: NoticeDelivery, answer: int | None, error: str, now: int, jitter: float
) -> NoticeDelivery | None:
    """The delivery put off after a try that failed; None when it was the last one.

    With `jitter` 1 the wait is whole, with 0 a fifth less, so that many do not come back in one moment.
    """
    if delivery.tries >= len(WAITS):
        return None
    return delivery._replace(
        tries=delivery.tries + 1, due_at=next_try_at(delivery, now, jitter), lease_until=0, answer=answer,
        last_error=error[:MAX_ERROR],
    )  # fmt: skip


def next_try_at(delivery: NoticeDelivery, now: int, jitter: float) -> int:
    """When the receiver of a delivery that just failed is worth another try; `jitter` as above."""
    wait = WAITS[min(delivery.tries, len(WAITS) - 1)]
    return now + int(wait * SECOND * (4 + jitter) / 5)


def waited_too_long(delivery: NoticeDelivery, now: int) -> bool:
    """True if a delivery that waits behind a receiver's silence is not kept waiting any more."""
    return now - delivery.queued_at > MAX_WAIT * SECOND


def ended(
    delivery: NoticeDelivery, status: str, answer: int | None, error: str | None, now: int, sent: bool = True
) -> NoticeDelivery:
    """The delivery with its last word, delivered or dead; without having been `sent` no try is counted."""
    word = error[:MAX_ERROR] if error is not None else None
    return delivery._replace(
        status=status, tries=delivery.tries + sent, lease_until=0, answer=answer, last_error=word, finished_at=now
    )
