"""Messages to people: who hears of a notice, in which words, and handing the words to the service they read."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sqlalchemy import select

from roony.core.agent import Agent, Project
from roony.core.message import About, Text, is_for_people, once_key, text_of
from roony.core.notice import Notice
from roony.core.notification import (
    MessageRecipient,
    NoticeDelivery,
    message_payload,
    new_delivery,
    once_id,
    text_in,
)
from roony.core.purchase import Purchase
from roony.flows.context import FlowContext
from roony.flows.notification.recipient import sealed_row
from roony.logging_setup import redact
from roony.outbound.post import Sent
from roony.store import tables
from roony.store.database import Database
from roony.store.queries.paging import find
from roony.store.vault import VaultError


class People:
    """The recipients of one organization, for one piece of its chain; what it looks up it looks up once. Blocks."""

    def __init__(self, database: Database, organization_id: str, public_url: str) -> None:
        self._database = database
        self._organization_id = organization_id
        self._public_url = public_url
        self._found: dict[tuple[type, str], Any] = {}
        self._told_once: set[str] = set()
        table = tables.message_recipients
        active = (table.c.organization_id == organization_id, table.c.status == "active")
        self.recipients = [MessageRecipient(*row) for row in database.read(select(table).where(*active))]

    def told(self, notice: Notice, place: int, now: int) -> Iterator[NoticeDelivery]:
        """One message for each recipient that chose it."""
        hearing = [one for one in self.recipients if notice.sequence > one.since and is_for_people(notice, one.types)]
        if not hearing:
            return
        title, body = text_of(notice, self._about(notice))
        payload = message_payload(notice.type, notice.at, Text(redact(title), redact(body)))
        key = once_key(notice)
        for recipient in hearing:
            row = new_delivery(notice, recipient.id, place, payload, now)
            if key is not None:
                row = row._replace(id=once_id(recipient.id, key))
                if row.id in self._told_once or self._row(NoticeDelivery, row.id) is not None:
                    continue
                self._told_once.add(row.id)
            yield row

    def _about(self, notice: Notice) -> About:
        purchase = self._row(Purchase, notice.purchase_id)
        agent = self._row(Agent, notice.agent_id)
        project = self._row(Project, purchase.project_id if purchase else None)
        scope_id = str(notice.data.get("scope_id") or "")
        scope = self._row(Project if scope_id.startswith("prj_") else Agent, scope_id)
        return About(
            self._public_url, agent.name if agent else None, project.name if project else None,
            scope.name if scope else None, purchase.description if purchase else None,
        )  # fmt: skip

    def _row(self, row: type[Any], id: str | None) -> Any:
        """A row of the organization, or None."""
        if not id:
            return None
        key = (row, id)
        if key not in self._found:
            self._found[key] = find(self._database, row, self._organization_id, id)
        return self._found[key]


async def send_message(context: FlowContext, recipient: MessageRecipient, delivery: NoticeDelivery) -> Sent:
    """One try. Nothing that is written down about it quotes the address."""
    try:
        url = context.vault.open(recipient.sealed, sealed_row(recipient.organization_id, recipient.id))
    except VaultError as error:
        return Sent(None, f"the recipient's address cannot be opened: {error}")
    return await context.messenger.send(url, *text_in(delivery.payload))
