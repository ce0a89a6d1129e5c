"""Alerts: opened and closed inside the command that learns of the cause; a person may close one as well."""

from __future__ import annotations

from dataclasses import dataclass

from roony.core.alert import Alert, alert_id
from roony.core.audit import ROONY
from roony.core.errors import Refusal, not_found
from roony.store.book import Book
from roony.store.command import Command
from roony.store.facts import Needs


def alert_row(organization_id: str, kind: str, subject: str) -> tuple[type[Alert], str, str]:
    """What a command names in `needs` to open or close this alert."""
    return (Alert, organization_id, alert_id(kind, subject))


def raise_alert(book: Book, organization_id: str, kind: str, subject: str, message: str, now: int) -> None:
    """Opens an alert; one that is open already gets the newer words. The command named `alert_row`."""
    id = alert_id(kind, subject)
    before = book.get(Alert, organization_id, id)
    if before is not None and before.status == "open":
        if before.message != message:
            book.put(before._replace(message=message, updated_at=now))
        return
    times = before.times + 1 if before is not None else 1
    book.put(Alert(organization_id, id, kind, subject, "open", message, times, None, now, now, None))
    body = {"kind": kind, "subject": subject, "message": message}
    book.record(organization_id, ROONY, "alert.opened", id, body, now)


def close_alert(book: Book, organization_id: str, kind: str, subject: str, now: int) -> None:
    """Closes an alert whose cause is gone; nothing where none is open. The command named `alert_row`."""
    row = book.get(Alert, organization_id, alert_id(kind, subject))
    if row is not None and row.status == "open":
        _close(book, row, ROONY, now)


@dataclass(frozen=True, slots=True)
class CloseAlert(Command[Alert | Refusal]):
    """A person has seen an alert. Should its cause come again, it is opened again."""

    organization_id: str
    alert_id: str
    actor: str

    def needs(self, now: int) -> Needs:
        """The alert."""
        return Needs(rows=((Alert, self.organization_id, self.alert_id),))

    def apply(self, book: Book, now: int) -> Alert | Refusal:
        """Closes it; one that is closed stays as it is."""
        row = book.get(Alert, self.organization_id, self.alert_id)
        if row is None:
            return not_found("alert", self.alert_id)
        return row if row.status == "closed" else _close(book, row, self.actor, now)


def _close(book: Book, row: Alert, actor: str, now: int) -> Alert:
    row = row._replace(status="closed", closed_by=actor, updated_at=now, closed_at=now)
    book.put(row)
    book.record(row.organization_id, actor, "alert.closed", row.id, {"kind": row.kind, "subject": row.subject}, now)
    return row
