"""An unusual pattern becomes one alert, on both databases: from rows to a finding, told once, frozen where wanted."""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import Sequence
from typing import Any

import pytest

from roony.core.agent import Agent, Organization
from roony.core.alert import Alert
from roony.core.anomaly.facts import Finding
from roony.core.anomaly.telling import FROZEN, OVER, PatternSettings
from roony.core.audit import AuditRecord
from roony.core.authorization import Authorization, AuthorizationDecision
from roony.core.connection import Connection
from roony.core.duration import DAY, HOUR, SECOND, WEEK
from roony.core.purchase import Purchase
from roony.flows import pattern_duty
from roony.flows.alert import CloseAlert
from roony.flows.context import FlowContext
from roony.flows.freeze import Unfreeze
from roony.flows.organization import UpdateOrganization
from roony.flows.pattern import EndPattern, TellPattern, read_past
from roony.flows.pattern_duty import LOOK_PACE, PatternDuty
from roony.store.command import Command
from roony.store.queries.patterns import limits_of, past_of
from roony.store.rows import OutboxPromise
from roony.worker import Worker
from tests.core.rows import row
from tests.support.books import AGENT, NOW, ORG, PROJECT, Books
from tests.support.offline import offline_context

MINUTE = 60 * SECOND


def bought(number: int, at: int, agent: str = AGENT, **more: Any) -> Purchase:
    """A purchase of 50.00 as it lies in the books."""
    fields = {
        "organization_id": ORG, "id": f"pur_{agent}_{number}", "agent_id": agent, "project_id": PROJECT,
        "amount": 5_000, "currency": "usd", "merchant_key": "figma",
        "merchant": json.dumps({"name": "Figma", "country": "us"}),
        "description": "One Seat",
        "decision": json.dumps({"verdict": "approved", "reasons": [], "inputs": {}}),
        "status": "settled", "created_at": at,
    }  # fmt: skip
    return row(Purchase, **fields)._replace(kind="one_time", **more)


def paid(number: int, at: int, agent: str = AGENT, **more: Any) -> Authorization:
    """The payment of `bought(number)`."""
    fields = {
        "organization_id": ORG, "id": f"iauth_{agent}_{number}", "purchase_id": f"pur_{agent}_{number}",
        "amount": 5_000, "currency": "usd", "approved": 1, "merchant": json.dumps({"name": "FIGMA", "country": "DE"}),
        "history": "[]", "finals": "{}", "created_at": at,
    }  # fmt: skip
    return row(Authorization, **{**fields, **more})


def refused(number: int, at: int, agent: str = AGENT, reason: str | None = None, amount: int = 150) -> Authorization:
    """A payment of `bought(number)` that was declined; `reason` is Stripe's word of it, None while it has not come."""
    history = json.dumps([[False, reason, amount]] if reason else [])
    return paid(number, at, agent, approved=0, amount=0, history=history)


def ours(number: int, code: str, approved: int = 0, agent: str = AGENT, amount: int = 150) -> AuthorizationDecision:
    """What we answered to it."""
    fields = {"organization_id": ORG, "authorization_id": f"iauth_{agent}_{number}", "id": f"dec_{agent}_{number}"}
    return row(AuthorizationDecision, **fields, code=code, approved=approved, amount=amount)


def small_ones(count: int, agent: str = AGENT, at: int = NOW) -> list[Purchase]:
    """So many purchases of 1.50, one a minute until then."""
    return [bought(1_000 + n, at - n * MINUTE, agent, amount=150) for n in range(count)]


def found(at: int = NOW, since: int | None = None, pattern: str = "burst") -> Finding:
    """What a rule says."""
    since = at - HOUR if since is None else since
    return Finding(pattern, at, since, 30, 5, 25, "30 purchases within a day", "at most 5 in a day")


def tell(books: Books, finding: Finding, agent: str = AGENT) -> bool:
    """Whether it was told."""
    told: bool = books.run(TellPattern(ORG, agent, finding, books.new_id("out")))
    return told


def settings(books: Books, **patterns: Any) -> None:
    """As an owner sets them."""
    assert isinstance(books.run(UpdateOrganization(ORG, "usr_1", patterns=patterns)), Organization)


