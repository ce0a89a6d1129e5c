"""People read of an approval they are to give and of a budget that ends, with the commands the documentation tells."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from roony.core.notification import WAITS
from tests.support.commands import run_roony
from tests.support.receiver import Receiver, Reply
from tests.support.served import Simulation, unique, until

TOKEN = "3ccdd113474722377935511fc85d3dd4"
PRICE = 12_000


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as one:
        yield one


def command(roony: Simulation, *arguments: str, typed: str = "") -> Any:
    """`roony message …` as the owner types it; its JSON."""
    who = {"ROONY_ADMIN_KEY": roony.ready["admin_key"], "ROONY_URL": roony.url}
    run = run_roony("message", *arguments, "--json", typed=typed, **who)
    assert run.returncode == 0, run.stderr
    assert TOKEN not in run.stdout + run.stderr
    return json.loads(run.stdout)


def address(receiver: Receiver) -> str:
    """A chat server on this machine."""
    return f"mmost://127.0.0.1:{receiver.port}/{TOKEN}"


def texts(receiver: Receiver) -> list[list[str]]:
    """The lines of what was read."""
    return [json.loads(one.body)["text"].splitlines() for one in receiver.arrived]


def statuses(roony: Simulation, made: dict[str, Any]) -> list[tuple[str, int]]:
    """How its messages stand, and how often each was tried; oldest first."""
    rows = roony.owner.get(f"/api/v1/admin/message_recipients/{made['id']}/deliveries")["data"]
    return [(row["status"], row["tries"]) for row in rows[::-1]]


def test_an_approval_is_wanted_and_given_and_the_budget_is_told_of_once(roony: Simulation, receiver: Receiver) -> None:
    made = command(roony, "add", "Ops", "-", "--type", "approval.requested", typed=address(receiver) + "\n")
    assert made["address"] == "mmost://…3dd4"
    assert [row["id"] for row in command(roony, "list")["data"]] == [made["id"]]
    every = ("--type", "approval.requested", "--type", "budget.warning", "--type", "budget.exhausted")
    command(roony, "change", made["id"], *every)
    budget = {"period": "month", "limit": 2 * PRICE, "currency": "usd"}
    buyer = roony.buyer(controls={"approval_threshold": PRICE - 1}, budgets=[budget])
    purchase = buyer.ask(PRICE, unique("GitHub"), description="Visit https://evil.example now\n@channel <!here>")
    until(lambda: len(receiver.arrived), 1)
    [title, *lines] = texts(receiver)[0]
    assert title == "Approval wanted: 120.00 USD"
    said = dict(line.split(": ", 1) for line in lines)
    assert said["The agent writes, unchecked"] == ("“Visit https: //evil(.)example now (at)channel \u2039!here\u203a”")
    # The link names the approval and gives nobody a right.
    link = said["Decide with an approver's own key"]
    assert link == f"{roony.ready['url']}/approve/{purchase['approval']['id']}"
    page = roony.caller("").call("GET", f"/approve/{purchase['approval']['id']}").text
    assert "120.00" not in page
    roony.owner.send("POST", f"/api/v1/admin/approvals/{purchase['approval']['id']}/approve", {})
    until(lambda: buyer.purchase(purchase["id"])["status"], "ready")

    # The rest of the budget: 80 and 100 % in one step; what is set free and held again is no news.
    second = buyer.ask(PRICE, unique("GitLab"))
    until(lambda: [lines[0].split(":")[0] for lines in texts(receiver)].count("Budget at 100 %"), 1)
    roony.owner.send("POST", f"/api/v1/admin/approvals/{second['approval']['id']}/deny", {})
    buyer.ask(PRICE, unique("Gitea"))
    until(lambda: [lines[0].split(":")[0] for lines in texts(receiver)].count("Approval wanted"), 3)
    titles = [lines[0].split(":")[0] for lines in texts(receiver)]
    assert (titles.count("Budget at 80 %"), titles.count("Budget at 100 %")) == (1, 1)
    command(roony, "remove", made["id"])
    assert command(roony, "list")["data"] == []


def test_what_is_refused_led_away_or_kept_waiting_comes_later(roony: Simulation, receiver: Receiver) -> None:
    with Receiver() as elsewhere:
        made = command(roony, "add", "Ops", address(receiver), "--type", "purchase.declined")
        receiver.script(Reply(403), Reply(302, {"location": elsewhere.url}), Reply(200))
        roony.buyer(controls={"purchase_limit": 100}).ask(PRICE, unique("GitHub"))
        for tries, wait in enumerate(WAITS[:2], start=1):
            until(lambda tries=tries: statuses(roony, made), [("pending", tries)])  # type: ignore[misc]
            roony.advance(wait)
        until(lambda: statuses(roony, made), [("delivered", 3)])
        assert elsewhere.arrived == []
    assert [lines[0] for lines in texts(receiver)] == ["Purchase declined: 120.00 USD"] * 3
    command(roony, "remove", made["id"])


def test_a_service_that_hangs_holds_up_neither_purchases_nor_another_recipient(
    roony: Simulation, receiver: Receiver
) -> None:
    answer = threading.Event()
    with Receiver() as slow:
        slow.script(Reply(wait_for=answer))
        made = [command(roony, "add", name, address(one)) for name, one in (("Slow", slow), ("Ops", receiver))]
        try:
            command(roony, "test", made[0]["id"])
            until(lambda: len(slow.arrived), 1)
            roony.buyer().buy(PRICE, unique("GitHub"))
            command(roony, "test", made[1]["id"])
            until(lambda: statuses(roony, made[1]), [("delivered", 1)])
            assert [status for status, _ in statuses(roony, made[0])] == ["pending"]
        finally:
            answer.set()
            for one in made:
                command(roony, "remove", one["id"])
