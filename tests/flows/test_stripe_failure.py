"""What follows from a failed call: how long is waited, which key comes next, and what an agent is told."""

from __future__ import annotations

import asyncio
import base64
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from roony.config import Settings
from roony.core.card import Card
from roony.core.cardholder import WANTED, Cardholder
from roony.core.duration import SECOND
from roony.core.purchase import Purchase
from roony.core.settlement import Discrepancy
from roony.flows.card_making import LOOK_TRIES
from roony.flows.card_status import STATUS_TRIES
from roony.flows.connection.cardholder import MAKE_TRIES, put_off_cardholder
from roony.flows.ending import CancelPurchase
from roony.flows.promise import LOOK_UP, MAX_DELAY, put_off, wait_before
from roony.flows.stripe_failure import seen_at_stripe, told, told_refused
from roony.gateway import issuing, paging
from roony.gateway.errors import (
    FailureKind,
    StripeCallFailed,
    StripeFailure,
    StripeRateLimited,
    StripeRefused,
    StripeUnauthorized,
    StripeUncertain,
)
from roony.gateway.pool import GatewayBusy
from roony.store.outbox import new_promise
from roony.store.rows import OutboxPromise
from roony.wiring import build
from tests.support.books import CONNECTION, ORG
from tests.support.connecting import VAULT_KEY
from tests.support.reconciling import Lossy

RAW = "raw: sk_live_x req_1 ich_1"


def failed(kind: FailureKind, raises: type[StripeCallFailed] = StripeUncertain, **more: Any) -> StripeCallFailed:
    return raises(StripeFailure(kind, 500, None, RAW, "req_1", **more))


def limited(**more: Any) -> StripeCallFailed:
    return failed(FailureKind.RATE_LIMITED, StripeRateLimited, **more)


@pytest.mark.parametrize(
    ("tries", "error", "jitter", "seconds"),
    [
        (0, limited(), 1.0, 1),
        (0, limited(), 0.0, 0.5),
        (3, limited(), 1.0, 8),
        (3, limited(), 0.5, 6),
        (8, limited(), 1.0, 256),
        (9, limited(), 1.0, 300),
        (400, limited(), 1.0, 300),
        (400, GatewayBusy(), 0.0, 150),
        (0, failed(FailureKind.CONNECTION), 1.0, 1),
        (0, limited(retry_after_hint=20.0), 0.0, 20),
        (9, limited(retry_after_hint=20.0), 1.0, 300),
        (0, limited(stripe_should_retry=False), 1.0, 300),
        (0, limited(stripe_should_retry=True), 1.0, 1),
        (2, None, 1.0, 4),
    ],
)
def test_how_long_is_waited(tries: int, error: Exception | None, jitter: float, seconds: float) -> None:
    assert wait_before(tries, error, jitter) == int(seconds * SECOND)
    assert MAX_DELAY == 300 * SECOND


@pytest.mark.parametrize("kind", FailureKind)
def test_every_failure_has_words_of_ours(kind: FailureKind) -> None:
    code, message, _ = told(failed(kind))
    assert set(code) <= set("abcdefghijklmnopqrstuvwxyz_")
    assert message.endswith(".")
    assert not any(word in message for word in RAW.split())
    assert set(seen_at_stripe(failed(kind).failure)) == {"stripe_kind", "stripe_request"}


@pytest.mark.parametrize(
    ("error", "code", "retry_can_help"),
    [
        (limited(), "stripe_busy", True),
        (GatewayBusy(), "stripe_busy", True),
        (failed(FailureKind.SERVER_ERROR), "stripe_unavailable", True),
        (failed(FailureKind.UNAUTHORIZED, StripeUnauthorized), "stripe_not_authorized", False),
        (failed(FailureKind.PERMISSION), "stripe_permission_missing", False),
        (failed(FailureKind.ACCOUNT_ACCESS), "connection_revoked", False),
        (KeyError("x"), "not_yet", True),
    ],
)
def test_what_an_agent_hears(error: Exception, code: str, retry_can_help: bool) -> None:
    assert (told(error).code, told(error).retry_can_help) == (code, retry_can_help)


