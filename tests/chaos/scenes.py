"""Pieces of a company's life, each with the commits and calls it passes: Roony is killed at one of them.

A scene prepares what it needs, calls `arm`, goes on as people, agents and Stripe do when no answer comes, and says what
must have come of it. It runs alike whether Roony dies in it or not.
"""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Callable
from typing import Any, NamedTuple
from urllib.parse import urljoin

import httpx2

from roony.cli.oauth_walk import Form
from roony.client.sealed import new_private_key, open_sealed
from roony.core.delivery import RevealLink
from roony.core.settlement import Discrepancy
from roony.store.rows import ConnectionSecret, InboxEvent, KnownMerchant, OutboxPromise
from roony.store.vault import new_key
from roony.web.health import PROBE_SECONDS
from tests.support.crashing import ADMIN, ASK, Crashable
from tests.support.served import SOFTWARE, unique
from tests.support.serving import Caller

Arm = Callable[[], None]
PRICE = 5_000


class Scene(NamedTuple):
    """`stage` is the company it plays in; `things` are the commits and calls that are killed in it."""

    play: Callable[[Crashable, Arm], None]
    stage: str
    things: tuple[str, ...]


SCENES: list[Scene] = []


def scene(stage: str, *things: str) -> Callable[[Callable[[Crashable, Arm], None]], Callable[[Crashable, Arm], None]]:
    """Registers a scene."""

    def register(play: Callable[[Crashable, Arm], None]) -> Callable[[Crashable, Arm], None]:
        SCENES.append(Scene(play, stage, things))
        return play

    return register


def standing(company: Crashable, agent: Caller) -> tuple[int, int]:
    """Held and spent of an agent in its lifetime."""
    rows = company.get("budgets", scope_id=agent.agent_id)["data"]  # type: ignore[attr-defined]
    [row] = [row for row in rows if row["period"] == "lifetime"]
    return row["held"], row["spent"]


def purchases(company: Crashable, agent: Caller) -> list[dict[str, Any]]:
    """All purchases of an agent."""
    return list(company.get("purchases", agent_id=agent.agent_id, limit=100)["data"])  # type: ignore[attr-defined]


def status_at_stripe(company: Crashable, stripe_card: str) -> str:
    """A card's status as Stripe has it."""
    return str(company.stripe().v1.issuing.cards.retrieve(stripe_card).status)


def controlled(company: Crashable, **controls: Any) -> Caller:
    """An agent with these controls."""
    return company.agent(controls=controls)


# Buying


@scene(
    "direct", "AskPurchase", "create_card", "RecordCard", "RecordDelivery", "fetch_card_details", "AnswerAuthorization",
    "inbox.keep", "inbox.claim", "BookAuthorization", "BookTransaction", "BookCard",
)  # fmt: skip
def a_purchase_is_made_and_paid(company: Crashable, arm: Arm) -> None:
    agent = company.agent()
    arm()
    bought = company.buy(agent, PRICE, key=uuid.uuid4().hex)
    details = company.insist(lambda: agent.call("POST", f"{ASK}/{bought['id']}/card", {"purpose": "pay"}))
    assert details.json()["number"]
    paid = company.pay(bought, PRICE)
    company.network().capture(paid.id)
    company.until_status(bought["id"], "settled")
    company.settle()
    assert [purchase["id"] for purchase in purchases(company, agent)] == [bought["id"]]
    assert standing(company, agent) == (0, PRICE)


@scene("direct", "CardWaits")
def stripe_turns_a_card_away_for_now(company: Crashable, arm: Arm) -> None:
    agent = company.agent()
    company.control("faults", [{"endpoint": "POST /v1/issuing/cards", "kind": "rate_limit", "count": 1}])
    arm()
    company.buy(agent)
    assert standing(company, agent) == (PRICE, 0)


