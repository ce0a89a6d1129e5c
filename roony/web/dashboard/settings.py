"""Settings of the organization, and who outside is told what: people by messages, programs by webhooks."""

from __future__ import annotations

import json
from typing import Any

from starlette.responses import Response
from starlette.routing import Route

from roony.core.agent import UNKNOWN_CARDS
from roony.core.anomaly.facts import PATTERNS
from roony.core.anomaly.telling import MAY_FREEZE, pattern_settings
from roony.core.control import DELIVERIES
from roony.core.loosening import wants_two
from roony.core.message import MESSAGE_TYPES
from roony.core.money import decimal_text
from roony.core.notice import TYPES
from roony.core.notification import MessageRecipient, NoticeDelivery, WebhookEndpoint, masked_url
from roony.flows.organization_settings import cardholder_of, low_balance_amount
from roony.store import tables
from roony.store.queries.paging import equal
from roony.web.dashboard.view import View, page
from roony.web.errors import refuse

STATUSES = ("pending", "delivered", "dead", "canceled")


def routes() -> list[Route]:
    """The pages."""
    return [
        page("/settings", _settings),
        page("/settings/notifications", _notifications),
        page("/settings/recipients/{id}", _recipient),
        page("/settings/webhooks/{id}", _endpoint),
    ]


async def _settings(view: View) -> Response:
    holder: dict[str, Any] = cardholder_of(view.organization) or {}
    return view.page(
        "settings.html", "Settings", deliveries=DELIVERIES, unknown_cards=UNKNOWN_CARDS, holder=holder,
        address=holder.get("billing", {}).get("address", {}), person=holder.get("individual", {}),
        low_balance=decimal_text(low_balance_amount(view.organization), view.organization.currency),
        patterns=pattern_settings(view.organization.settings), all_patterns=PATTERNS, may_freeze=MAY_FREEZE,
        two_people=wants_two(view.organization.settings),
    )  # fmt: skip


async def _notifications(view: View) -> Response:
    recipients, _ = await view.rows(MessageRecipient, tables.message_recipients.c.status != "removed")
    # Of both there are at most 20.
    endpoints, _ = await view.rows(WebhookEndpoint, tables.webhook_endpoints.c.status != "removed")
    return view.page(
        "notifications.html", "Notifications", message_types=MESSAGE_TYPES, types=TYPES, chosen=chosen_types,
        recipients=recipients, endpoints=[(row, shown_url(view, row)) for row in endpoints],
    )  # fmt: skip


async def _recipient(view: View) -> Response:
    row = await view.row(MessageRecipient, "message recipient")
    return await _receiver(view, row, row.name, "recipient.html", MESSAGE_TYPES)


async def _endpoint(view: View) -> Response:
    row = await view.row(WebhookEndpoint, "webhook endpoint")
    return await _receiver(view, row, shown_url(view, row), "endpoint.html", TYPES)


async def _receiver(
    view: View, row: MessageRecipient | WebhookEndpoint, title: str, template: str, types: tuple[str, ...]
) -> Response:
    """One receiver: what it hears of, and what was sent to it."""
    if row.status == "removed":
        raise refuse(404, f"{row.id} was removed.")
    chosen = view.filter("status", STATUSES)
    deliveries, pages = await view.rows(NoticeDelivery, *equal(NoticeDelivery, {"target_id": row.id, "status": chosen}))
    return view.page(
        template, title, row=row, types=types, heard=chosen_types(row), deliveries=deliveries, pages=pages,
        statuses=STATUSES, chosen=chosen,
    )  # fmt: skip


def chosen_types(row: MessageRecipient | WebhookEndpoint) -> list[str]:
    """The types a receiver hears of; empty for all."""
    types: list[str] = json.loads(row.types)
    return types


def shown_url(view: View, row: WebhookEndpoint) -> str:
    """An endpoint's address as the API shows it: whole to whoever may change it."""
    return row.url if view.may("change") else masked_url(row.url)
