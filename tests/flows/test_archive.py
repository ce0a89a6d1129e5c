"""What `roony archive` moves and leaves: no sum and no page changes, and what comes afterwards is booked as ever."""

from __future__ import annotations

import asyncio
from typing import Any

import psycopg
import pytest
from sqlalchemy import select

from roony.core.agent import Organization
from roony.core.budget import BudgetPeriod
from roony.core.duration import DAY
from roony.core.ledger import Entry
from roony.core.purchase import Purchase
from roony.flows import archive as flow
from roony.flows.archive import Archived, archivable, move_to_archive
from roony.flows.resolution import ReplayEvent
from roony.flows.retrieval import keep_replay_card_events
from roony.flows.unknown_card import REPLAY_CARD_EVENTS, UNKNOWN_CARD
from roony.store import archive, inbox
from roony.store.outbox import new_promise
from roony.store.queries.events import event_page, find_event
from roony.store.queries.paging import Slice
from roony.store.queries.past import asked_since, past_page, use_before
from roony.store.rows import InboxEvent, OutboxPromise
from roony.store.tables import inbox_archive
from tests.support.books import ACCOUNT, NOW, ORG, Books
from tests.support.offline import offline_context
from tests.support.promises import all_is_well, money_rows
from tests.support.story import Story

OLD = NOW - 90 * DAY
ALL = Slice(100, None)


def lives(books: Books) -> dict[str, Story]:
    """Purchases that ended in several ways, and three that go on."""
    tables = {
        "settled": "ask 10000\ncard\nrequest A 10000\nsays A closed 10000 yes with t1:10000",
        "refunded": "ask 11000\ncard\nrequest B 11000\nsays B closed 11000 yes with t2:11000\nrefund r2 11000",
        "canceled": "ask 12000\ncard\ncancel\nstripe canceled",
        "declined": "ask 600000",
        "ready": "ask 13000\ncard",
        "on its way": "ask 14000\ncard\nrequest C 14000\nsays C pending 14000 yes",
        "mandate": "ask 1000 every month 3\ncard\nrequest D 1000\nsays D closed 1000 yes with t4:1000",
    }
    found = {}
    for name, table in tables.items():
        found[name] = Story(books)
        found[name].tell(table)
    return found


def move(books: Books, older_than: int = 45 * DAY) -> Archived:
    """Everything older than that, which is what the dry run said."""
    before = books.clock() - older_than
    said = archivable(books.database, before)
    told: list[Archived] = []
    done = move_to_archive(books.till, books.database, before, told.append)
    assert done == said
    assert archivable(books.database, before) == Archived()
    assert not told or told[-1]._replace(purchases=0) == done._replace(purchases=0)
    return done


def shown(books: Books) -> dict[str, Any]:
    """What pages, reports and dry runs over the past read."""
    periods = [(row.budget_id, row.period_start) for row in books.rows(BudgetPeriod)]
    return {
        "money": {name: rows for name, rows in money_rows(books).items() if name != "Entry"},
        "entries": books.entries(),
        "events": event_page(books.database, ORG, ALL).rows,
        "applied": event_page(books.database, ORG, ALL, "applied").rows,
        "past": past_page(books.database, ORG, ALL, asked_since(0, books.clock())).rows,
        "use": use_before(books.database, ORG, periods, NOW + DAY),
    }