@scene("direct", "list_cards")
def stripe_makes_a_card_and_answers_500(company: Crashable, arm: Arm) -> None:
    agent = company.agent()
    fault = {"endpoint": "POST /v1/issuing/cards", "kind": "error_after", "count": 1, "should_retry": False}
    company.control("faults", [fault])
    arm()
    asked = company.ask(agent)

    def found() -> bool:
        company.let_time_pass()
        return bool(company.get(f"purchases/{asked['id']}")["status"] == "ready")

    company.until(found)
    made = [card for card in company.control("state")["cards"] if card["metadata"].get("roony_purchase") == asked["id"]]
    assert len(made) == 1


@scene("direct", "FailCard")
def stripe_refuses_a_card_for_good(company: Crashable, arm: Arm) -> None:
    agent = company.agent()
    other = company.buy(company.agent())
    holder = company.stripe().v1.issuing.cards.retrieve(other["stripe_card"]).cardholder.id
    company.control(f"cardholders/{holder}", {"past_due": ["individual.first_name"]})
    try:
        arm()
        asked = company.ask(agent)
        company.until_status(asked["id"], "failed")
    finally:
        company.control(f"cardholders/{holder}", {"past_due": []})
    assert standing(company, agent) == (0, 0)


@scene("direct", "SetPublicKey")
def a_card_is_sealed_to_a_key_of_the_agents(company: Crashable, arm: Arm) -> None:
    agent, key = company.agent(), new_private_key()
    bought = company.buy(agent)
    path = f"{ADMIN}/agents/{agent.agent_id}/public_key"  # type: ignore[attr-defined]
    arm()
    company.send(company.owner, "PUT", path, json.loads(key.public))
    answer = company.insist(lambda: agent.call("POST", f"{ASK}/{bought['id']}/card", {"delivery": "sealed"}))
    assert open_sealed(key.jwk, answer.json()["jwe"])["purchase_id"] == bought["id"]
    changes = company.get("audit", action="agent.public_key_set", limit=100)["data"]
    assert len([row for row in changes if row["subject"] == agent.agent_id]) == 1  # type: ignore[attr-defined]


@scene("direct", "SpendLink", "CountWrongKey")
def a_person_is_shown_a_card(company: Crashable, arm: Arm) -> None:
    """A link that was spent when Roony died has shown nothing to anybody, and a new one is asked for."""
    agent, person = company.agent(), company.caller(None)
    bought = company.buy(agent)
    pages: list[str] = []
    arm()

    def typed(ticket: str, key: str) -> None:
        page = person.call("POST", "/reveal", data={"ticket": ticket, "key": key})
        pages.extend([page.text] if page.status_code == 200 else [])

    def shown() -> bool:
        asked = company.insist(lambda: agent.call("POST", f"{ASK}/{bought['id']}/card", {"delivery": "reveal"}))
        ticket = asked.json()["url"].partition("ticket=")[2]
        for key in ("roony_admin_mistyped", company.admin_key()):
            company.insist_on_nothing(lambda key=key: typed(ticket, key))  # type: ignore[misc]
        return bool(pages)

    company.until(shown)
    assert len(pages) == 1
    links = company.books.rows(RevealLink, purchase_id=bought["id"])
    used = sorted(link.delivery for link in links if link.used_at is not None)
    records = company.get("audit", action="card.revealed", limit=100)["data"]
    assert sorted(row["body"]["count"] for row in records if row["subject"] == bought["id"]) == used


# Approvals


def waiting(company: Crashable) -> tuple[Caller, dict[str, Any], str]:
    """An agent whose purchase waits for a person: agent, purchase, approval."""
    agent = controlled(company, approval_threshold=1_000)
    asked = company.ask(agent)
    assert asked["status"] == "awaiting_approval", asked
    [row] = [row for row in company.get("approvals", status="pending")["data"] if row["purchase_id"] == asked["id"]]
    return agent, asked, row["id"]