def actions(books: Books, *skip: str) -> list[tuple[str, str]]:
    """What the chain says, by whom."""
    return [(one.actor, one.action) for one in books.rows(AuditRecord) if one.action not in skip]


def alerts(books: Books) -> list[tuple[str, str, str]]:
    """Kind, subject and status of each."""
    return [(one.kind, one.subject, one.status) for one in books.rows(Alert)]


@pytest.fixture(autouse=True)
def _as_long_as_it_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a busy machine one look may not come to its end."""
    monkeypatch.setattr(pattern_duty, "LOOK_SECONDS", 60)


# Telling


def test_it_is_told_once_and_not_again_until_it_is_over_and_begins_anew(books: Books) -> None:
    assert [tell(books, found()), tell(books, found()), tell(books, found(NOW + HOUR, NOW))] == [True, False, False]
    assert alerts(books) == [("unusual_burst", AGENT, "open")]
    assert books.row(Alert).message == (
        "30 purchases within a day, since 2026-11-22 at 23.00 (UTC). Usual: at most 5 in a day. Look at its newest"
        " purchases. Freeze the agent if nobody asked for them."
    ), books.row(Alert).message
    books.run(CloseAlert(ORG, books.row(Alert).id, "usr_1"))
    books.clock.now = NOW + WEEK
    # It goes on from before it was closed; then it begins anew.
    assert not tell(books, found(NOW + WEEK, NOW - HOUR))
    assert tell(books, found(NOW + WEEK))
    assert (books.row(Alert).times, books.row(Alert).status) == (2, "open")
    assert actions(books) == [("roony", "alert.opened"), ("usr_1", "alert.closed"), ("roony", "alert.opened")]


def test_what_is_closed_does_not_come_back_within_a_week(books: Books) -> None:
    tell(books, found())
    books.run(CloseAlert(ORG, books.row(Alert).id, "usr_1"))
    books.clock.now = NOW + WEEK - 1
    assert not tell(books, found(NOW + WEEK - 1, NOW + DAY))


def test_it_stays_open_while_it_is_seen_and_closes_by_itself_a_week_after(books: Books) -> None:
    tell(books, found())
    id = books.row(Alert).id
    books.clock.now = NOW + 3 * DAY
    assert not tell(books, found(NOW + 3 * DAY))
    assert (books.row(Alert).updated_at, books.row(Alert).created_at) == (NOW + 3 * DAY, NOW)
    books.clock.now = NOW + 3 * DAY + OVER - 1
    books.run(EndPattern(ORG, id))
    assert books.row(Alert).status == "open"
    books.clock.now += 1
    books.run(EndPattern(ORG, id))
    books.run(EndPattern(ORG, id))
    assert (books.row(Alert).status, books.row(Alert).closed_by) == ("closed", "roony")
    assert actions(books) == [("roony", "alert.opened"), ("roony", "alert.closed")]


def test_nobody_is_frozen_by_itself(books: Books) -> None:
    tell(books, found())
    assert books.row(Agent).frozen_at is None
    assert books.rows(OutboxPromise) == []


def test_where_the_owner_wants_it_the_agent_is_frozen_in_the_same_commit_and_once(books: Books) -> None:
    """By Roony, as by any freeze: its cards are promised, a person undoes it, and the same alert freezes no more."""
    settings(books, freeze=["burst"])
    assert tell(books, found())
    assert books.row(Agent).frozen_at == NOW
    assert books.row(Alert).message.endswith(FROZEN)
    assert [(one.kind, one.subject) for one in books.rows(OutboxPromise)] == [("freeze_cards", f"agent:{AGENT}")]
    assert books.ask().purchase.status == "declined"
    books.run(Unfreeze(ORG, "agent", AGENT, "usr_1", books.new_id("out")))
    assert not tell(books, found(NOW + HOUR))
    assert books.row(Agent).frozen_at is None
    assert actions(books, "purchase.asked", "purchase.declined") == [
        ("usr_1", "organization.updated"), ("roony", "alert.opened"), ("roony", "agent.frozen"),
        ("usr_1", "agent.unfrozen"),
    ]  # fmt: skip


def test_one_that_is_frozen_already_stays_as_it_is(books: Books) -> None:
    settings(books, freeze=["burst"])
    books.freeze()
    assert tell(books, found())
    assert not books.row(Alert).message.endswith(FROZEN)
    assert books.rows(OutboxPromise) == []


def test_what_was_switched_off_or_is_no_agent_is_not_told(books: Books) -> None:
    settings(books, off=["burst"], freeze=["burst"])
    assert not tell(books, found())
    assert not tell(books, found(pattern="off_hours"), "agt_nobody")
    assert alerts(books) == []
    assert books.row(Agent).frozen_at is None


def test_a_change_of_the_settings_is_recorded_and_a_wrong_one_changes_nothing(books: Books) -> None:
    settings(books, sensitivity="high", off=["burst"])
    settings(books, freeze=["card_testing"])
    settings(books, freeze=["card_testing"])
    wrong = books.run(UpdateOrganization(ORG, "usr_1", name="Other", patterns={"freeze": ["price_drift"]}))
    assert (wrong.status, wrong.field) == (422, "patterns.freeze")
    said = [json.loads(one.body) for one in books.rows(AuditRecord)]
    assert [(one["before"]["patterns"], one["after"]["patterns"]) for one in said] == [
        ({"off": [], "sensitivity": "normal", "freeze": []}, {"off": ["burst"], "sensitivity": "high", "freeze": []}),
        ({"off": ["burst"], "sensitivity": "high", "freeze": []},
         {"off": ["burst"], "sensitivity": "high", "freeze": ["card_testing"]}),
    ]  # fmt: skip
    assert books.row(Organization, id=ORG).name == "Test Company"


# Reading


def test_rows_become_facts(books: Books) -> None:
    """Who said no does not matter; a declined payment has the amount that was asked for; others' rows are not read."""
    books.put(
        bought(1, NOW - 3 * HOUR), bought(2, NOW - 2 * HOUR, status="declined"), bought(3, NOW - HOUR, merchant="{}"),
        bought(4, NOW - 9 * DAY), bought(5, NOW, "agt_other"),
        paid(1, NOW - 170 * MINUTE), refused(3, NOW - MINUTE, AGENT, "suspected_fraud", 700),
        paid(4, NOW - 8 * DAY), paid(5, NOW, "agt_other"),
    )  # fmt: skip
    facts, whole = past_of(books.database, ORG, AGENT, NOW - WEEK, 100)
    assert [(one.at - NOW, one.country, one.declined) for one in facts.asks] == [
        (-3 * HOUR, "US", False), (-2 * HOUR, "US", True), (-HOUR, "", False),
    ]  # fmt: skip
    assert {one.wording for one in facts.asks} == {"one seat"}
    assert [(one.at - NOW, one.amount, one.country, one.declined) for one in facts.payments] == [
        (-170 * MINUTE, 5_000, "DE", False), (-MINUTE, 700, "DE", True),
    ]  # fmt: skip
    assert whole
    cut, whole = past_of(books.database, ORG, AGENT, NOW - WEEK, 2)
    assert (cut.asks, whole) == (facts.asks[1:], False)


