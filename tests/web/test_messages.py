"""Messages to people: recipients kept by the owner, each notice once for each who chose it, tried until it is taken."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest
from sqlalchemy import select, update

from roony.core.agent import Organization
from roony.core.connection import Connection
from roony.core.message import MESSAGE_TYPES
from roony.core.notification import WAITS
from roony.flows.context import FlowContext
from roony.flows.notification import recipient as recipients
from roony.store import tables
from roony.store.vault import row_name
from tests.support.books import NOW
from tests.support.receiver import Receiver, Reply
from tests.support.serving import Caller, Company, ServedRoony
from tests.support.tills import Do
from tests.support.webhooks import cancel_all, recorded, work
from tests.web.conftest import MONTH

ADMIN = "/api/v1/admin"
RECIPIENTS = f"{ADMIN}/message_recipients"
TOKEN = "3ccdd113474722377935511fc85d3dd4"
MARK = {
    "scope": "organization", "scope_id": "org", "currency": "usd", "period": "month", "period_start": 17,
    "limit": 50_000, "used": 40_000,
}  # fmt: skip
# A text is sent by a process of its own, which takes half a second. What is written of it lies in the table of the
# webhooks' deliveries, which flows/test_delivery.py looks at on both databases; here both is for what is told to whom.
ONE_DATABASE = pytest.mark.parametrize("backend", ["sqlite"], indirect=True, scope="module")


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as one:
        yield one


@pytest.fixture(autouse=True)
def quiet_before(roony: ServedRoony) -> Iterator[None]:
    """What a test leaves unsent is not sent in the next one."""
    yield
    roony.run(cancel_all)


def address(receiver: Receiver) -> str:
    """A service at the receiver."""
    return f"mmost://127.0.0.1:{receiver.port}/{TOKEN}"


def named(company: Company, receiver: Receiver, *types: str, name: str = "Ops") -> dict[str, Any]:
    """A recipient who reads at the receiver."""
    body = {"name": name, "url": address(receiver), "types": list(types)}
    made: dict[str, Any] = company.owner.send("POST", RECIPIENTS, body, 201)
    return made


def happen(roony: ServedRoony, company: Company, action: str, subject: str, **body: Any) -> None:
    """Something happens."""
    record = partial(recorded, company.id, action, subject, body)
    roony.context.till.submit_and_wait(Do(record, organization_id=company.id))


def texts(receiver: Receiver) -> list[str]:
    """What was read there, in order."""
    return [json.loads(one.body)["text"].replace("\r\n", "\n") for one in receiver.arrived]


def deliveries(company: Company, made: dict[str, Any], **where: str) -> list[dict[str, Any]]:
    """Its deliveries, oldest first."""
    found: list[dict[str, Any]] = company.owner.get(f"{RECIPIENTS}/{made['id']}/deliveries", params=where)["data"]
    return found[::-1]


class TestTelling:
    def test_who_decides_is_told_in_words_with_the_agents_in_quotes(
        self, roony: ServedRoony, company: Company, receiver: Receiver
    ) -> None:
        made = named(company, receiver, "approval.requested")
        con, [organization] = roony.context.new_id("con"), roony.books.rows(Organization, id=company.id)
        roony.books.put(
            organization._replace(connection_id=con),
            Connection(company.id, con, "connect", "active", None, 0, "read_write", "usd", None, NOW, NOW),
        )
        _, agent = company.agent("Buyer", budgets=[MONTH], controls={"approval_threshold": 0})
        wish = {
            "amount": 12_999, "currency": "usd", "merchant": {"name": "[Figma](https://evil.example) @channel"},
            "description": "Pay now\nApproved by: the owner <!here> 4242 4242 4242 4242",
        }  # fmt: skip
        asked = agent.send("POST", "/api/v1/purchase_intents", wish, 201)
        roony.run(work)
        [text] = texts(receiver)
        title, *lines = text.split("\n")
        assert title == "Approval wanted: 129.99 USD"
        said = dict(line.split(": ", 1) for line in lines)
        assert said["Merchant, as it was named to Roony"] == "“(Figma)(https: //evil(.)example) (at)channel”"
        # The card's number was taken out of the ask already.
        assert said["The agent writes, unchecked"] == (
            "“Pay now Approved by: the owner \u2039!here\u203a ···· ···· ···· ····”"
        )
        assert said["Agent"].startswith("“Buyer” (agt_")
        assert said["Decide with an approver's own key"] == f"http://localhost:9/approve/{asked['approval']['id']}"
        [row] = deliveries(company, made)
        assert (row["status"], row["answer"], row["tries"]) == ("delivered", 200, 1)
        assert row["payload"]["data"]["title"] == title

    def test_each_notice_is_told_once_to_each_who_chose_it_in_order(
        self, roony: ServedRoony, company: Company, receiver: Receiver
    ) -> None:
        happen(roony, company, "alert.opened", "alt_0", kind="before", message="m")
        with Receiver() as other:
            named(company, receiver)
            named(company, other, "card.failed")
            happen(roony, company, "alert.opened", "alt_1", kind="one", message="m")
            happen(roony, company, "card.failed", "pur_1", code="broken")
            happen(roony, company, "alert.closed", "alt_1", kind="one")
            happen(roony, company, "alert.opened", "alt_2", kind="two", message="m")
            roony.run(work)
            roony.run(work)
            titles = [text.split("\n")[0] for text in texts(receiver)]
            assert titles == ["Alert: one", "A card could not be made", "Alert: two"]
            assert [text.split("\n")[0] for text in texts(other)] == ["A card could not be made"]

    def test_another_organizations_people_hear_nothing(
        self, roony: ServedRoony, company: Company, receiver: Receiver
    ) -> None:
        named(company, receiver)
        happen(roony, roony.company(), "alert.opened", "alt_1", kind="theirs", message="m")
        roony.run(work)
        assert receiver.arrived == []

    def test_a_mark_of_a_budget_is_told_once_in_a_period(
        self, roony: ServedRoony, company: Company, receiver: Receiver
    ) -> None:
        made = named(company, receiver, "budget.warning", "budget.exhausted")
        # Twice in one piece of the chain and again later: what was set free came to the mark again.
        for _ in range(2):
            happen(roony, company, "budget.warning", "bud_1", **MARK)
        roony.run(work)
        happen(roony, company, "budget.warning", "bud_1", **MARK)
        happen(roony, company, "budget.exhausted", "bud_1", **MARK)
        happen(roony, company, "budget.warning", "bud_1", **{**MARK, "period_start": 18})
        happen(roony, company, "budget.warning", "bud_2", **MARK)
        roony.run(work)
        titles = [text.split("\n")[0] for text in texts(receiver)]
        share = "Budget at {}: organization"
        assert titles == [share.format("80 %"), *map(share.format, ("100 %", "80 %", "80 %"))]
        assert len(deliveries(company, made)) == 4

    def test_a_name_given_by_the_owner_stands_for_the_scope_of_a_budget(
        self, roony: ServedRoony, company: Company, receiver: Receiver
    ) -> None:
        named(company, receiver)
        agent, _ = company.agent("Travel desk")
        happen(roony, company, "budget.warning", "bud_1", **{**MARK, "scope": "agent", "scope_id": agent["id"]})
        roony.run(work)
        assert texts(receiver)[0].startswith("Budget at 80 %: agent “Travel desk”\n")


@ONE_DATABASE
class TestFailing:
    def test_what_is_refused_or_led_elsewhere_is_tried_again(
        self, roony: ServedRoony, company: Company, receiver: Receiver
    ) -> None:
        made = named(company, receiver)
        receiver.script(Reply(503), Reply(307, {"location": "http://127.0.0.1:9/"}), Reply(200))
        happen(roony, company, "alert.opened", "alt_1", kind="one", message="m")
        for wait, error in zip(WAITS[:2], ("the service answered 503", "the service answered 307"), strict=True):
            roony.run(work)
            [row] = deliveries(company, made)
            assert (row["status"], row["last_error"]) == ("pending", error)
            roony.books.clock.advance(wait)
        roony.run(work)
        [row] = deliveries(company, made)
        assert (row["status"], row["tries"]) == ("delivered", 3)
        assert len(set(texts(receiver))) == 1

    def test_after_three_days_it_is_dead_and_an_alert_says_so_without_the_address(
        self, roony: ServedRoony, company: Company, receiver: Receiver
    ) -> None:
        made = named(company, receiver, "card.failed")
        happen(roony, company, "card.failed", "pur_1", code="broken")
        roony.run(work)
        [row] = deliveries(company, made)
        company.owner.send("POST", f"{ADMIN}/webhook_deliveries/{row['id']}/replay", status=202)
        receiver.script(Reply(404))

        # As after all tries but the last one, each of which would be a process.
        async def nearly(context: FlowContext) -> None:
            table = tables.notice_deliveries
            change = update(table).where(table.c.id == row["id"]).values(tries=len(WAITS))
            await context.till.write(lambda writer: writer.execute(change))

        roony.run(nearly)
        roony.run(work)
        [row] = deliveries(company, made)
        assert (row["status"], row["tries"]) == ("dead", 1 + len(WAITS))
        [alert] = company.owner.get(f"{ADMIN}/alerts?status=open&kind=message_failing")["data"]
        assert alert["subject"] == made["id"]
        assert alert["message"].startswith("Ops (mmost://…3dd4) could not be told")
        assert TOKEN not in company.owner.call("GET", f"{ADMIN}/audit").text
        # Taken again, it is over.
        company.owner.send("POST", f"{ADMIN}/webhook_deliveries/{row['id']}/replay", status=202)
        receiver.script(Reply(200))
        roony.run(work)
        [closed] = company.owner.get(f"{ADMIN}/alerts?status=closed&kind=message_failing")["data"]
        assert (closed["id"], closed["closed_by"]) == (alert["id"], "roony")
        assert company.owner.get(f"{ADMIN}/alerts?status=open&kind=message_failing")["data"] == []

    def test_a_network_that_is_not_listed_any_more_is_not_reached(
        self, roony: ServedRoony, company: Company, receiver: Receiver
    ) -> None:
        made = named(company, receiver)
        guard = roony.context.messenger.guard
        listed, guard.listed = guard.listed, ()
        try:
            company.owner.send("POST", f"{RECIPIENTS}/{made['id']}/test", status=202)
            roony.run(work)
        finally:
            guard.listed = listed
        assert receiver.arrived == []
        [row] = deliveries(company, made)
        assert row["last_error"].startswith("private_address")


@ONE_DATABASE
class TestOwner:
    def test_the_address_lies_sealed_and_is_shown_to_nobody(
        self, roony: ServedRoony, company: Company, receiver: Receiver
    ) -> None:
        made = named(company, receiver, "alert.opened")
        assert made["address"] == "mmost://…3dd4"
        assert company.owner.get(RECIPIENTS)["data"] == [company.owner.get(f"{RECIPIENTS}/{made['id']}")] == [made]
        company.owner.send("PATCH", f"{RECIPIENTS}/{made['id']}", {"url": address(receiver).replace("3cc", "4cc")})
        table = tables.message_recipients
        [[sealed]] = roony.context.database.read(select(table.c.sealed).where(table.c.id == made["id"]))
        name = row_name("message_recipients", company.id, made["id"], "sealed")
        assert roony.context.vault.open(sealed, name) == address(receiver).replace("3cc", "4cc")
        told = company.owner.call("GET", f"{ADMIN}/audit").text + company.owner.call("GET", RECIPIENTS).text
        assert "message_recipient.created" in told
        assert "message_recipient.changed" in told
        for secret in (TOKEN[:-4], sealed, str(receiver.port)):
            assert secret not in told

    def test_changed_disabled_enabled_and_removed(
        self, roony: ServedRoony, company: Company, receiver: Receiver
    ) -> None:
        made = named(company, receiver)
        path = f"{RECIPIENTS}/{made['id']}"
        changed = company.owner.send("PATCH", path, {"name": "Night shift", "types": ["card.failed", "card.failed"]})
        assert (changed["name"], changed["types"]) == ("Night shift", ["card.failed"])
        assert company.owner.send("PATCH", path, {}) == changed
        happen(roony, company, "card.failed", "pur_1", code="a")
        assert company.owner.send("PATCH", path, {"status": "disabled"})["status"] == "disabled"
        roony.run(work)
        assert company.owner.refused(409, "POST", f"{path}/test")["code"] == "recipient_disabled"
        company.owner.send("PATCH", path, {"status": "active"})
        happen(roony, company, "card.failed", "pur_2", code="b")
        roony.run(work)
        assert ["Because of: b" in text for text in texts(receiver)] == [True]
        assert company.owner.send("DELETE", path)["status"] == "removed"
        table = tables.message_recipients
        assert roony.context.database.read(select(table.c.sealed).where(table.c.id == made["id"])) == [("",)]
        assert company.owner.get(RECIPIENTS)["data"] == []
        calls = (("GET", "", None), ("PATCH", "", {}), ("DELETE", "", None), ("POST", "/test", None))
        for method, more, body in (*calls, ("GET", "/deliveries", None)):
            assert company.owner.refused(404, method, path + more, body)["code"] == "not_found"

    def test_a_test_is_sent_and_shown_and_sent_again(
        self, roony: ServedRoony, company: Company, receiver: Receiver
    ) -> None:
        made = named(company, receiver, "card.failed")
        sent = company.owner.send("POST", f"{RECIPIENTS}/{made['id']}/test", status=202)
        roony.run(work)
        company.owner.send("POST", f"{ADMIN}/webhook_deliveries/{sent['id']}/replay", status=202)
        roony.run(work)
        assert [text.split("\n")[0] for text in texts(receiver)] == ["A test from Roony"] * 2
        [row] = company.owner.get(f"{ADMIN}/webhook_deliveries?target_id={made['id']}")["data"]
        assert (row["id"], row["type"], row["status"]) == (sent["id"], "message.test", "delivered")

    @pytest.mark.parametrize(
        ("body", "code", "field"),
        [
            ({"url": "https://hooks.example/x"}, "url_scheme", "url"),
            ({"url": f"mmost://127.0.0.1/{TOKEN}?attach=/etc/passwd"}, "url_parameter", "url"),
            ({"url": "slack://T1/incomplete"}, "url_incomplete", "url"),
            ({"url": f"slack://{TOKEN}é"}, "url_unreadable", "url"),
            ({"url": ""}, "invalid", "url"), ({"url": 5}, "invalid", "url"), ({"url": None}, "invalid", "url"),
            ({"name": ""}, "invalid", "name"), ({"name": "a\nb"}, "invalid", "name"),
            ({"types": ["purchase.ready"]}, "invalid", "types.0"), ({"types": "all"}, "invalid", "types"),
            ({"extra": 1}, "invalid", "extra"),
        ],
    )  # fmt: skip
    def test_bad_input_is_refused_and_leaves_nothing(
        self, company: Company, body: dict[str, Any], code: str, field: str
    ) -> None:
        head = company.owner.get(f"{ADMIN}/audit")["data"]
        good = {"name": "Ops", "url": f"mmost://127.0.0.1/{TOKEN}"}
        error = company.owner.refused(422, "POST", RECIPIENTS, {**good, **body})
        assert (error["code"], error["field"]) == (code, field)
        assert TOKEN not in json.dumps(error)
        assert company.owner.get(RECIPIENTS)["data"] == []
        assert company.owner.get(f"{ADMIN}/audit")["data"] == head

    def test_a_bad_change_changes_nothing(self, company: Company, receiver: Receiver) -> None:
        made = named(company, receiver)
        path = f"{RECIPIENTS}/{made['id']}"
        for body in ({"url": "slack://T1/incomplete"}, {"status": "removed"}, {"types": ["purchase.ready"]}):
            company.owner.refused(422, "PATCH", path, body)
        assert company.owner.get(path) == made

    def test_there_is_an_end_to_recipients(
        self, company: Company, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(recipients, "MAX_RECIPIENTS", 1)
        made = named(company, receiver)
        body = {"name": "One more", "url": address(receiver)}
        assert company.owner.refused(409, "POST", RECIPIENTS, body)["code"] == "too_many_recipients"
        company.owner.send("DELETE", f"{RECIPIENTS}/{made['id']}")
        named(company, receiver)

    def test_who_only_looks_changes_nothing(self, roony: ServedRoony, company: Company, receiver: Receiver) -> None:
        made = named(company, receiver)
        user = {"name": "Ann", "email": "ann@example.com", "role": "viewer"}
        user = company.owner.send("POST", f"{ADMIN}/users", user, 201)
        key = company.owner.send("POST", f"{ADMIN}/users/{user['id']}/keys", {}, 201)["key"]
        viewer: Caller = roony.caller(key)
        assert viewer.get(RECIPIENTS)["data"] == [made]
        body = {"name": "Mine", "url": address(receiver)}
        for method, path in (("POST", RECIPIENTS), ("PATCH", f"{RECIPIENTS}/{made['id']}")):
            assert viewer.refused(403, method, path, body)["code"] == "role_too_low"

    def test_every_type_people_hear_of_may_be_chosen(self, company: Company, receiver: Receiver) -> None:
        assert named(company, receiver, *MESSAGE_TYPES)["types"] == sorted(MESSAGE_TYPES)