@scene("direct", "Approve")
def a_person_says_yes(company: Crashable, arm: Arm) -> None:
    agent, asked, approval = waiting(company)
    arm()
    company.send(company.owner, "POST", f"{ADMIN}/approvals/{approval}/approve", {"note": "fine"})
    company.until_status(asked["id"], "ready")
    assert standing(company, agent) == (PRICE, 0)


@scene("direct", "Deny")
def a_person_says_no(company: Crashable, arm: Arm) -> None:
    agent, asked, approval = waiting(company)
    arm()
    company.send(company.owner, "POST", f"{ADMIN}/approvals/{approval}/deny", {"note": "no"})
    company.until_status(asked["id"], "declined")
    assert standing(company, agent) == (0, 0)


@scene("direct", "ExpireApproval")
def nobody_says_anything(company: Crashable, arm: Arm) -> None:
    agent, asked, approval = waiting(company)
    arm()
    company.sql("UPDATE approvals SET expires_at = 1 WHERE id = :id", id=approval)
    company.until_status(asked["id"], "expired")
    assert standing(company, agent) == (0, 0)


# Ends and freezes


@scene("direct", "CancelPurchase", "cancel_card", "RecordCardStatus", "outbox.claim")
def a_purchase_is_canceled(company: Crashable, arm: Arm) -> None:
    agent = company.agent()
    bought = company.buy(agent)
    arm()
    company.send(company.owner, "POST", f"{ADMIN}/purchases/{bought['id']}/cancel")
    company.until(lambda: status_at_stripe(company, bought["stripe_card"]) == "canceled")
    company.settle()
    company.until_status(bought["id"], "canceled")
    assert standing(company, agent) == (0, 0)


@scene("direct", "PutOff")
def stripe_turns_a_cancel_away_for_now(company: Crashable, arm: Arm) -> None:
    agent = company.agent()
    bought = company.buy(agent)
    company.control("faults", [{"endpoint": "POST /v1/issuing/cards/{card}", "kind": "rate_limit", "count": 1}])
    arm()
    company.send(company.owner, "POST", f"{ADMIN}/purchases/{bought['id']}/cancel")
    company.until(lambda: status_at_stripe(company, bought["stripe_card"]) == "canceled")
    company.until_status(bought["id"], "canceled")
    assert standing(company, agent) == (0, 0)


@scene("direct", "ExpireCard")
def the_time_of_a_card_is_over(company: Crashable, arm: Arm) -> None:
    agent = company.agent()
    bought = company.buy(agent)
    arm()
    company.sql("UPDATE cards SET expires_at = 1 WHERE purchase_id = :id", id=bought["id"])
    company.until_status(bought["id"], "expired")
    company.until(lambda: status_at_stripe(company, bought["stripe_card"]) == "canceled")
    assert standing(company, agent) == (0, 0)


@scene("direct", "Freeze", "SetCardFrozen", "update_card_status", "FinishPromise", "Unfreeze")
def an_agent_is_frozen_and_let_go(company: Crashable, arm: Arm) -> None:
    agent = company.agent()
    bought = company.buy(agent)
    where = {"scope": "agent", "scope_id": agent.agent_id}  # type: ignore[attr-defined]
    arm()
    company.send(company.owner, "POST", f"{ADMIN}/freeze", where)
    refused = company.network().create(
        {"card": bought["stripe_card"], "amount": PRICE, "merchant_data": {"name": bought["shop"], **SOFTWARE}}
    )
    assert not refused.approved
    company.until(lambda: status_at_stripe(company, bought["stripe_card"]) == "inactive")
    company.send(company.owner, "POST", f"{ADMIN}/unfreeze", where)
    company.until(lambda: status_at_stripe(company, bought["stripe_card"]) == "active")
    assert standing(company, agent) == (PRICE, 0)
    company.settle()
    company.pay(bought)


