"""Webhooks: signed, each notice once for each endpoint and in order, tried for three days, rotated and replayed."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select
from standardwebhooks import Webhook, WebhookVerificationError

from roony.core.duration import SECOND
from roony.core.notification import WAITS, NoticeDelivery
from roony.flows.context import FlowContext
from roony.flows.notification import handing
from roony.flows.notification.endpoint import DEFAULT_OVERLAP, MAX_ENDPOINTS
from roony.outbound import post
from roony.store import deliveries, tables
from tests.support.receiver import Arrived, Receiver, Reply
from tests.support.serving import Company, ServedRoony
from tests.support.webhooks import (
    ADMIN,
    DELIVERIES,
    ENDPOINTS,
    alerts,
    cancel_all,
    endpoint,
    happen,
    names_of,
    one_step,
    rows,
    work,
)
from tests.web.test_users import person

DAY = 86_400


@pytest.fixture(autouse=True)
def quiet_before(roony: ServedRoony) -> Iterator[None]:
    """What a test leaves unsent is not sent in the next one."""
    yield
    roony.run(cancel_all)


def is_good(secret: str, arrived: Arrived) -> bool:
    """Whether a receiver with this secret would take it."""
    try:
        Webhook(secret).verify(arrived.body, arrived.headers)
    except WebhookVerificationError:
        return False
    return True


class TestSending:
    def test_a_notice_arrives_signed_with_its_ids(
        self, roony: ServedRoony, company: Company, receiver: Receiver
    ) -> None:
        made = endpoint(company, receiver)
        happen(roony, company, "a")
        roony.run(work)
        [arrived] = receiver.arrived
        told = Webhook(made["secret"]).verify(arrived.body, arrived.headers)
        assert set(told) == {"type", "timestamp", "data"}
        assert told["type"] == "alert.opened"
        assert datetime.fromisoformat(told["timestamp"]).tzinfo is not None
        assert told["data"]["id"] == "alt_a"
        assert told["data"]["organization_id"] == company.id
        [row] = company.owner.get(DELIVERIES)["data"]
        assert (row["status"], row["answer"], row["tries"]) == ("delivered", 200, 1)
        assert row["id"] == arrived.headers["webhook-id"]
        assert row["target_id"] == made["id"]
        assert row["payload"] == told
        assert not is_good("whsec_" + "YWFh" * 11, arrived)

    def test_each_notice_arrives_once_at_each_endpoint_in_the_order_of_the_chain(
        self, roony: ServedRoony, company: Company, receiver: Receiver
    ) -> None:
        happen(roony, company, "before")
        with Receiver() as other:
            endpoint(company, receiver)
            happen(roony, company, "a", "b")
            endpoint(company, other)
            happen(roony, company, "c", "d")
            roony.run(work)
            roony.run(work)
            assert names_of(receiver.arrived) == ["a", "b", "c", "d"]
            # One that is made later hears of what happens from then on.
            assert names_of(other.arrived) == ["c", "d"]

    def test_an_endpoint_hears_of_the_types_it_chose(
        self, roony: ServedRoony, company: Company, receiver: Receiver
    ) -> None:
        made = endpoint(company, receiver, "alert.closed")
        happen(roony, company, "a")
        happen(roony, company, "b", action="alert.closed")
        roony.run(work)
        assert names_of(receiver.arrived) == ["b"]
        company.owner.send("PATCH", f"{ENDPOINTS}/{made['id']}", {"types": ["alert.opened"]})
        happen(roony, company, "c")
        happen(roony, company, "d", action="alert.closed")
        roony.run(work)
        assert names_of(receiver.arrived) == ["b", "c"]

    def test_another_organizations_endpoint_hears_nothing(
        self, roony: ServedRoony, company: Company, receiver: Receiver
    ) -> None:
        endpoint(company, receiver)
        other = roony.company()
        happen(roony, other, "theirs")
        happen(roony, company, "ours")
        roony.run(work)
        assert names_of(receiver.arrived) == ["ours"]

    def test_more_than_one_page_is_handed_out_whole(
        self, roony: ServedRoony, company: Company, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(handing, "RECORDS_AT_ONCE", 3)
        monkeypatch.setattr(handing, "MAX_ROWS", 2)
        endpoint(company, receiver)
        names = [f"n{number}" for number in range(10)]
        happen(roony, company, *names)
        roony.run(work)
        assert names_of(receiver.arrived) == names

    def test_a_crowd_that_waits_for_one_receiver_is_not_before_another(
        self, roony: ServedRoony, company: Company, receiver: Receiver
    ) -> None:
        """Each receiver with something to send is spoken to, however much is older."""
        endpoint(company, receiver)
        crowd = [f"n{number}" for number in range(deliveries.FIRST_TRIES + 1)]
        happen(roony, company, *crowd)
        with Receiver() as calm:
            later = roony.company()
            endpoint(later, calm, "alert.closed")
            happen(roony, later, *crowd, "last")
            happen(roony, later, "one", action="alert.closed")
            roony.run(one_step)
            assert names_of(calm.arrived) == ["one"]
            assert names_of(receiver.arrived) == crowd[:-1]

    def test_two_processes_that_hand_out_the_same_records_make_one_delivery(
        self, roony: ServedRoony, company: Company, receiver: Receiver
    ) -> None:
        endpoint(company, receiver)
        happen(roony, company, "a")

        async def both(context: FlowContext) -> list[bool]:
            found = [one for one in deliveries.behind(context.database) if one[0] == company.id]
            [(org, seen, head)] = found
            reached, made = handing._read(context, org, seen, head)
            assert len(made) == 1
            writes = [context.till.write(deliveries.hand_out(org, seen, reached, made)) for _ in range(2)]
            return list(await asyncio.gather(*writes))

        assert sorted(roony.run(both)) == [False, True]
        assert len(rows(roony, company)) == 1

    def test_a_delivery_another_process_holds_is_left_to_it_and_taken_up_when_its_lease_is_over(
        self, roony: ServedRoony, company: Company, receiver: Receiver
    ) -> None:
        made = endpoint(company, receiver)
        happen(roony, company, "a")

        async def claimed(context: FlowContext) -> list[NoticeDelivery]:
            await handing.hand_out_all(context)
            due = deliveries.Target(company.id, made["id"], "active")
            assert due in deliveries.due_targets(context.database, context.clock(), ())
            assert deliveries.due_targets(context.database, context.clock(), (made["id"],)) == []
            return list(await context.till.write(deliveries.claim(context.clock(), company.id, made["id"])))

        [theirs] = roony.run(claimed)
        roony.run(work)
        assert receiver.arrived == []
        roony.books.clock.advance(deliveries.LEASE / SECOND)
        roony.run(work)
        [arrived] = receiver.arrived
        assert arrived.headers["webhook-id"] == theirs.id

        # The first one comes back late: its word does not count any more.
        async def late(context: FlowContext) -> int:
            return int(await context.till.write(deliveries.settle([theirs._replace(status="dead")])))

        assert roony.run(late) == 0
        # What the first one did not send is no try.
        assert [(row.status, row.tries) for row in rows(roony, company)] == [("delivered", 1)]


class TestFailing:
    def test_it_is_tried_again_later_under_the_same_id(
        self, roony: ServedRoony, company: Company, receiver: Receiver
    ) -> None:
        made = endpoint(company, receiver)
        receiver.script(Reply(500), Reply(307, {"location": "http://127.0.0.1:9/"}), Reply(200))
        happen(roony, company, "a")
        roony.run(work)
        [row] = company.owner.get(f"{DELIVERIES}?target_id={made['id']}")["data"]
        assert (row["status"], row["tries"], row["answer"], row["last_error"]) == ("pending", 1, 500, "answered 500")
        assert row["next_try_at"] is not None
        roony.books.clock.advance(WAITS[0] - 1)
        roony.run(work)
        assert len(receiver.arrived) == 1
        roony.books.clock.advance(1)
        roony.run(work)
        assert len(receiver.arrived) == 2
        roony.books.clock.advance(WAITS[1])
        roony.run(work)
        assert len({one.headers["webhook-id"] for one in receiver.arrived}) == 1
        assert len(receiver.arrived) == 3
        assert [row.status for row in rows(roony, company)] == ["delivered"]

    def test_after_three_days_it_is_dead_and_somebody_is_told_and_a_replay_brings_it(
        self, roony: ServedRoony, company: Company, receiver: Receiver
    ) -> None:
        made = endpoint(company, receiver, "alert.opened")
        receiver.script(Reply(503))
        happen(roony, company, "a")
        roony.run(work)
        for wait in WAITS:
            assert alerts(company) == []
            roony.books.clock.advance(wait)
            roony.run(work)
        dead = rows(roony, company)[0]
        ids = [one.headers["webhook-id"] for one in receiver.arrived]
        assert ids.count(dead.id) == 1 + len(WAITS)
        assert (dead.status, dead.tries, dead.answer) == ("dead", 1 + len(WAITS), 503)
        [alert] = alerts(company)
        assert alert["subject"] == made["id"]
        # Its path may be a secret, and this is told to everybody who listens.
        assert f"http://127.0.0.1:{receiver.port}/*** has not taken" in alert["message"]
        assert "/hook" not in alert["message"]

        receiver.script(Reply(200))
        answer = company.owner.send("POST", f"{DELIVERIES}/{dead.id}/replay", status=202)
        assert (answer["status"], answer["tries"]) == ("pending", 0)
        roony.run(work)
        assert [one.headers["webhook-id"] for one in receiver.arrived].count(dead.id) == 2 + len(WAITS)
        assert rows(roony, company)[0].status == "delivered"

    def test_waits_end_within_three_days(self) -> None:
        assert 2 * DAY < sum(WAITS) < 3 * DAY
        assert list(WAITS) == sorted(WAITS)

    def test_410_disables_the_endpoint_and_cancels_what_waits(
        self, roony: ServedRoony, company: Company, receiver: Receiver
    ) -> None:
        made = endpoint(company, receiver)
        receiver.script(Reply(410))
        happen(roony, company, "a", "b")
        roony.run(work)
        assert len(receiver.arrived) == 1
        assert [row.status for row in rows(roony, company)[:2]] == ["dead", "canceled"]
        shown = company.owner.get(f"{ENDPOINTS}/{made['id']}")
        assert shown["status"] == "disabled"
        assert "410" in shown["reason"]
        assert len(alerts(company)) == 1
        happen(roony, company, "c")
        roony.run(work)
        assert len(receiver.arrived) == 1

        receiver.script(Reply(200))
        company.owner.send("PATCH", f"{ENDPOINTS}/{made['id']}", {"status": "active"})
        assert alerts(company) == []
        happen(roony, company, "d")
        roony.run(work)
        assert names_of(receiver.arrived)[1:][-1:] == ["d"]
        assert "c" not in names_of(receiver.arrived)

    def test_a_receiver_that_is_down_is_asked_once_for_all_that_waits(
        self, roony: ServedRoony, company: Company, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with Receiver() as down:
            endpoint(company, down)
        asked = []
        whole = post.Poster.post

        async def counted(self: post.Poster, *args: Any) -> post.Sent:
            asked.append(args[0])
            return await whole(self, *args)

        monkeypatch.setattr(post.Poster, "post", counted)
        happen(roony, company, "a", "b", "c")
        roony.run(work)
        first, *others = rows(roony, company)
        assert (first.status, first.tries, first.answer) == ("pending", 1, None)
        assert str(first.last_error).startswith("no connection")
        # Only what was sent counts a try; the others are due with it.
        assert [(row.status, row.tries, row.due_at, row.lease_until) for row in others] == [
            ("pending", 0, first.due_at, 0)
        ] * 2
        assert all(str(row.last_error).startswith("not sent") for row in others)
        assert len(asked) == 1

    def test_one_that_refuses_does_not_hold_up_the_next(
        self, roony: ServedRoony, company: Company, receiver: Receiver
    ) -> None:
        endpoint(company, receiver)
        receiver.script(Reply(500), Reply(200))
        happen(roony, company, "a", "b")
        roony.run(work)
        assert [row.status for row in rows(roony, company)] == ["pending", "delivered"]

    def test_a_private_receiver_that_is_not_listed_is_told_nothing(
        self, roony: ServedRoony, company: Company, receiver: Receiver
    ) -> None:
        made = endpoint(company, receiver)
        # As if the operator had taken the network off the list.
        listed, roony.context.poster.guard.listed = roony.context.poster.guard.listed, ()
        try:
            company.owner.send("POST", f"{ENDPOINTS}/{made['id']}/test", status=202)
            roony.run(work)
        finally:
            roony.context.poster.guard.listed = listed
        assert receiver.arrived == []
        [row] = rows(roony, company)
        assert "private_address" in str(row.last_error)


class TestOwner:
    def test_the_secret_is_shown_once_and_lies_sealed(
        self, roony: ServedRoony, company: Company, receiver: Receiver
    ) -> None:
        made = endpoint(company, receiver, "alert.opened")
        assert made["secret"].startswith("whsec_")
        shown = company.owner.get(f"{ENDPOINTS}/{made['id']}")
        assert "secret" not in shown
        assert made == {**shown, "secret": made["secret"]}
        assert company.owner.get(ENDPOINTS)["data"] == [shown]
        assert made["secret"] not in company.owner.call("GET", f"{ADMIN}/audit").text
        table = tables.webhook_endpoints
        [[sealed]] = roony.context.database.read(select(table.c.sealed).where(table.c.id == made["id"]))
        assert made["secret"] not in sealed

    def test_rotated_both_secrets_sign_until_the_overlap_is_over(
        self, roony: ServedRoony, company: Company, receiver: Receiver
    ) -> None:
        made = endpoint(company, receiver, "alert.opened")
        new = company.owner.send("POST", f"{ENDPOINTS}/{made['id']}/rotate_secret", {})
        assert new["secret"] != made["secret"]
        assert new["old_secret_until"] is not None
        happen(roony, company, "a")
        roony.run(work)
        assert [is_good(one["secret"], receiver.arrived[0]) for one in (made, new)] == [True, True]
        roony.books.clock.advance(DEFAULT_OVERLAP + 1)
        happen(roony, company, "b")
        roony.run(work)
        assert [is_good(one["secret"], receiver.arrived[1]) for one in (made, new)] == [False, True]
        last = company.owner.send("POST", f"{ENDPOINTS}/{made['id']}/rotate_secret", {"overlap_seconds": 0})
        happen(roony, company, "c")
        roony.run(work)
        assert [is_good(one["secret"], receiver.arrived[2]) for one in (made, new, last)] == [False, False, True]

    def test_disabled_it_is_told_nothing_and_enabled_what_happens_from_then_on(
        self, roony: ServedRoony, company: Company, receiver: Receiver
    ) -> None:
        made = endpoint(company, receiver, "alert.opened")
        path = f"{ENDPOINTS}/{made['id']}"
        happen(roony, company, "a")

        async def hand_out(context: FlowContext) -> None:
            await handing.hand_out_all(context)

        roony.run(hand_out)
        assert company.owner.send("PATCH", path, {"status": "disabled"})["status"] == "disabled"
        happen(roony, company, "b")
        roony.run(work)
        assert receiver.arrived == []
        assert [row.status for row in rows(roony, company)] == ["canceled"]
        assert company.owner.refused(409, "POST", f"{path}/test")["code"] == "endpoint_disabled"
        assert company.owner.refused(409, "POST", f"{path}/replay", {"since": "1h"})["code"] == "endpoint_disabled"
        happen(roony, company, "c")
        company.owner.send("PATCH", path, {"status": "active"})
        happen(roony, company, "d")
        roony.run(work)
        assert names_of(receiver.arrived) == ["d"]

    def test_removed_it_is_gone_with_its_secret(self, roony: ServedRoony, company: Company, receiver: Receiver) -> None:
        made = endpoint(company, receiver)
        path = f"{ENDPOINTS}/{made['id']}"
        happen(roony, company, "a")
        assert company.owner.send("DELETE", path)["status"] == "removed"
        roony.run(work)
        assert receiver.arrived == []
        table = tables.webhook_endpoints
        [row] = roony.context.database.read(select(table).where(table.c.id == made["id"]))
        assert (row.sealed, row.sealed_before) == ("", "")
        assert company.owner.get(ENDPOINTS)["data"] == []
        for method, more, body in (
            ("GET", "", None), ("PATCH", "", {"status": "active"}), ("DELETE", "", None), ("POST", "/test", None),
            ("POST", "/rotate_secret", {}), ("POST", "/replay", {"since": "1h"}),
        ):  # fmt: skip
            assert company.owner.refused(404, method, path + more, body)["code"] == "not_found"

    def test_everything_since_a_time_is_sent_again_under_the_same_ids(
        self, roony: ServedRoony, company: Company, receiver: Receiver
    ) -> None:
        made = endpoint(company, receiver, "alert.opened")
        happen(roony, company, "old")
        roony.run(work)
        roony.books.clock.advance(3_600)
        since = datetime.fromtimestamp(roony.books.clock.now / SECOND, UTC) - timedelta(minutes=5)
        happen(roony, company, "a", "b")
        roony.run(work)
        first = [one.headers["webhook-id"] for one in receiver.arrived[1:]]
        roony.books.clock.advance(60)
        path = f"{ENDPOINTS}/{made['id']}/replay"
        answer = company.owner.send("POST", path, {"since": since.isoformat().replace("+00:00", "Z")}, 202)
        assert answer == {"id": made["id"], "replayed": 2, "next_since": None}
        roony.run(work)
        assert [one.headers["webhook-id"] for one in receiver.arrived[3:]] == first
        assert company.owner.refused(422, "POST", path, {"since": "yesterday"})["field"] == "since"

    def test_a_test_is_sent_and_shown(self, roony: ServedRoony, company: Company, receiver: Receiver) -> None:
        made = endpoint(company, receiver, "alert.closed")
        sent = company.owner.send("POST", f"{ENDPOINTS}/{made['id']}/test", status=202)
        assert sent["status"] == "pending"
        roony.run(work)
        [arrived] = receiver.arrived
        assert Webhook(made["secret"]).verify(arrived.body, arrived.headers)["type"] == "webhook.test"
        assert company.owner.get(f"{DELIVERIES}/{sent['id']}")["status"] == "delivered"

    @pytest.mark.parametrize(
        ("body", "code", "field"),
        [
            ({"url": "https://10.0.0.1/"}, "url_private_address", "url"),
            ({"url": "https://[::1]/"}, "url_private_address", "url"),
            ({"url": "https://169.254.169.254/latest"}, "url_private_address", "url"),
            ({"url": "ftp://receiver.example/"}, "url_unreadable", "url"),
            ({"url": "https://me:word@receiver.example/"}, "url_unreadable", "url"),
            ({"url": ""}, "invalid", "url"),
            ({"url": "https://receiver.example/", "types": ["purchase.eaten"]}, "invalid", "types.0"),
            ({"url": "https://receiver.example/", "secret": "mine"}, "invalid", "secret"),
            ({"url": "https://receiver.example/", "description": "\x00"}, "invalid", "description"),
        ],
    )
    def test_a_bad_endpoint_is_refused_with_its_field_and_leaves_nothing(
        self, company: Company, body: dict[str, Any], code: str, field: str
    ) -> None:
        before = company.owner.get(f"{ADMIN}/audit?limit=1")["data"]
        error = company.owner.refused(422, "POST", ENDPOINTS, body)
        assert (error["code"], error["field"]) == (code, field)
        assert company.owner.get(ENDPOINTS)["data"] == []
        assert company.owner.get(f"{ADMIN}/audit?limit=1")["data"] == before

    def test_what_may_be_a_secret_in_an_address_is_shown_to_who_may_change_it_and_not_in_the_audit_chain(
        self, roony: ServedRoony, company: Company, receiver: Receiver
    ) -> None:
        url, other = (f"{receiver.url}/T0KEN{number}?key=T0KEN#T0KEN" for number in (1, 2))
        masked = f"http://127.0.0.1:{receiver.port}/***"
        made = company.owner.send("POST", ENDPOINTS, {"url": url}, 201)
        path = f"{ENDPOINTS}/{made['id']}"
        for role, shown in (("viewer", masked), ("approver", masked), ("admin", url), ("owner", url)):
            _, caller = person(roony, company, role)
            assert caller.get(path)["url"] == caller.get(ENDPOINTS)["data"][0]["url"] == shown
        company.owner.send("PATCH", path, {"url": other})
        company.owner.send("PATCH", path, {"description": "books"})
        assert "T0KEN" not in company.owner.call("GET", f"{ADMIN}/audit").text
        described, moved, created = (
            record["body"] for record in company.owner.get(f"{ADMIN}/audit")["data"]
            if record["action"].startswith("webhook_endpoint.")
        )  # fmt: skip
        assert created["url"] == moved["before"]["url"] == moved["after"]["url"] == masked
        # That it changed is seen all the same.
        assert created["url_hash"] == moved["before"]["url_hash"] != moved["after"]["url_hash"]
        assert described["before"]["url_hash"] == described["after"]["url_hash"] == moved["after"]["url_hash"]

    def test_there_is_a_limit_to_endpoints(self, company: Company, receiver: Receiver) -> None:
        made = [endpoint(company, receiver) for _ in range(MAX_ENDPOINTS)]
        body = {"url": receiver.url}
        assert company.owner.refused(409, "POST", ENDPOINTS, body)["code"] == "too_many_endpoints"
        company.owner.send("DELETE", f"{ENDPOINTS}/{made[0]['id']}")
        endpoint(company, receiver)

    def test_another_organizations_things_are_not_there(
        self, roony: ServedRoony, company: Company, receiver: Receiver
    ) -> None:
        made = endpoint(company, receiver)
        sent = company.owner.send("POST", f"{ENDPOINTS}/{made['id']}/test", status=202)
        owner = roony.company().owner
        for method, path, body in (
            ("GET", f"{ENDPOINTS}/{made['id']}", None), ("PATCH", f"{ENDPOINTS}/{made['id']}", {"status": "disabled"}),
            ("DELETE", f"{ENDPOINTS}/{made['id']}", None), ("POST", f"{ENDPOINTS}/{made['id']}/test", None),
            ("POST", f"{ENDPOINTS}/{made['id']}/rotate_secret", {}),
            ("POST", f"{ENDPOINTS}/{made['id']}/replay", {"since": "1h"}),
            ("GET", f"{DELIVERIES}/{sent['id']}", None), ("POST", f"{DELIVERIES}/{sent['id']}/replay", None),
        ):  # fmt: skip
            assert owner.refused(404, method, path, body)["code"] == "not_found"
        assert owner.get(DELIVERIES)["data"] == []
