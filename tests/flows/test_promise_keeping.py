"""Promises that go wrong: a second card at Stripe, an unknown kind, tries that may have worked; how batches fill."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from roony import worker as worker_module
from roony.core.card import Card
from roony.core.connection import Connection
from roony.core.settlement import Discrepancy
from roony.flows.card import FinishPromise, MadeCard, RecordCard
from roony.flows.context import FlowContext
from roony.flows.promise import LOOK_UP, UNSURE, is_unsure
from roony.store import filling, inbox
from roony.store.filling import let_it_fill
from roony.store.inbox import new_event
from roony.store.outbox import new_promise
from roony.store.rows import InboxEvent, OutboxPromise
from roony.worker import Worker
from tests.support.books import ACCOUNT, ORG, Books, open_books
from tests.support.offline import offline_context


def promise(**changed: Any) -> OutboxPromise:
    return new_promise(ORG, "out_x", "make_card", "crd_1", {}, 0, lease=1)._replace(**changed)


@pytest.mark.parametrize(
    ("changed", "unsure"),
    [
        ({}, False),
        ({"tries": 1, "generation": 2, "last_error": "StripeRateLimited"}, False),
        ({"tries": 1, "generation": 2, "last_error": UNSURE + "StripeUncertain"}, True),
        ({"tries": 3, "generation": 4, "last_error": LOOK_UP}, True),
        # Claimed once more than it was put off: some try ended without a word, as in a crash.
        ({"tries": 0, "generation": 2}, True),
    ],
)
def test_what_may_have_had_its_effect(changed: dict[str, Any], unsure: bool) -> None:
    assert is_unsure(promise(**changed)) is unsure


def test_a_second_card_at_stripe_is_promised_its_cancel_and_flagged(tmp_path: Path, database_url: str | None) -> None:
    with open_books(tmp_path, database_url) as books:
        purchase = books.ready()
        twin = MadeCard("ic_twin", "active", "1111", 1, 2031)
        books.run(RecordCard(ORG, purchase.card_id, twin, "out_twin", None))
        assert books.row(Card, id=purchase.card_id).stripe_card_id == f"ic_{purchase.id}"
        cancel = books.row(OutboxPromise, kind="cancel_card")
        assert json.loads(cancel.params) == {"stripe_card_id": "ic_twin", "connection_id": purchase.connection_id}
        found = books.row(Discrepancy)
        assert (found.kind, found.subject, found.purchase_id) == ("card_left_open", "ic_twin", purchase.id)


def test_a_kind_nobody_knows_leaves_a_word_and_waits(tmp_path: Path, database_url: str | None) -> None:
    with open_books(tmp_path, database_url) as books:
        # Of an account that is there the worker would read the balance.
        books.put(books.row(Connection)._replace(status="expired"))
        books.put(new_promise(ORG, "out_new", "of_a_newer_release", "x", {}, books.clock()))
        done = asyncio.run(_round(books))
        row = books.row(OutboxPromise, id="out_new")
        assert done == 1
        assert (row.status, row.tries, row.last_error) == ("promised", 1, UNSURE + "KeyError")
        assert row.due_at > books.clock()


class Looking(Worker):
    """A worker in whose second pass a promise is kept, after the pass has looked for events."""

    def __init__(self, context: FlowContext) -> None:
        super().__init__(context)
        self.passes, self.go = 0, asyncio.Event()

        async def keep(context: FlowContext, promise: OutboxPromise) -> None:
            await self.go.wait()
            event = new_event("evt_1", ACCOUNT, False, "issuing_authorization.request", "iauth_1", 1, b"{}", 0)
            await context.till.write(inbox.keep(event))
            await context.till.submit(FinishPromise(ORG, promise))

        self._keepers["finds_an_event"] = keep

    async def _notify(self, now: int) -> int:
        self.passes += 1
        if self.passes == 2:
            self.go.set()
            await asyncio.wait(self._keeping)
        return await super()._notify(now)


def test_so_many_promises_are_kept_at_a_time_and_the_others_stay_in_their_rows(
    tmp_path: Path, database_url: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker_module, "MAX_KEEPING", 1)

    async def work(books: Books) -> list[list[str]]:
        with offline_context(books) as context:
            worker = Worker(context)
            begun, go = [], asyncio.Event()

            async def keep(context: FlowContext, promise: OutboxPromise) -> None:
                begun.append(promise.id)
                await go.wait()
                await context.till.submit(FinishPromise(ORG, promise))

            worker._keepers["slow"] = keep
            await asyncio.to_thread(books.put, new_promise(ORG, "out_1", "slow", "x", {}, 0))
            await worker._work_off()
            await asyncio.to_thread(books.put, new_promise(ORG, "out_2", "slow", "y", {}, 0))
            await worker._work_off()
            before = list(begun)
            go.set()
            await worker.round()
            return [before, begun]

    with open_books(tmp_path, database_url) as books:
        assert asyncio.run(work(books)) == [["out_1"], ["out_1", "out_2"]]
        assert {row.status for row in books.rows(OutboxPromise, kind="slow")} == {"done"}


def test_what_a_kept_promise_leaves_behind_is_done_in_the_same_round(tmp_path: Path, database_url: str | None) -> None:
    """Even if it ends while a pass that found nothing is under way."""

    async def work(books: Books) -> int:
        with offline_context(books) as context:
            return await Looking(context).round()

    with open_books(tmp_path, database_url) as books:
        books.put(books.row(Connection)._replace(status="expired"))
        books.put(new_promise(ORG, "out_1", "finds_an_event", "x", {}, 0))
        assert asyncio.run(work(books)) == 2
        assert [row.status for row in books.rows(InboxEvent)] == ["ignored"]


async def _round(books: Books) -> int:
    with offline_context(books) as context:
        return await Worker(context).round()


@pytest.mark.parametrize(
    ("last_batch", "arriving", "taken"),
    [
        (1, [1, 2, 3], 0),  # little happens: not even looked
        (16, [1, 9, 16, 20], 16),  # as many as last time: enough
        (32, [32, 32, 50, 64, 80], 64),  # two crowds that take turns become one
    ],
)
def test_a_batch_fills_as_far_as_it_pays(
    monkeypatch: pytest.MonkeyPatch, last_batch: int, arriving: list[int], taken: int
) -> None:
    looks = iter(arriving)
    seen = [0]

    def waiting() -> int:
        seen[0] = next(looks)
        return seen[0]

    monkeypatch.setattr(filling.time, "sleep", lambda _seconds: None)
    let_it_fill(waiting, last_batch, 64)
    assert seen[0] == taken


def test_a_batch_is_not_waited_for_when_nothing_more_comes(monkeypatch: pytest.MonkeyPatch) -> None:
    slept: list[float] = []
    monkeypatch.setattr(filling.time, "sleep", slept.append)
    let_it_fill(lambda: 20, 32, 64)
    assert len(slept) == filling.LINGER_LOOKS