def test_an_ask_that_was_declined_whatever_it_was_is_no_fact(books: Books) -> None:
    """Frozen, or without a Stripe account: an agent that asks again and again does nothing unusual."""
    books.put(books.row(Organization, id=ORG)._replace(frozen_at=NOW))
    books.ask()
    books.put(books.row(Organization, id=ORG)._replace(frozen_at=None))
    books.freeze()
    books.ask()
    books.put(books.row(Agent, id=AGENT)._replace(frozen_at=None), books.row(Connection)._replace(status="restricted"))
    books.reconfigure()
    books.ask()
    books.put(books.row(Connection)._replace(status="active"))
    books.reconfigure()
    books.limit(ORG, "day", 0)
    books.ask()
    assert [json.loads(one.decision)["reasons"][0]["code"] for one in books.rows(Purchase)] == [
        "ORGANIZATION_FROZEN", "AGENT_SUSPENDED", "CONNECTION_INACTIVE", "BUDGET_EXCEEDED",
    ]  # fmt: skip
    facts, whole = past_of(books.database, ORG, AGENT, NOW - WEEK, 4)
    assert [one.declined for one in facts.asks] == [True]
    # All that was read counts, or a past cut off would pass for a whole one.
    assert not whole


@pytest.mark.parametrize(
    ("code", "approved", "reason", "declined"),
    [
        ("MERCHANT_MISMATCH", 0, "webhook_declined", True), ("OVER_HOLD", 0, None, True),
        ("FROZEN", 0, "webhook_declined", False), ("CONNECTION_INACTIVE", 0, None, False), ("LATE", 0, None, False),
        ("APPROVED", 1, "webhook_timeout", False), ("APPROVED", 1, None, False),
        (None, 0, "spending_controls", True), (None, 0, "insufficient_funds", False), (None, 0, None, False),
        (None, 0, "webhook_declined", False), (None, 0, "webhook_error", False), (None, 0, "account_disabled", False),
    ],
)  # fmt: skip
def test_a_payment_that_would_have_been_declined_for_anybody_is_no_decline(
    books: Books, code: str | None, approved: int, reason: str | None, declined: bool
) -> None:
    """By our own code, else by Stripe's reason; what was asked for is known from either."""
    books.put(bought(1, NOW - HOUR), refused(1, NOW, reason=reason))
    if code is not None:
        books.put(ours(1, code, approved))
    facts, _ = past_of(books.database, ORG, AGENT, NOW - WEEK, 9)
    assert [(one.amount, one.declined) for one in facts.payments] == [(150 if code or reason else 0, declined)]