@pytest.mark.parametrize(
    ("param", "code"),
    [
        ("currency", "currency_not_issued"),
        ("cardholder", "cardholder_not_ready"),
        ("spending_controls[allowed_categories][0]", "controls_refused"),
        ("shipping", "stripe_refused"),
        (None, "stripe_refused"),
    ],
)
def test_a_refused_parameter_says_more(param: str | None, code: str) -> None:
    why = told_refused(failed(FailureKind.INVALID_REQUEST, StripeRefused, param=param).failure)
    assert (why.code, why.retry_can_help) == (code, False)


def put(roony: Lossy, promise: OutboxPromise, error: Exception, jitter: float = 1.0) -> OutboxPromise:
    """The row after one failed try."""
    roony.books.put(promise)
    asyncio.run(put_off(replace(roony.context, jitter=lambda: jitter), promise, error))
    row: OutboxPromise = roony.books.row(OutboxPromise, id=promise.id)
    return row


KEPT_500 = failed(FailureKind.SERVER_ERROR, stripe_should_retry=False)


class TestPuttingOff:
    @pytest.mark.parametrize(("jitter", "seconds"), [(0.0, 4), (1.0, 8)])
    def test_a_cardholder_waits_half_by_chance_too(self, roony: Lossy, jitter: float, seconds: int) -> None:
        promise = new_promise(ORG, "out_h", "make_cardholder", "con_1", {}, 0)._replace(tries=3, lease_until=1)
        roony.books.put(promise)
        context = replace(roony.context, jitter=lambda: jitter)
        asyncio.run(put_off_cardholder(context, promise, limited()))
        row = roony.books.row(OutboxPromise, id="out_h")
        assert (row.tries, row.key, row.due_at) == (4, promise.key, roony.books.clock() + seconds * SECOND)

    def test_the_same_key_goes_again_and_after_three_unsure_tries_another(self, roony: Lossy) -> None:
        """Setting a status twice is the same as once, so a kept 500 must not be asked for again and again."""
        promise = new_promise(ORG, "out_s", "set_card_status", "crd_1", {}, 0)._replace(lease_until=1)
        keys = []
        for _ in range(4):
            promise = put(roony, promise, failed(FailureKind.SERVER_ERROR))
            keys.append((promise.key, promise.attempt))
        assert keys == [("out_s:1", 1), ("out_s:1", 1), ("out_s:2", 2), ("out_s:2", 2)]
        assert promise.last_error == "unsure server_error"

    def test_an_answer_that_is_only_replayed_gets_another_key_at_once(self, roony: Lossy) -> None:
        promise = put(roony, new_promise(ORG, "out_s", "set_card_status", "crd_1", {}, 0), KEPT_500)
        assert (promise.key, promise.due_at) == ("out_s:2", roony.books.clock() + SECOND)

    def test_a_rate_limit_never_changes_the_key(self, roony: Lossy) -> None:
        promise = new_promise(ORG, "out_s", "set_card_status", "crd_1", {}, 0)._replace(tries=2)
        promise = put(roony, promise, limited(), jitter=0.5)
        assert (promise.key, promise.last_error) == ("out_s:1", "rate_limited")
        assert promise.due_at == roony.books.clock() + 3 * SECOND

    def test_a_card_keeps_its_key_and_is_looked_for_first(self, roony: Lossy) -> None:
        asked = roony.books.ask(5_000)
        promise = put(roony, asked.promise, KEPT_500)
        assert (promise.key, promise.last_error) == (f"{asked.purchase.id}:1", LOOK_UP)
        waiting = json.loads(roony.books.row(Purchase, id=asked.purchase.id).failure)
        assert waiting["code"] == "stripe_unavailable"

    def test_a_card_that_is_there_meanwhile_says_nothing(self, roony: Lossy) -> None:
        purchase = roony.books.ready()
        [promise] = roony.books.rows(OutboxPromise, kind="make_card")
        put(roony, promise, limited())
        assert roony.books.row(Purchase, id=purchase.id).failure is None