@scene("direct", "retrieve_card")
def a_card_was_canceled_at_stripe_unheard(company: Crashable, arm: Arm) -> None:
    agent = company.agent()
    bought = company.buy(agent)
    company.settle()
    company.control("delivery", {"lose": 1})
    company.stripe().v1.issuing.cards.update(bought["stripe_card"], {"status": "canceled"})
    company.control("delivery", {})
    arm()
    company.send(company.owner, "POST", f"{ADMIN}/purchases/{bought['id']}/cancel")
    company.settle()
    company.until_status(bought["id"], "canceled")


@scene("direct", "Withdraw")
def an_answer_comes_too_late(company: Crashable, arm: Arm) -> None:
    """The decision is held up before its commit until Stripe was told no; then it is taken back."""
    agent = company.agent()
    bought = company.buy(agent)
    assert company.process is not None
    company.process.order("before_commit:AnswerAuthorization pause")
    late = company.network().create(
        {"card": bought["stripe_card"], "amount": PRICE, "merchant_data": {"name": bought["shop"], **SOFTWARE}}
    )
    assert not late.approved
    assert company.process.orders.recv() == "there"
    arm()
    company.process.orders.send("go on")
    company.until(lambda: bool(company.get("authorizations", purchase_id=bought["id"])["data"]))
    company.settle()
    assert company.pay(bought).approved
    assert standing(company, agent) == (PRICE, 0)


# The owner's desk


@scene(
    "direct", "CreateProject", "CreateAgent", "CreateAccessKey", "RevokeAccessKey", "SetBudget", "SetControls",
    "UpdateOrganization", "UpdateProject", "UpdateAgent", "PreviewPurchase", "health._a_row", "ApplyRules",
)  # fmt: skip
def the_owner_sets_things(company: Crashable, arm: Arm) -> None:
    arm()
    agent = company.agent()
    where = {"scope": "agent", "scope_id": agent.agent_id}  # type: ignore[attr-defined]
    limit = {**where, "period": "month", "limit": 7_000, "currency": "usd"}
    company.send(company.owner, "PUT", f"{ADMIN}/budgets", limit)
    company.send(company.owner, "PUT", f"{ADMIN}/controls", {**where, "controls": {"purchase_limit": 6_000}})
    keys = f"{ADMIN}/agents/{agent.agent_id}/keys"  # type: ignore[attr-defined]
    made = company.send(company.owner, "POST", keys, {"name": "second"})
    company.send(company.owner, "DELETE", f"{keys}/{made['id']}")
    name = unique("Acme")
    company.send(company.owner, "PATCH", f"{ADMIN}/organization", {"name": name})
    made_project = company.send(company.owner, "POST", f"{ADMIN}/projects", {"name": name})["id"]
    company.send(company.owner, "PATCH", f"{ADMIN}/projects/{made_project}", {"name": f"{name} again"})
    company.send(company.owner, "PATCH", f"{ADMIN}/agents/{where['scope_id']}", {"project_ids": [made_project]})
    rules = {"projects": {made_project: {"controls": {"velocity_count": 9}}}, "agents": {name: {}}}
    company.send(company.owner, "PUT", f"{ADMIN}/rules", rules)
    wish = {"amount": 6_001, "currency": "usd", "description": "x", "merchant": {"name": "Figma", **SOFTWARE}}
    preview = company.insist(lambda: agent.call("POST", f"{ASK}/preview", wish)).json()
    assert preview["decision"]["verdict"] == "declined", preview
    # A look is shared for a while: that of a scene before is not to be the answer here.
    looked = time.monotonic() + PROBE_SECONDS
    company.until(lambda: time.monotonic() > looked)
    assert company.insist(lambda: company.owner.call("GET", "/readyz")).status_code == 200
    [row] = [row for row in company.get("budgets", scope_id=where["scope_id"])["data"] if row["period"] == "month"]
    assert row["limit"] == 7_000
    assert company.get("organization")["name"] == name
    assert company.get(f"projects/{made_project}")["name"] == f"{name} again"
    assert made_project in company.get(f"agents/{where['scope_id']}")["project_ids"]
    assert company.insist(lambda: company.caller(made["key"]).call("GET", ASK)).status_code == 401
    # Both or neither of what one document says.
    assert [row["version"] for row in company.get("controls", scope_id=made_project)["data"]] == [1]
    assert [row["name"] for row in company.get("agents", limit=100)["data"]].count(name) == 1


