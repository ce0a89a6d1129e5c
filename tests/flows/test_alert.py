"""Alerts: one for each cause, open until its cause is gone or a person saw it, then opened again if it is back."""

from __future__ import annotations

from dataclasses import dataclass

from roony.core.alert import Alert, alert_id
from roony.core.audit import AuditRecord
from roony.core.errors import Refusal
from roony.flows.alert import CloseAlert, alert_row, close_alert, raise_alert
from roony.store.book import Book
from roony.store.command import Command
from roony.store.facts import Needs
from tests.support.books import NOW, ORG, Books

KIND, SUBJECT = "card_fraud_warning", "crd_1"
ID = alert_id(KIND, SUBJECT)


@dataclass(frozen=True, slots=True)
class Learn(Command[None]):
    """The cause of the alert is there, or gone."""

    organization_id: str
    message: str | None

    def needs(self, now: int) -> Needs:
        return Needs(rows=(alert_row(self.organization_id, KIND, SUBJECT),))

    def apply(self, book: Book, now: int) -> None:
        if self.message is None:
            close_alert(book, self.organization_id, KIND, SUBJECT, now)
        else:
            raise_alert(book, self.organization_id, KIND, SUBJECT, self.message, now)


def actions(books: Books) -> list[str]:
    records = [row for row in books.rows(AuditRecord) if row.subject == ID]
    return [row.action for row in sorted(records, key=lambda row: row.sequence)]


def test_the_same_cause_opens_one_alert_that_keeps_the_newest_words(books: Books) -> None:
    books.run(Learn(ORG, "Stripe warns."))
    books.clock.advance(5)
    books.run(Learn(ORG, "Stripe warns."))
    books.run(Learn(ORG, "Stripe warns of stolen numbers."))

    [row] = books.rows(Alert)
    assert (row.id, row.status, row.times, row.message) == (ID, "open", 1, "Stripe warns of stolen numbers.")
    assert (row.created_at, row.updated_at) == (NOW, NOW + 5_000_000)
    assert actions(books) == ["alert.opened"]


def test_it_is_closed_when_the_cause_is_gone_and_opened_again_when_it_comes_back(books: Books) -> None:
    books.run(Learn(ORG, None))
    assert books.rows(Alert) == []
    books.run(Learn(ORG, "Stripe warns."))
    books.run(Learn(ORG, None))
    books.run(Learn(ORG, None))
    [closed] = books.rows(Alert)
    assert (closed.status, closed.closed_by) == ("closed", "roony")
    books.clock.advance(60)
    books.run(Learn(ORG, "Stripe warns again."))

    [row] = books.rows(Alert)
    assert (row.status, row.times, row.closed_by, row.closed_at) == ("open", 2, None, None)
    assert row.created_at == NOW + 60_000_000
    assert actions(books) == ["alert.opened", "alert.closed", "alert.opened"]


def test_a_person_closes_it_once(books: Books) -> None:
    missing = books.run(CloseAlert(ORG, ID, "usr_1"))
    assert isinstance(missing, Refusal)
    assert missing.code == "not_found"
    books.run(Learn(ORG, "Stripe warns."))
    first = books.run(CloseAlert(ORG, ID, "usr_1"))
    second = books.run(CloseAlert(ORG, ID, "usr_2"))

    assert first == second
    assert (first.status, first.closed_by) == ("closed", "usr_1")
    assert actions(books) == ["alert.opened", "alert.closed"]
