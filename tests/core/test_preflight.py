"""Each check of an account: what it looks at, and that what is not well says what to do."""

from __future__ import annotations

import json
from typing import Any

import pytest

from roony.core.confirmation import OTHER_CARDS, REALTIME_URL, TIMEOUT_DECLINES, Confirmation
from roony.core.connection import Connection, restrict
from roony.core.preflight import REALTIME, Check, Facts, look, summary
from roony.flows.probe import SLOW_MILLISECONDS, judged

URL = "https://roony.example/api/webhooks/stripe"
VERSION = "2026-10-28.endive"
NEEDED = frozenset({"account.updated", REALTIME})
GOOD = {"url": URL, "status": "enabled", "enabled_events": ["account.updated", REALTIME], "api_version": VERSION}


def account(**changes: Any) -> Connection:
    """An account on which everything is as it should be."""
    fields: dict[str, Any] = dict.fromkeys(Connection._fields) | dict(Connection._field_defaults)
    fields |= {"organization_id": "org_1", "id": "con_1", "kind": "connect", "status": "active", "livemode": 0}
    fields |= {"stripe_account": "acct_1", "currency": "usd", "card_issuing": "active", "created_at": 0}
    return Connection(**{**fields, "updated_at": 0, **changes})


def yes(name: str, value: str = "yes") -> Confirmation:
    return Confirmation("org_1", "con_1", name, value, "usr_1", 5, None, None, 5)


def facts(**changes: Any) -> Facts:
    """Everything well."""
    good: dict[str, Any] = {
        "connection": account(), "key_livemode": False, "public_url": "https://roony.example", "webhook_url": URL,
        "version": VERSION, "needed": NEEDED, "refused": None, "balance": 10_000, "threshold": 0,
        "endpoints": [GOOD], "other": 0, "more": False, "cardholder": Check("cardholder", "ok", "fine"),
        "confirmations": {name: yes(name) for name in (REALTIME_URL, TIMEOUT_DECLINES)},
    }  # fmt: skip
    return Facts(**{**good, **changes})


def test_all_is_well() -> None:
    checks = look(facts())
    assert {check.status for check in checks} == {"ok"}
    assert summary(checks) == "Everything Roony needs of the account is there."


CONTRADICTED = Confirmation("org_1", "con_1", REALTIME_URL, None, None, 5, 9, "iauth_1", 9)


def test_an_endpoint_beside_ours_is_named() -> None:
    other = {**GOOD, "id": "we_other", "api_version": None}
    found = {check.id: check for check in look(facts(endpoints=[GOOD, other]))}["webhook_version"]
    assert (found.status, "we_other" in (found.next or ""), "setup-webhooks" in (found.next or "")) == (
        "warning", True, False,
    )  # fmt: skip


def test_without_an_address_for_stripe_its_own_program_brings_events() -> None:
    for url, told in (("http://localhost:8000", True), ("https://roony.example", False)):
        found = {check.id: check for check in look(facts(endpoints=[], public_url=url))}["webhook_endpoint"]
        assert (found.status, "stripe listen" in (found.next or "")) == ("missing", told)