def test_of_several_answers_the_newest_counts(books: Books) -> None:
    books.put(
        bought(1, NOW - HOUR), refused(1, NOW), ours(1, "OVER_HOLD"), ours(1, "FROZEN")._replace(ordinal=1, id="2")
    )
    facts, _ = past_of(books.database, ORG, AGENT, NOW - WEEK, 9)
    assert [one.declined for one in facts.payments] == [False]


def test_limits_are_those_of_the_newest_decision(books: Books) -> None:
    """The lowest of each kind, of all levels."""
    assert limits_of(books.database, ORG, AGENT) == frozenset()
    books.controls(purchase_limit=50_000, approval_threshold=20_000)
    books.controls(ORG, "organization", approval_threshold=10_000)
    books.ask(1_000)
    assert limits_of(books.database, ORG, AGENT) == {("usd", 50_000), ("usd", 10_000)}
    books.clock.advance(1)
    books.controls(purchase_limit=40_000)
    books.ask(1_001)
    assert limits_of(books.database, ORG, AGENT) == {("usd", 40_000), ("usd", 10_000)}


@pytest.mark.parametrize("inputs", [{"controls": {"agent": {"purchase_limit": 5}}}, {}, None])
def test_a_decision_of_an_older_release_says_nothing_of_limits(books: Books, inputs: Any) -> None:
    books.put(bought(1, NOW, decision=json.dumps({"verdict": "approved", "inputs": inputs})))
    assert limits_of(books.database, ORG, AGENT) == frozenset()


# The duty


def look(books: Books, duty: PatternDuty, seconds: float = 11) -> list[Command[Any]]:
    """One look after some time; what it found is done."""
    books.clock.advance(seconds)
    commands: Sequence[Command[Any]] = asyncio.run(duty.due(books.clock()))  # type: ignore[arg-type]
    for command in commands:
        books.run(command)
    return list(commands)


def test_small_purchases_become_an_alert_that_is_told_once(books: Books) -> None:
    with offline_context(books) as context:
        duty = PatternDuty(context)
        books.put(*small_ones(24))
        assert look(books, duty) == []
        books.put(bought(1, NOW + 5 * SECOND, amount=150))
        # Nobody looks at an organization in which nothing was recorded.
        assert look(books, duty) == []
        books.run(UpdateOrganization(ORG, "usr_1", name="Told"))
        [command] = look(books, duty)
        assert isinstance(command, TellPattern)
        assert alerts(books) == [("unusual_card_testing", AGENT, "open")]
        # What the alert itself recorded is a reason to look again; it is told already.
        look(books, duty)
        assert look(books, duty) == []
        assert [action for _, action in actions(books)] == ["organization.updated", "alert.opened"]