class TestEnd:
    def test_a_cancel_stripe_refuses_for_a_day_is_a_persons(self, roony: Lossy) -> None:
        """Not tried for ever in silence: the card is flagged and its promise ends visibly."""
        purchase = roony.buy()
        roony.simulator.control(
            "faults", [{"endpoint": "POST /v1/issuing/cards/{card}", "kind": "rate_limit", "count": 1}]
        )
        roony.books.run(CancelPurchase(ORG, purchase.id, "person", "out_end"))
        promise = roony.books.row(OutboxPromise, id="out_end")
        roony.books.put(promise._replace(tries=STATUS_TRIES - 1))
        roony.work()
        promise = roony.books.row(OutboxPromise, id="out_end")
        assert (promise.status, promise.last_error) == ("dead", "stripe_refuses")
        found = roony.books.row(Discrepancy, kind="card_left_open")
        assert (found.status, found.card_id) == ("open", purchase.card_id)
        assert roony.books.row(Card, id=purchase.card_id).status == "canceled"

    def test_a_cardholder_stripe_does_not_make_for_a_day_is_left_to_the_first_card(self, roony: Lossy) -> None:
        roony.books.put(roony.books.row(Cardholder)._replace(stripe_cardholder_id=None, status=WANTED))
        promise = new_promise(ORG, "out_h", "make_cardholder", CONNECTION, {}, 0)._replace(tries=MAKE_TRIES - 2)
        roony.books.put(promise)
        roony.simulator.control(
            "faults", [{"endpoint": "POST /v1/issuing/cardholders", "kind": "rate_limit", "count": 2}]
        )
        roony.work()
        assert roony.books.row(OutboxPromise, id="out_h").status == "promised"
        roony.advance(301)
        roony.work()
        promise = roony.books.row(OutboxPromise, id="out_h")
        assert (promise.status, promise.last_error) == ("dead", "given_up")
        assert roony.books.row(Cardholder).status == WANTED

    def test_an_account_without_issuing_is_restricted_though_no_event_says_so(self, roony: Lossy) -> None:
        """Stripe refused a card; the look at the account that says why is recorded."""
        roony.simulator.control(f"accounts/{roony.account}", {"card_issuing": "inactive"})
        roony.at()
        asked = roony.books.ask(5_000)
        roony.advance(31)
        roony.work()
        purchase = roony.purchase(asked.purchase)
        assert (purchase.status, purchase.held) == ("failed", 0)
        assert json.loads(purchase.failure or "{}")["code"] == "issuing_not_active"
        assert (roony.connection.status, roony.connection.card_issuing) == ("restricted", "inactive")

    def test_a_card_nobody_can_look_for_for_a_day_is_a_persons(self, roony: Lossy) -> None:
        """The create that went unanswered may have made it: the look is what fails, long after the card's time."""
        roony.at()
        asked = roony.books.ask(5_000)
        roony.books.put(asked.promise._replace(tries=2))
        roony.simulator.control("faults", [{"endpoint": "POST /v1/issuing/cards", "kind": "error_after", "count": 1}])
        roony.advance(31)
        roony.work()
        # Whoever lists cards meanwhile, or what happened to them, as the hourly reconciliation does.
        limited = {"kind": "rate_limit", "count": 1_000}
        looks = ("GET /v1/issuing/cards", "GET /v1/events")
        roony.simulator.control("faults", [{"endpoint": look, **limited} for look in looks])
        for seconds in (301, 3_700):
            promise = roony.books.row(OutboxPromise, kind="make_card")
            assert (promise.status, promise.last_error) == ("promised", LOOK_UP)
            roony.advance(seconds)
            if seconds == 3_700:
                roony.books.put(promise._replace(tries=LOOK_TRIES - 1))
            roony.work()
        roony.simulator.control("faults", [])
        promise = roony.books.row(OutboxPromise, kind="make_card")
        assert (promise.status, promise.last_error) == ("dead", "card_not_made_in_time")
        purchase, card = roony.purchase(asked.purchase), roony.books.row(Card)
        assert (purchase.status, purchase.held, card.status) == ("failed", 0, "canceled")
        found = roony.books.row(Discrepancy, kind="card_left_open")
        assert (found.status, found.subject) == ("open", card.id)

    @pytest.mark.parametrize("over", [False, True])
    def test_a_look_at_more_cards_than_are_read_is_bounded_too(
        self, roony: Lossy, over: bool, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """It is no proof that there is none, so no other card is made; in the end a person is told.

        The hourly reconciliation goes through all of them, finds the one that was made after all, and has it canceled.
        """
        monkeypatch.setattr(paging, "PAGE_SIZE", 1)
        monkeypatch.setattr(issuing, "FIND_CARDS_MAX_PAGES", 1)
        roony.buy(4_000)
        asked = roony.books.ask(5_000)
        roony.books.put(asked.promise._replace(tries=2))
        roony.simulator.control("faults", [{"endpoint": "POST /v1/issuing/cards", "kind": "error_after", "count": 1}])
        roony.advance(31)
        roony.work()
        promise = roony.books.row(OutboxPromise, id=asked.promise.id)
        if over:
            roony.books.put(promise._replace(tries=LOOK_TRIES - 1))
        roony.advance(3_700 if over else 31)
        roony.work()
        promise = roony.books.row(OutboxPromise, id=asked.promise.id)
        said = ("dead", "card_not_made_in_time") if over else ("promised", LOOK_UP)
        assert (promise.status, promise.last_error) == said
        assert roony.purchase(asked.purchase).status == ("failed" if over else "issuing")
        if over:
            # The reconciliation of this hour may have come to the card while it was still being made.
            roony.advance(3_700)
            roony.work()
        found = roony.findings("card_left_open")
        assert found == ([("card_left_open", asked.purchase.card_id, "resolved")] if over else [])

    def test_a_try_a_day_after_the_last_looks_first(self, roony: Lossy) -> None:
        """Stripe has forgotten the key by then: the same key would make a second card (P2)."""
        roony.at()
        roony.books.controls(card_ttl_seconds=7 * 86_400)
        asked = roony.books.ask(5_000)
        roony.simulator.control("faults", [{"endpoint": "POST /v1/issuing/cards", "kind": "drop_after", "count": 1}])
        roony.advance(31)
        roony.work()
        promise = roony.books.row(OutboxPromise, id=asked.promise.id)
        assert (promise.key, promise.last_error) == (f"{asked.purchase.id}:1", "unsure connection")
        roony.advance(25 * 3_600)
        roony.work()
        [card] = roony.stripe.v1.issuing.cards.list().data
        assert (roony.purchase(asked.purchase).status, roony.card(asked.purchase)) == ("ready", card.id)


def test_a_running_program_waits_by_chance(tmp_path: Path) -> None:
    """Processes that are turned away together must not come back together."""
    settings = Settings(
        stripe_secret_key="sk_test_x", stripe_webhook_secret="whsec_0123456789abcdef0123456789abcdef",
        roony_secret_keys=base64.b64encode(VAULT_KEY).decode(), roony_database_url=f"sqlite:///{tmp_path / 'r.db'}",
    )  # fmt: skip
    context = build(settings, "http://localhost:9").context
    try:
        waits = {wait_before(4, GatewayBusy(), context.jitter()) for _ in range(20)}
        assert len(waits) > 10
        assert all(8 * SECOND <= wait <= 16 * SECOND for wait in waits)
    finally:
        context.pool.close()
        context.gateway.close()
        context.database.close()