@pytest.mark.parametrize(
    ("changes", "id", "status"),
    [
        ({"refused": "no answer"}, "stripe_access", "unknown"),
        ({"key_livemode": True}, "livemode", "missing"),
        ({"connection": account(card_issuing="inactive")}, "issuing_capability", "missing"),
        ({"connection": account(card_issuing=None)}, "issuing_capability", "unknown"),
        ({"connection": restrict(account(), "key_refused", "no", 1)}, "key_refused", "missing"),
        ({"balance": None}, "issuing_balance", "warning"),
        ({"balance": 0}, "issuing_balance", "warning"),
        ({"balance": -1}, "issuing_balance", "warning"),
        ({"balance": 10_000, "threshold": 10_000}, "issuing_balance", "warning"),
        ({"balance": "no permission"}, "issuing_balance", "unknown"),
        ({"endpoints": "no permission"}, "webhook_endpoint", "unknown"),
        ({"endpoints": []}, "webhook_endpoint", "missing"),
        ({"endpoints": [{**GOOD, "url": "https://else.example/api/webhooks/stripe"}]}, "webhook_endpoint", "missing"),
        ({"endpoints": [{**GOOD, "status": "disabled"}]}, "webhook_endpoint", "missing"),
        ({"endpoints": [{**GOOD, "enabled_events": [REALTIME]}]}, "webhook_events", "missing"),
        ({"endpoints": [{**GOOD, "enabled_events": ["*"]}]}, "realtime_event", "missing"),
        ({"endpoints": [{**GOOD, "api_version": None}]}, "webhook_version", "warning"),
        ({"endpoints": [{**GOOD, "api_version": "2024-06-20"}]}, "webhook_version", "missing"),
        ({"confirmations": {}}, REALTIME_URL, "unknown"),
        ({"confirmations": {}}, TIMEOUT_DECLINES, "unknown"),
        ({"confirmations": {REALTIME_URL: CONTRADICTED}}, REALTIME_URL, "missing"),
        ({"other": 3}, "other_cards", "missing"),
        ({"other": "no permission"}, "other_cards", "unknown"),
        ({"public_url": "http://localhost:8000"}, "public_url", "warning"),
        ({"public_url": "http://x.example", "connection": account(livemode=1)}, "public_url", "missing"),
    ],
)
def test_what_is_not_well_says_what_to_do(changes: dict[str, Any], id: str, status: str) -> None:
    [found] = [check for check in look(facts(**changes)) if check.id == id]
    assert found.status == status
    assert found.next


def test_an_address_that_names_its_connection_is_ours() -> None:
    own = {**GOOD, "id": "we_1", "url": f"{URL}?connection=con_1"}
    known = account(webhooks=json.dumps({"we_1": ["run_1", None]}))
    assert {check.status for check in look(facts(connection=known, endpoints=[own]))} == {"ok"}


@pytest.mark.parametrize("kept", [{}, {"we_2": ["run_2", None]}, {"we_1": ["run_1", 5], "we_2": ["run_2", None]}])
def test_an_own_endpoint_whose_secret_does_not_count(kept: dict[str, Any]) -> None:
    """Also one whose secret was rolled away and goes."""
    own = {**GOOD, "id": "we_1", "url": f"{URL}?connection=con_1"}
    found = {check.id: check for check in look(facts(connection=account(webhooks=json.dumps(kept)), endpoints=[own]))}
    assert found["webhook_secret"].status == "missing"
    assert "setup-webhooks" in (found["webhook_secret"].next or "")


def test_a_choice_about_other_cards_is_enough() -> None:
    chosen = {OTHER_CARDS: yes(OTHER_CARDS, "decline")}
    [found] = [check for check in look(facts(other=3, confirmations=chosen)) if check.id == "other_cards"]
    assert (found.status, "decline" in found.message) == ("ok", True)


@pytest.mark.parametrize(
    ("approved", "reason", "milliseconds", "status"),
    [
        (True, "webhook_approved", 10, "ok"),
        (False, "webhook_declined", SLOW_MILLISECONDS + 1, "warning"),
        (True, "card_active", 10, "missing"),
        (True, "webhook_timeout", 2_000, "missing"),
        (False, "webhook_timeout", 2_000, "missing"),
        (False, "webhook_error", 10, "missing"),
        (False, "insufficient_funds", 10, "unknown"),
        (False, "something_new", 10, "unknown"),
    ],
)
def test_what_a_probe_says(approved: bool, reason: str, milliseconds: int, status: str) -> None:
    entry = {"approved": approved, "reason": reason, "reason_message": "told so"}
    found = judged({"request_history": [entry]}, milliseconds, "con_1", ours=True)
    assert found.status == status
    assert (found.next is None) == (status == "ok")


def test_an_answer_that_roony_does_not_know_of_was_another_program_s() -> None:
    """It names the same reasons: the URL may still be that of another Roony."""
    for approved, reason in ((True, "webhook_approved"), (False, "webhook_declined")):
        entry = {"approved": approved, "reason": reason, "reason_message": None}
        found = judged({"request_history": [entry]}, 10, "con_1", ours=False)
        assert found.status == "missing"
        assert "another program" in found.message
    by_itself = {"approved": True, "reason": "card_active", "reason_message": None}
    assert "without asking" in judged({"request_history": [by_itself]}, 10, "con_1", ours=False).message
