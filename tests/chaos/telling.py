"""Scenes about webhooks: whatever dies between a notice and its receiver, it arrives, under one id."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from roony.core.alert import Alert, alert_id
from roony.core.notification import WebhookEndpoint
from tests.chaos.scenes import Arm, scene
from tests.support.crashing import ADMIN, Crashable
from tests.support.receiver import Receiver, Reply
from tests.support.served import unique

ENDPOINTS = f"{ADMIN}/webhook_endpoints"
DELIVERIES = f"{ADMIN}/webhook_deliveries"
RECIPIENTS = f"{ADMIN}/message_recipients"


@contextmanager
def endpoint(company: Crashable, receiver: Receiver) -> Iterator[str]:
    """An endpoint at the receiver, gone afterwards."""
    id = company.send(company.owner, "POST", ENDPOINTS, {"url": receiver.url, "types": ["purchase.ready"]})["id"]
    try:
        yield str(id)
    finally:
        company.send(company.owner, "DELETE", f"{ENDPOINTS}/{id}")


def is_told(receiver: Receiver, purchase_id: str) -> bool:
    """Whether the receiver heard that a purchase is ready."""
    return any(json.loads(one.body)["data"]["id"] == purchase_id for one in receiver.arrived)


def deliveries(company: Crashable, endpoint_id: str) -> list[dict[str, Any]]:
    """What was sent to an endpoint."""
    return list(company.get("webhook_deliveries", target_id=endpoint_id, limit=100)["data"])


def status_of_all(company: Crashable, endpoint_id: str) -> set[str]:
    """How its deliveries stand."""
    return {row["status"] for row in deliveries(company, endpoint_id)}


@scene("direct", "deliveries.hand_out", "deliveries.claim", "deliveries.settle")
def a_notice_arrives(company: Crashable, arm: Arm) -> None:
    with Receiver() as receiver, endpoint(company, receiver) as id:
        agent = company.agent()
        arm()
        bought = [company.buy(agent)["id"] for _ in range(2)]
        company.until(lambda: all(is_told(receiver, purchase) for purchase in bought))
        company.until(lambda: status_of_all(company, id) == {"delivered"})
        # At least once each, however often that is: one delivery and one id for each notice.
        assert len(deliveries(company, id)) == 2
        assert {one.headers["webhook-id"] for one in receiver.arrived} == {row["id"] for row in deliveries(company, id)}


@scene(
    "direct", "CreateEndpoint", "ChangeEndpoint", "RotateEndpointSecret", "SendTest", "AskReplay", "ReplayDelivery",
    "deliveries.replay_since",
)  # fmt: skip
def an_owner_keeps_an_endpoint(company: Crashable, arm: Arm) -> None:
    with Receiver() as receiver:
        arm()
        company.send(company.owner, "POST", ENDPOINTS, {"url": receiver.url})
        # Asked again after a crash there may be two; each is whole.
        kept = [row["id"] for row in company.get("webhook_endpoints")["data"] if row["url"] == receiver.url]
        for id in kept:
            path = f"{ENDPOINTS}/{id}"
            company.send(company.owner, "PATCH", path, {"types": ["purchase.ready"], "description": "books"})
            company.send(company.owner, "POST", f"{path}/rotate_secret", {})
            company.send(company.owner, "POST", f"{path}/test")
            company.until(lambda id=id: status_of_all(company, id) == {"delivered"})  # type: ignore[misc]
            company.send(company.owner, "POST", f"{path}/replay", {"since": "1h"})
            company.until(lambda id=id: status_of_all(company, id) == {"delivered"})  # type: ignore[misc]
            [first, *_] = deliveries(company, id)
            company.send(company.owner, "POST", f"{DELIVERIES}/{first['id']}/replay")
            company.until(lambda id=id: status_of_all(company, id) == {"delivered"})  # type: ignore[misc]
            company.send(company.owner, "DELETE", path)
        assert not [row for row in company.get("webhook_endpoints")["data"] if row["url"] == receiver.url]
        assert len({one.headers["webhook-id"] for one in receiver.arrived}) >= len(kept)


@scene("direct", "CreateRecipient", "ChangeRecipient")
def an_owner_names_who_reads_messages(company: Crashable, arm: Arm) -> None:
    with Receiver() as receiver:
        address = f"mmost://127.0.0.1:{receiver.port}/3ccdd113474722377935511fc85d3dd4"
        name = unique("Ops")
        arm()
        body = {"name": name, "url": address, "types": ["card.failed"]}
        company.send(company.owner, "POST", RECIPIENTS, body)
        # Asked again after a crash there may be two; each is whole.
        kept = [row["id"] for row in company.get("message_recipients")["data"] if row["name"] == name]
        assert kept
        for id in kept:
            path = f"{RECIPIENTS}/{id}"
            company.send(company.owner, "PATCH", path, {"types": ["approval.requested"]})
            company.send(company.owner, "POST", f"{path}/test")
            company.until(lambda id=id: status_of_all(company, id) == {"delivered"})  # type: ignore[misc]
            company.send(company.owner, "DELETE", path)
        assert not [row for row in company.get("message_recipients")["data"] if row["name"] == name]
        assert len(receiver.arrived) >= len(kept)
        assert all("A test from Roony" in one.body for one in receiver.arrived)


@scene("direct", "GiveUpDelivery")
def a_receiver_is_gone_for_good(company: Crashable, arm: Arm) -> None:
    with Receiver() as receiver, endpoint(company, receiver) as id:
        receiver.script(Reply(410))
        arm()
        company.send(company.owner, "POST", f"{ENDPOINTS}/{id}/test")
        company.until(lambda: bool(company.get(f"webhook_endpoints/{id}")["status"] == "disabled"))
        assert status_of_all(company, id) <= {"dead", "canceled"}
        alerts = company.get("alerts", kind="webhook_failing", status="open")["data"]
        assert [row["times"] for row in alerts if row["subject"] == id] == [1]


@scene("direct", "EndFailing")
def a_receiver_takes_what_it_did_not_take_before(company: Crashable, arm: Arm) -> None:
    with Receiver() as receiver, endpoint(company, receiver) as id:
        about = ("webhook_failing", id)
        org = company.books.row(WebhookEndpoint, id=id).organization_id
        # As it was left by three days of silence, which no scene can wait for.
        company.put(Alert(org, alert_id(*about), *about, "open", "silent", 1, None, 1, 1, None))
        arm()

        def is_over() -> bool:
            # Dead between the delivery and the end of its alert, it ends with the next one.
            company.send(company.owner, "POST", f"{ENDPOINTS}/{id}/test")
            return bool(company.books.row(Alert, id=alert_id(*about)).status == "closed")

        company.until(is_over)


@scene("direct", "deliveries.leave")
def a_receiver_is_silent_for_a_while(company: Crashable, arm: Arm) -> None:
    with Receiver() as receiver, endpoint(company, receiver) as id:
        agent = company.agent()
        for _ in range(2):
            company.buy(agent)
        company.until(lambda: [row["status"] for row in deliveries(company, id)] == ["delivered"] * 2)
        before = len(receiver.arrived)
        receiver.script(Reply(drop=True), Reply())
        arm()
        # Both wait at once: where one is not answered, the other is put off with it.
        company.send(company.owner, "POST", f"{ENDPOINTS}/{id}/replay", {"since": "1h"})
        company.until(lambda: status_of_all(company, id) == {"delivered"})
        assert len({one.headers["webhook-id"] for one in receiver.arrived[before:]}) == 2


@scene("direct", "deliveries.cancel")
def an_endpoint_is_disabled_while_something_waits(company: Crashable, arm: Arm) -> None:
    with Receiver() as receiver, endpoint(company, receiver) as id:
        receiver.script(Reply(500))
        company.send(company.owner, "POST", f"{ENDPOINTS}/{id}/test")
        company.until(lambda: bool(receiver.arrived))
        arm()
        company.send(company.owner, "PATCH", f"{ENDPOINTS}/{id}", {"status": "disabled"})
        company.until(lambda: status_of_all(company, id) == {"canceled"})