def test_a_new_process_looks_at_the_last_day_and_tells_nothing_twice(books: Books) -> None:
    books.put(*small_ones(30), *small_ones(30, "agt_2", NOW - DAY - HOUR), row(Agent, organization_id=ORG, id="agt_2"))
    for _ in range(2):
        with offline_context(books) as context:
            look(books, PatternDuty(context))
    assert alerts(books) == [("unusual_card_testing", AGENT, "open")]
    assert books.row(Alert).times == 1


def test_it_is_looked_no_more_often_than_its_pace(books: Books) -> None:
    with offline_context(books) as context:
        duty = PatternDuty(context)
        look(books, duty)
        books.put(*small_ones(30, at=books.clock()))
        books.run(UpdateOrganization(ORG, "usr_1", name="Told"))
        assert look(books, duty, LOOK_PACE / SECOND - 1) == []
        assert len(look(books, duty, 1)) == 1


def test_an_organization_that_looks_for_nothing_is_not_read(books: Books) -> None:
    settings(books, off=list(PatternSettings().on))
    books.put(*small_ones(30))
    with offline_context(books) as context:
        assert look(books, PatternDuty(context)) == []


def test_many_agents_are_looked_at_page_by_page(books: Books, monkeypatch: pytest.MonkeyPatch) -> None:
    """None is missed, however small the pages are, and however short a look is; the payments are read as the asks."""
    monkeypatch.setattr(pattern_duty, "PAGE", 7)
    monkeypatch.setattr(pattern_duty, "LOOK_SECONDS", 0)
    agents = [f"agt_{number}" for number in range(2, 8)]
    books.put(*[row(Agent, organization_id=ORG, id=id) for id in agents])
    books.put(*itertools.chain.from_iterable(small_ones(25, id, NOW - HOUR) for id in agents[:-1]))
    old = [bought(n, NOW - 2 * DAY, agents[-1]) for n in range(26)]
    books.put(*old, *[refused(n, NOW - n * SECOND, agents[-1], "suspected_fraud", 5_000) for n in range(26)])
    with offline_context(books) as context:
        duty = PatternDuty(context)
        for _ in range(200):
            look(books, duty, 1)
    told = {subject: kind for kind, subject, _ in alerts(books)}
    assert told == dict.fromkeys(agents[:-1], "unusual_card_testing") | {agents[-1]: "unusual_many_declines"}


def test_what_is_usual_is_learned_once_a_day_and_kept_for_some_agents(
    books: Books, monkeypatch: pytest.MonkeyPatch
) -> None:
    """More small purchases than the floor of a new agent are usual for one that always did so."""
    monkeypatch.setattr(pattern_duty, "MAX_KNOWN", 1)
    days = [bought(day * 99 + n, NOW - day * DAY - n * MINUTE, amount=150) for day in range(2, 22) for n in range(30)]
    books.put(*days, *small_ones(40), row(Agent, organization_id=ORG, id="agt_2"), *small_ones(3, "agt_2"))
    with offline_context(books) as context:
        duty = PatternDuty(context)
        assert look(books, duty) == []
        assert list(duty._known) == [(ORG, "agt_2")]