@scene("direct", "TeachAlias", "ForgetLearned")
def a_merchant_gets_another_name_for_a_while(company: Crashable, arm: Arm) -> None:
    shop, alias = unique("Shop"), unique("Alias")
    company.buy(company.agent(), merchant=shop)

    def aliases() -> list[str]:
        [row] = company.books.rows(KnownMerchant, name=shop)
        return list(json.loads(row.aliases))

    before = aliases()
    arm()
    company.send(company.owner, "POST", f"{ADMIN}/merchants/aliases", {"merchant": shop, "alias": alias})
    [learned] = set(aliases()) - set(before)
    company.send(company.owner, "POST", f"{ADMIN}/merchants/forget", {"merchant": shop, "alias": learned})
    assert aliases() == before


@scene("direct", "ResolveDiscrepancy")
def a_finding_is_resolved(company: Crashable, arm: Arm) -> None:
    agent = company.agent()
    bought = company.buy(agent)
    company.stripe().v1.test_helpers.issuing.transactions.create_force_capture(
        {"card": bought["stripe_card"], "amount": 700, "merchant_data": {"name": bought["shop"], **SOFTWARE}}
    )
    company.settle()
    [found] = company.get("discrepancies", purchase_id=bought["id"], kind="force_capture")["data"]
    arm()
    company.send(company.owner, "POST", f"{ADMIN}/discrepancies/{found['id']}/resolve", {"note": "known"})
    assert company.get(f"discrepancies/{found['id']}")["status"] == "resolved"


# Strange events


@scene("direct", "inbox.fail", "ReplayEvent", "ReplayEvents")
def an_event_cannot_be_read(company: Crashable, arm: Arm) -> None:
    event = company.made_up("issuing_transaction.created", {"id": f"ipi_{uuid.uuid4().hex}", "object": "nonsense"})
    arm()
    assert company.tell(event) == 200

    def status() -> str:
        return str(company.get(f"events/{event['id']}")["status"])

    company.until(lambda: status() == "failed")
    company.sql("UPDATE inbox SET status = 'dead' WHERE id = :id", id=event["id"])
    company.send(company.owner, "POST", f"{ADMIN}/events/{event['id']}/replay")
    company.until(lambda: status() == "failed")
    company.sql("UPDATE inbox SET status = 'dead' WHERE id = :id", id=event["id"])
    company.send(company.owner, "POST", f"{ADMIN}/events/replay", {"status": "dead"})
    company.until(lambda: status() == "failed")
    company.sql("UPDATE inbox SET status = 'dead' WHERE id = :id", id=event["id"])


@scene("direct", "FinishEvent")
def an_event_moves_no_money_of_agents(company: Crashable, arm: Arm) -> None:
    event = company.made_up("charge.succeeded", {"id": f"ch_{uuid.uuid4().hex}", "object": "charge", "amount": 100})
    arm()
    assert company.tell(event) == 200
    company.until(lambda: company.get(f"events/{event['id']}")["status"] == "applied")


@scene("direct", "inbox.ignore")
def an_event_is_of_nobodys_account(company: Crashable, arm: Arm) -> None:
    event = company.made_up("issuing_transaction.created", {"id": f"ipi_{uuid.uuid4().hex}"}, "acct_nobody")
    arm()
    assert company.tell(event) == 200

    def status() -> list[str]:
        return [row.status for row in company.books.rows(InboxEvent, id=event["id"])]

    company.until(lambda: status() == ["ignored"])


# Connecting and disconnecting by OAuth


