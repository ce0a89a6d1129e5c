"""Whose turn it is to be sent webhooks: nobody waits for a slow receiver, no late delivery for a flood of new ones."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import pytest
from sqlalchemy import select, update

from roony.core.duration import SECOND
from roony.core.notification import KEPT, MAX_WAIT, WAITS, NoticeDelivery
from roony.flows.context import FlowContext
from roony.flows.duty_lease import DutyLease
from roony.flows.notification import handing, keeping, sending
from roony.flows.notification.sending import FORGET_MORE_SECONDS, Notifier, next_turns
from roony.store import deliveries, tables
from roony.store.deliveries import Target
from tests.support.receiver import Receiver, Reply
from tests.support.serving import Company, ServedRoony
from tests.support.webhooks import ENDPOINTS, alerts, cancel_all, endpoint, happen, names_of, one_step, rows, work

DAY = 86_400


@pytest.fixture(autouse=True)
def quiet_before(roony: ServedRoony) -> Iterator[None]:
    """What a test leaves unsent is not sent in the next one."""
    yield
    roony.run(cancel_all)


def hand_out(roony: ServedRoony) -> None:
    """All notices become deliveries, and nothing is sent."""

    async def all_of_them(context: FlowContext) -> None:
        while await handing.hand_out_all(context):
            pass

    roony.run(all_of_them)


def delivery(company: Company, endpoint_id: str, name: str, now: int, **fields: Any) -> NoticeDelivery:
    """One that was delivered now."""
    row = NoticeDelivery(
        company.id, f"whd_{name}", endpoint_id, 1, 0, "alert.opened", "{}", "delivered", 1, 0, 0, 1, 200, None, now,
        now, now,
    )  # fmt: skip
    return row._replace(**fields)


def test_a_record_that_cannot_be_told_keeps_only_its_own_company_waiting(
    roony: ServedRoony, company: Company, receiver: Receiver
) -> None:
    other = roony.company("Other")
    for one in (company, other):
        endpoint(one, receiver)
        happen(roony, one, "news")
    table = tables.audit_records
    broken = (table.c.organization_id == company.id, table.c.subject == "alt_news")
    [(body,)] = roony.context.database.read(select(table.c.body).where(*broken))

    def write(text: str) -> None:
        roony.context.till.write_and_wait(lambda writer: writer.execute(update(table).where(*broken).values(body=text)))

    write("[]")
    hand_out(roony)
    assert (rows(roony, company), len(rows(roony, other))) == ([], 1)
    write(body)
    hand_out(roony)
    assert len(rows(roony, company)) == 1


class TestOrder:
    def test_a_retry_that_is_due_is_not_kept_waiting_by_a_flood_of_new_ones(
        self, roony: ServedRoony, company: Company, receiver: Receiver
    ) -> None:
        endpoint(company, receiver)
        receiver.script(Reply(500), Reply(200))
        happen(roony, company, "late")
        roony.run(one_step)
        crowd = [f"n{number}" for number in range(deliveries.FIRST_TRIES + 2)]
        happen(roony, company, *crowd)
        hand_out(roony)
        roony.books.clock.advance(WAITS[0])
        roony.run(one_step)
        # The flood was there before it was due, so that some of it comes first, in its order.
        assert names_of(receiver.arrived) == ["late", *crowd[: deliveries.FIRST_TRIES], "late"]

    def test_what_is_due_for_longer_comes_before_what_is_new(
        self, roony: ServedRoony, company: Company, receiver: Receiver
    ) -> None:
        endpoint(company, receiver)
        receiver.script(Reply(500), Reply(200))
        happen(roony, company, "late")
        roony.run(one_step)
        roony.books.clock.advance(WAITS[0] + 1)
        happen(roony, company, "new")
        roony.run(one_step)
        assert names_of(receiver.arrived) == ["late", "late", "new"]


class TestSilence:
    def test_what_was_never_sent_ends_when_it_waited_too_long_behind_a_silent_receiver(
        self, roony: ServedRoony, company: Company
    ) -> None:
        with Receiver() as down:
            made = endpoint(company, down, "purchase.ready", "alert.opened")
        happen(roony, company, "a", "b")
        hand_out(roony)
        roony.books.clock.advance(MAX_WAIT + 1)
        happen(roony, company, "c")
        hand_out(roony)
        roony.run(one_step)
        found = [(row.status, row.tries) for row in rows(roony, company)]
        assert found[:3] == [("pending", 1), ("dead", 0), ("pending", 0)]
        [alert] = alerts(company)
        assert alert["subject"] == made["id"]


class TestDisabled:
    def test_all_that_waits_is_canceled_in_one_write_due_or_not(
        self, roony: ServedRoony, company: Company, receiver: Receiver
    ) -> None:
        made = endpoint(company, receiver)
        receiver.script(Reply(500))
        happen(roony, company, "put off")
        roony.run(one_step)
        names = [f"n{number}" for number in range(deliveries.FIRST_TRIES + deliveries.RETRIES + 1)]
        happen(roony, company, *names)
        hand_out(roony)
        company.owner.send("PATCH", f"{ENDPOINTS}/{made['id']}", {"status": "disabled"})

        async def one_look(context: FlowContext) -> int:
            _, pieces = await Notifier(context, DutyLease(context)).step(context.clock())
            return len(pieces)

        assert roony.run(one_look) == 0
        assert {row.status for row in rows(roony, company)} == {"canceled"}
        assert [row.tries for row in rows(roony, company)] == [1] + [0] * len(names)

    def test_one_write_cancels_a_bounded_number_and_nothing_of_an_active_endpoint(
        self, roony: ServedRoony, company: Company, receiver: Receiver
    ) -> None:
        made, now = endpoint(company, receiver), roony.books.clock.now
        waiting = [
            delivery(company, made["id"], f"{company.id}{number}", now, status="pending", finished_at=None)
            for number in range(deliveries.CANCEL_ROWS + 3)
        ]
        roony.books.put(*waiting[:150])
        roony.books.put(*waiting[150:])

        async def canceled(context: FlowContext) -> int:
            return int(await context.till.write(deliveries.cancel(context.clock(), company.id, made["id"])))

        assert roony.run(canceled) == 0
        company.owner.send("PATCH", f"{ENDPOINTS}/{made['id']}", {"status": "disabled"})
        assert [roony.run(canceled) for _ in range(3)] == [deliveries.CANCEL_ROWS, 3, 0]


class TestTurns:
    def test_an_organizations_slow_receivers_leave_places_to_others(
        self, roony: ServedRoony, company: Company, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(sending, "MAX_RECEIVERS", 2)
        monkeypatch.setattr(sending, "MAX_OF_ORGANIZATION", 1)
        answer = threading.Event()
        with Receiver() as slow, Receiver() as slow_too:
            for one in (slow, slow_too):
                one.script(Reply(wait_for=answer))
                endpoint(company, one)
            happen(roony, company, "a")
            other = roony.company()
            endpoint(other, receiver)

            async def both(context: FlowContext) -> None:
                notifier = Notifier(context, DutyLease(context))
                _, pieces = await notifier.step(context.clock())
                slow_ones = [asyncio.create_task(piece) for piece in pieces]
                try:
                    await asyncio.to_thread(happen, roony, other, "b")
                    _, pieces = await notifier.step(context.clock())
                    await asyncio.gather(*pieces)
                    assert names_of(receiver.arrived) == ["b"]
                    assert not any(task.done() for task in slow_ones)
                finally:
                    answer.set()
                    await asyncio.gather(*slow_ones)

            roony.run(both)

    def test_where_others_wait_a_turn_is_one_try_and_the_rest_is_given_back_untried(
        self, roony: ServedRoony, company: Company, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(sending, "MAX_RECEIVERS", 1)
        monkeypatch.setattr(sending, "SHORT_TURN_SECONDS", 0.0)
        with Receiver() as other:
            for one in (receiver, other):
                endpoint(company, one)
            happen(roony, company, "a", "b", "c")

            async def two_steps(context: FlowContext) -> list[int]:
                notifier, counts = Notifier(context, DutyLease(context)), []
                for _ in range(2):
                    _, pieces = await notifier.step(context.clock())
                    await asyncio.gather(*pieces)
                    counts.append(len(receiver.arrived) + len(other.arrived))
                return counts

            assert roony.run(two_steps) == [1, 2]
            assert names_of(receiver.arrived) == names_of(other.arrived) == ["a"]
            waiting = [row for row in rows(roony, company) if row.status == "pending"]
            assert [(row.tries, row.due_at, row.lease_until) for row in waiting] == [(0, 0, 0)] * 4
            roony.run(work)
            assert names_of(receiver.arrived) == names_of(other.arrived) == ["a", "b", "c"]

    def test_places_go_round_by_organization_and_to_who_waited_longest(self) -> None:
        def waiting(organization: str, count: int) -> list[Target]:
            return [Target(organization, f"{organization}{number}", "active") for number in range(count)]

        crowd, calm = waiting("crowd", sending.MAX_RECEIVERS + 1), waiting("calm", 2)
        chosen = next_turns([*crowd, *calm], {}, ["crowd0", "calm0"])
        assert len([target for target in chosen if target.organization_id == "crowd"]) == sending.MAX_OF_ORGANIZATION
        assert [target.id for target in chosen[:4]] == ["crowd1", "calm1", "crowd2", "calm0"]
        assert "crowd0" not in {target.id for target in chosen}
        busy = {f"busy{number}": "busy" for number in range(sending.MAX_RECEIVERS - 1)}
        assert [target.id for target in next_turns([*waiting("busy", 1), *calm], busy, [])] == ["calm0"]
        busy["one more"] = "another"
        assert next_turns(calm, busy, []) == []


class TestForgetting:
    @pytest.mark.parametrize(("status", "days"), [("delivered", 30), ("canceled", 30), ("dead", 90)])
    def test_what_ended_long_ago_is_deleted(
        self, roony: ServedRoony, company: Company, receiver: Receiver, status: str, days: int
    ) -> None:
        assert KEPT[status] == days * DAY
        made, now = endpoint(company, receiver), roony.books.clock.now
        ended = now - days * DAY * SECOND
        roony.books.put(
            delivery(company, made["id"], f"{company.id}_old", ended - 1, status=status),
            delivery(company, made["id"], f"{company.id}_young", ended, status=status),
            delivery(company, made["id"], f"{company.id}_waits", 1, status="pending", due_at=2 * now, finished_at=None),
        )
        roony.run(one_step)
        assert {row.id.rpartition("_")[2] for row in rows(roony, company)} == {"young", "waits"}

    def test_it_is_done_some_at_a_time_and_goes_on_while_there_is_more(
        self, roony: ServedRoony, company: Company, receiver: Receiver
    ) -> None:
        made, now = endpoint(company, receiver), roony.books.clock.now
        ids = [f"{company.id}{number}" for number in range(deliveries.FORGET_ROWS + 1)]
        old = [delivery(company, made["id"], id, now - KEPT["delivered"] * SECOND - 1) for id in ids]
        roony.books.put(*old[:150])
        roony.books.put(*old[150:])

        async def looks(context: FlowContext) -> list[int]:
            notifier, left = Notifier(context, DutyLease(context)), []
            for _ in range(3):
                await notifier.step(context.clock())
                left.append(len(rows(roony, company)))
                if len(left) == 2:
                    roony.books.clock.advance(FORGET_MORE_SECONDS)
            return left

        assert roony.run(looks) == [1, 1, 0]


class TestReplay:
    def test_it_is_bounded_begins_with_the_oldest_and_asked_again_adds_nothing_to_what_waits(
        self, roony: ServedRoony, company: Company, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        pages = 2
        monkeypatch.setattr(keeping, "MAX_REPLAY", pages * deliveries.REPLAY_ROWS)
        made, now = endpoint(company, receiver), roony.books.clock.now
        ids = [f"{company.id}{number:04}" for number in range(pages * deliveries.REPLAY_ROWS + 5)]
        old = [delivery(company, made["id"], id, now - SECOND * (1_000 - place)) for place, id in enumerate(ids)]
        roony.books.put(*old[:150])
        roony.books.put(*old[150:])
        path, asked = f"{ENDPOINTS}/{made['id']}/replay", {"since": "1h"}
        answer = company.owner.send("POST", path, asked, 202)
        last = (now - SECOND * (1_000 - (pages * deliveries.REPLAY_ROWS - 1))) // 1_000
        assert datetime.fromisoformat(answer["next_since"]).timestamp() * 1_000 == last
        assert answer["replayed"] == pages * deliveries.REPLAY_ROWS
        waiting = sorted(row.id for row in rows(roony, company) if row.status == "pending")
        assert waiting == [f"whd_{id}" for id in ids[:-5]]
        nothing = {"id": made["id"], "replayed": 0, "next_since": None}
        went_on = company.owner.send("POST", path, {"since": answer["next_since"]}, 202)
        assert went_on == {**nothing, "replayed": 5}
        assert company.owner.send("POST", path, asked, 202) == nothing
        records = company.owner.get("/api/v1/admin/audit?limit=3")["data"]
        assert [record["action"] for record in records] == ["webhook_endpoint.replayed"] * 3