def test_of_what_is_usual_no_more_merchants_are_kept_than_fit(books: Books, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many agents there are: one that buys everywhere takes the room of many."""
    monkeypatch.setattr(pattern_duty, "MAX_MERCHANTS", 5)
    agents = ["agt_2", "agt_3", "agt_4"]
    books.put(*[row(Agent, organization_id=ORG, id=id) for id in agents], *[bought(99, NOW, id) for id in agents])
    for id, count in zip(agents, (2, 3, 1), strict=True):
        books.put(*[bought(n, NOW - 20 * DAY, id, merchant_key=f"shop {n}") for n in range(count)])
    with offline_context(books) as context:
        duty = PatternDuty(context)
        assert look(books, duty) == []
        assert list(duty._known) == [(ORG, "agt_3"), (ORG, "agt_4")]
        books.put(*[bought(n, NOW - 20 * DAY, "agt_2", merchant_key=f"shop {n}") for n in range(9)])
        duty._known.clear()
        duty._merchants = 0
        duty._places.clear()
        look(books, duty)
        assert list(duty._known) == [(ORG, "agt_3"), (ORG, "agt_4")]
        assert duty._merchants == 4


def test_an_agent_that_cannot_be_looked_at_holds_up_nobody(books: Books) -> None:
    agents = ["agt_0", "agt_2"]
    books.put(*[row(Agent, organization_id=ORG, id=id) for id in agents])
    books.put(bought(1, NOW, merchant="{"), *small_ones(30, "agt_0"), *small_ones(30, "agt_2"))
    with offline_context(books) as context:
        look(books, PatternDuty(context))
    assert sorted(subject for _, subject, _ in alerts(books)) == agents


def rename(books: Books, before: str, after: str) -> None:
    """A table that is away cannot be read."""
    books.till.write_and_wait(lambda writer: writer.run(f"ALTER TABLE {before} RENAME TO {after}", ()))


@pytest.mark.parametrize("away", ["authorizations", "authorization_decisions"])
def test_what_could_not_be_read_is_looked_at_again(books: Books, away: str) -> None:
    """Of an organization or of an agent: nothing more has to happen there for that."""
    books.put(*small_ones(30, at=NOW - HOUR), *small_ones(30, "agt_2"), row(Agent, organization_id=ORG, id="agt_2"))
    with offline_context(books) as context:
        duty = PatternDuty(context)
        rename(books, away, "elsewhere")
        try:
            assert look(books, duty) == []
        finally:
            rename(books, "elsewhere", away)
        assert len(look(books, duty)) == 2
    assert sorted(subject for _, subject, _ in alerts(books)) == [AGENT, "agt_2"]


def test_what_the_till_did_not_take_is_found_again(books: Books) -> None:
    """As while nothing can be written. The agent does nothing more, and another one did something later."""
    books.put(*small_ones(30, at=NOW - HOUR), bought(1, NOW, "agt_2"), row(Agent, organization_id=ORG, id="agt_2"))
    refuse, take = (
        ("CREATE TRIGGER full_disk BEFORE INSERT ON alerts BEGIN SELECT RAISE(ABORT, 'full'); END",
         "DROP TRIGGER full_disk") if books.database.is_sqlite else
        ("ALTER TABLE alerts ADD CONSTRAINT full_disk CHECK (false) NOT VALID",
         "ALTER TABLE alerts DROP CONSTRAINT full_disk")
    )  # fmt: skip

    async def work(worker: Worker) -> None:
        await worker.round()

    with offline_context(books) as context:
        worker = Worker(context)
        books.till.write_and_wait(lambda writer: writer.run(refuse, ()))
        try:
            asyncio.run(work(worker))
            assert alerts(books) == []
        finally:
            books.till.write_and_wait(lambda writer: writer.run(take, ()))
        books.clock.advance(11)
        asyncio.run(work(worker))
    assert alerts(books) == [("unusual_card_testing", AGENT, "open")]


def test_alerts_that_are_over_are_closed(books: Books) -> None:
    tell(books, found())
    tell(books, found(pattern="off_hours"))
    books.put(Alert(ORG, "alt_other", "low_balance", "con_1", "open", "", 1, None, NOW, NOW, None))
    with offline_context(books) as context:
        duty = PatternDuty(context)
        assert look(books, duty) == []
        assert look(books, duty, OVER / SECOND) != []
        assert sorted(alerts(books)) == [
            ("low_balance", "con_1", "open"), ("unusual_burst", AGENT, "closed"),
            ("unusual_off_hours", AGENT, "closed"),
        ]  # fmt: skip
        assert look(books, duty) == []


def test_the_worker_looks(books: Books) -> None:
    books.put(*small_ones(30))

    async def work(context: FlowContext) -> None:
        await Worker(context).round()

    with offline_context(books) as context:
        asyncio.run(work(context))
    assert alerts(books) == [("unusual_card_testing", AGENT, "open")]


def test_the_past_of_an_agent_is_read_for_a_look_at_all_of_it(books: Books) -> None:
    books.put(bought(1, NOW - 300 * DAY), bought(2, NOW - 500 * DAY))
    past = read_past(books.database, ORG, AGENT, NOW - 90 * DAY)
    assert ([one.at for one in past.facts.asks], past.whole) == ([NOW - 300 * DAY], True)