def walk(link: str, answer: str, account: str = "new") -> None:
    """Opens a start link, answers on Stripe's page and comes back, like one browser."""
    with httpx2.Client(timeout=20, trust_env=False, verify=False, follow_redirects=True) as browser:
        page = browser.get(link)
        assert page.status_code == 200, page.text
        form = Form()
        form.feed(page.text)
        fields = {**form.hidden, "account": account, "business_name": unique("Business"), "action": answer}
        browser.post(urljoin(str(page.url), form.action or ""), data=fields)


def connect(company: Crashable) -> dict[str, Any]:
    """The owner connects a new account, with a new link whenever it did not go through; the active connection."""

    def through() -> bool:
        if any(row["status"] == "active" for row in connections(company)):
            return True
        begun = company.send(company.owner, "POST", f"{ADMIN}/connections", {"kind": "connect"})
        company.insist_on_nothing(lambda: walk(begun["url"], "approve"))
        return any(row["status"] == "active" for row in connections(company))

    company.until(through)
    [active] = [row for row in connections(company) if row["status"] == "active"]
    return active


def connections(company: Crashable) -> list[dict[str, Any]]:
    """All connections."""
    return list(company.get("connections", limit=100)["data"])


def disconnect(company: Crashable, connection: dict[str, Any]) -> None:
    """The owner ends it; returns when it is over."""
    company.send(company.owner, "POST", f"{ADMIN}/connections/{connection['id']}/disconnect")
    company.until(lambda: company.get(f"connections/{connection['id']}")["status"] == "revoked")
    company.settle()


@scene(
    "connect", "StartConnection", "start.open_ticket", "finish._consume", "exchange_code", "retrieve_account",
    "routing.claim_route", "ActivateConnection", "create_cardholder", "RecordCardholder", "RevokeConnection",
    "EndCardOfConnection", "deauthorize", "FinishEndCards",
)  # fmt: skip
def an_account_comes_and_goes(company: Crashable, arm: Arm) -> None:
    agent = company.agent()
    arm()
    connection = connect(company)
    bought = company.buy(agent)
    disconnect(company, connection)
    account = connection["stripe_account"]
    state = company.control("state")
    assert [one["status"] for one in state["cards"] if one["id"] == bought["stripe_card"]] == ["canceled"]
    assert [one["connected"] for one in state["accounts"] if one["id"] == account] == [False]
    assert standing(company, agent) == (0, 0)


@scene("connect", "list_cardholders")
def a_cardholder_is_made_and_stripe_answers_500(company: Crashable, arm: Arm) -> None:
    agent = company.agent()
    company.control("faults", [{"endpoint": "POST /v1/issuing/cardholders", "kind": "error_after", "count": 1}])
    arm()
    connection = connect(company)
    company.buy(agent)
    made = company.stripe(connection["stripe_account"]).v1.issuing.cardholders.list({"limit": 100}).data
    assert len(made) == 1
    disconnect(company, connection)


@scene("connect", "CloseAlert")
def the_owner_has_seen_that_an_account_is_gone(company: Crashable, arm: Arm) -> None:
    connection = connect(company)
    disconnect(company, connection)
    [alert] = [one for one in company.get("alerts", status="open")["data"] if one["subject"] == connection["id"]]
    assert alert["kind"] == "connection_revoked"
    arm()
    company.send(company.owner, "POST", f"{ADMIN}/alerts/{alert['id']}/close")
    assert company.get(f"alerts/{alert['id']}")["status"] == "closed"


@scene("connect", "EndPending")
def the_owner_says_no_at_stripe(company: Crashable, arm: Arm) -> None:
    arm()
    begun = company.send(company.owner, "POST", f"{ADMIN}/connections", {"kind": "connect"})
    company.insist_on_nothing(lambda: walk(begun["url"], "refuse"))
    assert company.get(f"connections/{begun['id']}")["status"] in ("pending", "expired")


