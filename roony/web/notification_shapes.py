"""What the owner's people are answered about webhooks to their systems and messages to their people."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from roony.web.shape import Count, Listed, Shape, Time, like

EndpointId = Annotated[str, like("whe_b80d26f4a9c14e73")]


class EndpointAnswer(Shape):
    """A receiver of webhooks; without `types` it hears of everything. An older secret signs till `old_secret_until`.

    Below the role admin `url` is shown without its path and query.
    """

    id: EndpointId
    url: Annotated[str, like("https://example.com/roony")]
    description: Annotated[str, like("Bookkeeping")]
    types: Annotated[list[str], like(["purchase.settled"])]
    status: Literal["active", "disabled", "removed"]
    reason: str | None
    old_secret_until: Time | None
    created_at: Time
    updated_at: Time


class EndpointWithSecret(EndpointAnswer):
    """A receiver with its new secret, which is shown this once."""

    secret: Annotated[str, like("whsec_RVhBTVBMRQ==")]


class EndpointList(Listed[EndpointAnswer]):
    """A page of receivers."""


class RecipientAnswer(Shape):
    """Who reads messages; without `types` all that people are told. Of the address what tells it from others."""

    id: Annotated[str, like("msg_d41a70c6e58b4f29")]
    name: Annotated[str, like("Night shift")]
    address: Annotated[str, like("slack://…i7FQ")]
    types: Annotated[list[str], like(["approval.requested"])]
    status: Literal["active", "disabled", "removed"]
    created_at: Time
    updated_at: Time


class RecipientList(Listed[RecipientAnswer]):
    """A page of recipients."""


class DeliveryAnswer(Shape):
    """One notice for one receiver; `payload` is its body as it is sent, `answer` the status of the last answer."""

    id: Annotated[str, like("whd_kfbgcapmdlehjnoi")]
    target_id: Annotated[EndpointId, like("whe_b80d26f4a9c14e73", "msg_d41a70c6e58b4f29")]
    sequence: Annotated[int, like(1_204)]
    type: Annotated[str, like("purchase.settled")]
    status: Annotated[Literal["pending", "delivered", "dead", "canceled"], like("delivered")]
    tries: Count
    next_try_at: Time | None
    answer: Annotated[int | None, like(204)]
    last_error: str | None
    payload: Annotated[
        dict[str, Any],
        like({"type": "purchase.settled", "timestamp": "2026-11-28T14:02:11.520000Z", "data": {"was": "authorized"}}),
    ]
    queued_at: Time
    created_at: Time
    finished_at: Time | None


class DeliveryList(Listed[DeliveryAnswer]):
    """A page of deliveries."""


class ReplayedDeliveries(Shape):
    """How many deliveries are sent again; `next_since` is where to go on if there may be more."""

    id: EndpointId
    replayed: Annotated[int, like(12)]
    next_since: Time | None