def old_event(id: str, **fields: Any) -> InboxEvent:
    """One of 90 days ago, as its handling left it."""
    row = inbox.new_event(id, ACCOUNT, False, "issuing_card.updated", "ic_1", OLD // 1_000_000, b"{}", OLD)
    return row._replace(organization_id=ORG, status="applied", finished_at=OLD)._replace(**fields)


def archived(books: Books) -> list[str]:
    return sorted(row[0] for row in books.database.read(select(inbox_archive.c.id)))


def test_what_is_over_moves_and_all_stays_as_it_was(books: Books) -> None:
    """P8: sums, lists and dry runs over the past read the same before and after; what goes on keeps its entries."""
    found = lives(books)
    books.clock.advance(50 * 86_400)
    before = shown(books)
    done = move(books)
    assert done.purchases == 3  # a declined one has no entries
    assert done.events == len(before["events"]) == 10
    assert sum(use.spent for use in before["use"]) > 0
    left = {entry.purchase_id for entry in books.rows(Entry)}
    assert left == {found[name].purchase_id for name in ("ready", "on its way", "mandate")}
    assert books.rows(InboxEvent) == []
    assert shown(books) == before
    all_is_well(books)
    assert move(books) == Archived()


def test_young_ones_stay(books: Books) -> None:
    lives(books)
    books.clock.advance(44 * 86_400)
    assert move(books) == Archived()


def test_what_comes_later_is_booked_as_ever(books: Books) -> None:
    """A late capture and a refund of archived purchases move held, spent and budgets; their entries follow in time."""
    found = lives(books)
    books.clock.advance(50 * 86_400)
    moved = move(books)
    assert found["canceled"].tell("capture - t9 500").endswith("|     0   500 settled    canceled")
    assert found["settled"].tell("refund r9 4000").endswith("|     0  6000 settled    used")
    all_is_well(books)
    again = shown(books)
    assert move(books) == Archived()
    books.clock.advance(50 * 86_400)
    assert move(books) == Archived(entries=2, purchases=2, events=2)
    assert shown(books) == again
    all_is_well(books)
    assert moved.events == len(again["events"]) - 2


def test_an_archived_event_that_comes_again_counts_once(books: Books) -> None:
    """P3: it is kept and ended without a flow having seen it, and the next archiving leaves the first row."""
    books.put(old_event("evt_1"), old_event("evt_2"))
    assert move(books).events == 2
    again = inbox.new_event("evt_1", ACCOUNT, False, "issuing_card.updated", "ic_1", 1, b"{}", books.clock())
    new = again._replace(id="evt_3")
    assert [books.till.write_and_wait(inbox.keep(event)) for event in (again, new, again)] == [True, True, False]
    assert [event.id for event in books.till.write_and_wait(inbox.claim(books.clock()))] == ["evt_3"]
    row = books.row(InboxEvent, id="evt_1")
    assert (row.status, row.reason, row.organization_id) == ("ignored", inbox.ARCHIVED, ORG)
    listed = event_page(books.database, ORG, ALL).rows
    assert [(event.id, event.status) for event in listed if event.id == "evt_1"] == [("evt_1", "applied")]
    assert getattr(find_event(books.database, ORG, "evt_1"), "status", None) == "applied"
    books.clock.advance(50 * 86_400)
    assert move(books).events == 1
    assert archived(books) == ["evt_1", "evt_2"]
    shown_row = find_event(books.database, ORG, "evt_1")
    assert shown_row is not None
    assert shown_row.status == "applied"


@pytest.mark.parametrize(
    "fields",
    [
        {"status": "dead", "finished_at": None},
        {"status": "failed", "finished_at": None},
        {"status": "received", "finished_at": None},
        {"finished_at": NOW - 30 * DAY},
        {"received_at": NOW - 30 * DAY},
    ],
)
def test_an_event_that_is_not_over_stays(books: Books, fields: dict[str, Any]) -> None:
    books.put(old_event("evt_1", **fields), old_event("evt_2", organization_id=None, status="ignored"))
    assert move(books).events == 1
    assert [row.id for row in books.rows(InboxEvent)] == ["evt_1"]
    # Not even where it became so between the look and the move.
    assert books.till.write_and_wait(archive.move_events(["evt_1"], NOW - 45 * DAY)) == 0


def test_an_archived_event_is_not_handled_again_by_hand(books: Books) -> None:
    books.put(old_event("evt_1"))
    move(books)
    answer = books.run(ReplayEvent(ORG, "evt_1", "usr_1"))
    assert (answer.code, answer.status) == ("not_failed", 409)


def test_events_stay_while_a_card_may_bring_them_back(books: Books) -> None:
    """Those since the promise of a card that is being made, or whose left-out events are yet to be taken up."""
    story = Story(books)
    story.tell("ask 10000")
    books.put(old_event("evt_1"), old_event("evt_2", received_at=NOW, finished_at=NOW))
    books.clock.advance(50 * 86_400)
    assert move(books).events == 1
    story.tell("card")
    assert story.card is not None
    promise = new_promise(ORG, "out_replay", REPLAY_CARD_EVENTS, story.card.id, {}, books.clock())
    books.put(promise)
    assert move(books).events == 0
    books.put(promise._replace(status="done"))
    assert move(books).events == 1


def test_left_out_ones_come_back_when_their_card_is_known(books: Books) -> None:
    """Money may have been captured on it: they are handled, once, and what came again of them meanwhile is not."""
    card = b'{"data": {"object": {"card": "ic_1"}}}'
    books.put(
        old_event("evt_1", reason=UNKNOWN_CARD, payload=card),
        old_event("evt_2", reason=UNKNOWN_CARD, payload=card.replace(b"ic_1", b"ic_2")),
        old_event("evt_3", payload=card),
        old_event("evt_4", reason=UNKNOWN_CARD, payload=card, organization_id="org_2"),
        old_event("evt_5", reason=UNKNOWN_CARD, payload=card),
    )
    assert move(books).events == 4
    books.put(books.row(Organization, id=ORG)._replace(id="org_2"))
    assert move(books).events == 1
    again = inbox.new_event("evt_1", ACCOUNT, False, "issuing_card.updated", "ic_1", 1, b"{}", books.clock())
    books.till.write_and_wait(inbox.keep(again))
    # A process dies between the two writes: the promise is kept again.
    books.till.write_and_wait(archive.bring_back(ORG, ["evt_1", "evt_3", "evt_4"], UNKNOWN_CARD, books.clock()))
    assert [(row.id, row.status, row.payload) for row in books.rows(InboxEvent)] == [("evt_1", "applied", card)]
    assert archived(books) == ["evt_2", "evt_3", "evt_4", "evt_5"]
    assert move(books).events == 0
    assert replayed(books) == ["evt_1", "evt_5"]
    assert archived(books) == ["evt_2", "evt_3", "evt_4"]
    assert sorted(event.id for event in books.till.write_and_wait(inbox.claim(books.clock()))) == ["evt_1", "evt_5"]


def replayed(books: Books) -> list[str]:
    """Keeps a promise to take up what was left out of the card ic_1; returns what is to be handled after it."""
    params = {"stripe_card_id": "ic_1", "since": 0}
    promise = new_promise(ORG, books.new_id("out"), REPLAY_CARD_EVENTS, "crd_1", params, books.clock(), lease=DAY)
    books.put(promise)
    with offline_context(books) as context:
        asyncio.run(keep_replay_card_events(context, promise))
    assert books.row(OutboxPromise, id=promise.id).status == "done"
    return sorted(row.id for row in books.rows(InboxEvent, status="received"))


def test_it_moves_in_pieces_and_goes_on_after_a_kill(books: Books, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between any two pieces all is well, and the next call moves the rest; a page may hold more than a piece."""
    lives(books)
    books.clock.advance(50 * 86_400)
    monkeypatch.setattr(archive, "PAGE", 3)
    monkeypatch.setattr(archive, "PIECE", 2)
    monkeypatch.setattr(flow.archive, "_LOCK_ENTRIES", archive._LOCK_ENTRIES.limit(2))
    before, limit, total, pieces = shown(books), books.clock() - 45 * DAY, Archived(), 0
    said = archivable(books.database, limit)

    class Killed(Exception):
        pass

    def die(done: Archived) -> None:
        nonlocal total
        total = total.plus(done)
        raise Killed

    while archivable(books.database, limit) != Archived():
        pieces += 1
        with pytest.raises(Killed):
            move_to_archive(books.till, books.database, limit, die)
        all_is_well(books)
    assert (total.entries, total.events) == (said.entries, said.events)
    assert pieces >= (said.entries + said.events) / 2
    assert shown(books) == before


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
@pytest.mark.postgres
def test_what_another_process_holds_is_left_to_it(books: Books) -> None:
    """On PostgreSQL servers go on meanwhile: nobody waits for a row, and none is lost between two archivers."""
    lives(books)
    books.clock.advance(50 * 86_400)
    dsn = books.database.url.set(drivername="postgresql").render_as_string(hide_password=False)
    limit = books.clock() - 45 * DAY
    with psycopg.connect(dsn) as other:
        held = other.execute("SELECT id FROM inbox ORDER BY id LIMIT 1 FOR UPDATE").fetchone()
        other.execute("SELECT 1 FROM entries FOR UPDATE")
        done = move_to_archive(books.till, books.database, limit, lambda _: None)
        assert done.entries == 0
        assert [(row.id,) for row in books.rows(InboxEvent)] == [held]
    assert move(books).entries > 0
    assert books.rows(InboxEvent) == []
    assert books.rows(Purchase)
    all_is_well(books)