@scene("connect", "DropCardholder")
def the_account_is_gone_before_it_has_a_cardholder(company: Crashable, arm: Arm) -> None:
    company.control("faults", [{"endpoint": "POST /v1/issuing/cardholders", "kind": "rate_limit"}])
    connection = connect(company)
    arm()
    company.send(company.owner, "POST", f"{ADMIN}/connections/{connection['id']}/disconnect")
    company.control("faults", [])
    company.settle()
    assert company.get(f"connections/{connection['id']}")["status"] == "revoked"


@scene("connect", "GoOnLater")
def a_connection_with_many_cards_ends_slowly(company: Crashable, arm: Arm) -> None:
    """Nine cards, eight canceled at once, five seconds each: more than one claim of the promise begins."""
    agent = company.agent()
    connection = connect(company)
    for number in range(9):
        company.buy(agent, 100 + number)
    slow = {"endpoint": "POST /v1/issuing/cards/{card}", "kind": "slow", "seconds": 5.1}
    company.control("faults", [slow])
    company.send(company.owner, "POST", f"{ADMIN}/connections/{connection['id']}/disconnect")
    arm()
    company.until(lambda: any(row.last_error or row.tries for row in ends(company)) or not ends(company))
    company.control("faults", [])
    company.settle()
    assert standing(company, agent) == (0, 0)


def ends(company: Crashable) -> list[Any]:
    """Promises to end a connection's cards that are still to be kept."""
    return list(company.books.rows(OutboxPromise, kind="end_cards_of_connection", status="promised"))


@scene("connect", "LeaveCardOpen")
def the_account_is_gone_before_a_card_could_be_ended(company: Crashable, arm: Arm) -> None:
    agent = company.agent()
    connection = connect(company)
    bought = company.buy(agent)
    company.control("faults", [{"endpoint": "POST /v1/issuing/cards/{card}", "kind": "rate_limit"}])
    company.send(company.owner, "POST", f"{ADMIN}/purchases/{bought['id']}/cancel")
    arm()
    company.control(f"accounts/{connection['stripe_account']}/disconnect", {})
    company.until(lambda: company.get(f"connections/{connection['id']}")["status"] == "revoked")
    company.control("faults", [])
    company.settle()
    kinds = [row.kind for row in company.books.rows(Discrepancy, purchase_id=bought["id"])]
    assert "card_left_open" in kinds


@scene("connect", "sealed.exchange", "RecordRotation")
def the_keys_of_the_vault_are_rotated(company: Crashable, arm: Arm) -> None:
    connection = connect(company)
    before = {row.sealed for row in company.books.rows(ConnectionSecret) if row.sealed}
    assert before
    company.secret_keys = f"{new_key()},{company.secret_keys}"
    assert company.process is not None
    company.process.stop()
    company.start()
    arm()
    done = company.send(company.owner, "POST", f"{ADMIN}/keys/rotate", {})
    assert (done["unreadable"], done["damaged"], done["next_cursor"]) == ({}, 0, None)
    # Of other kinds of secrets there may be some as well.
    sealed = done["resealed"] + done["already_current"]
    assert sealed >= len(before)
    again = company.send(company.owner, "POST", f"{ADMIN}/keys/rotate", {})
    assert (again["resealed"], again["already_current"]) == (0, sealed)
    after = {row.sealed for row in company.books.rows(ConnectionSecret) if row.sealed}
    assert not before & after
    company.buy(company.agent())
    disconnect(company, connection)


# Starting


@scene(
    "start", "wiring._free_leases", "place.write_place", "lease.take", "start._forget", "deliveries.forget",
    "forgetting.forget",
)  # fmt: skip
def roony_starts(company: Crashable, arm: Arm) -> None:
    arm()


@scene("empty", "one_time_link.make_first_run")
def nobody_is_there_yet(company: Crashable, arm: Arm) -> None:
    arm()


@scene("new", "organization.create_organization")
def a_company_begins(company: Crashable, arm: Arm) -> None:
    arm()


@scene("fresh", "StartDirect")
def the_account_of_the_key_is_connected(company: Crashable, arm: Arm) -> None:
    arm()
    company.connect_direct()
    company.buy(company.agent())
