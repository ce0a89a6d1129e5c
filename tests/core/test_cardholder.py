"""Stripe's rules about cardholders (facts 1.1), what may change of one, and what is said of one in trouble."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from roony.core.cardholder import (
    Cardholder,
    Stated,
    changes,
    filled,
    fixed_by,
    is_newer,
    is_tied,
    troubles,
    wrong_with,
)
from tests.core.rows import ORGANIZATION, row

NOW = int(datetime(2026, 11, 28, tzinfo=UTC).timestamp()) * 1_000_000
ADDRESS = {"line1": "1 Main Street", "city": "Springfield", "postal_code": "62701", "country": "US"}
COMPANY: dict[str, Any] = {"name": "Acme Buying", "billing": {"address": ADDRESS}}
PERSON: dict[str, Any] = {"first_name": "Jenny", "last_name": "Rosen"}
TERMS = "individual.card_issuing.user_terms_acceptance"


def person(**more: Any) -> dict[str, Any]:
    """A cardholder that is a person."""
    return {**COMPANY, "individual": {**PERSON, **more}}


def accepted(date: int = 1_795_000_000, ip: str = "192.0.2.1") -> dict[str, Any]:
    """The terms of the card program, accepted."""
    return {"user_terms_acceptance": {"date": date, "ip": ip}}


GOOD: list[tuple[dict[str, Any], str]] = [
    (COMPANY, "usd"),
    (COMPANY, "gbp"),
    ({"billing": {"address": ADDRESS}}, "usd"),
    ({**COMPANY, "name": "A" * 24}, "usd"),
    ({**COMPANY, "phone_number": "+420123456789"}, "eur"),
    (person(), "usd"),
    (person(first_name="Jean-Luc", last_name="O'Neill Jr."), "usd"),
    (person(first_name="Žofie"), "usd"),
    (person(dob={"day": 27, "month": 11, "year": 2012}), "usd"),
    (person(card_issuing=accepted()), "usd"),
    (person(card_issuing=accepted(ip="2001:db8::1")), "usd"),
]
WRONG: list[tuple[dict[str, Any], str, str, str]] = [
    ({**COMPANY, "name": "A" * 25}, "usd", "name", "24 letters"),
    ({**COMPANY, "name": "Agent 7"}, "usd", "name", "24 letters"),
    ({**COMPANY, "name": "Acme & Co"}, "usd", "name", "24 letters"),
    ({**COMPANY, "name": "Acme  Co"}, "usd", "name", "single spaces"),
    ({**COMPANY, "name": ""}, "usd", "name", "24 letters"),
    (COMPANY, "eur", "phone_number", "EUR"),
    (person(), "eur", "phone_number", "EUR"),
    ({**COMPANY, "individual": {"last_name": "Rosen"}}, "usd", "individual.first_name", "active"),
    ({**COMPANY, "individual": {"first_name": "Jenny"}}, "usd", "individual.last_name", "active"),
    (person(first_name="Jenny2"), "usd", "individual.first_name", "letters"),
    (person(last_name="Rosen!"), "usd", "individual.last_name", "letters"),
    (person(last_name=" "), "usd", "individual.last_name", "letters"),
    (person(dob={"day": 30, "month": 2, "year": 1990}), "usd", "individual.dob", "a date"),
    # Thirteen today is not over thirteen; neither is who is not born yet.
    (person(dob={"day": 29, "month": 11, "year": 2012}), "usd", "individual.dob", "over 13"),
    (person(dob={"day": 28, "month": 11, "year": 2013}), "usd", "individual.dob", "over 13"),
    (person(dob={"day": 1, "month": 1, "year": 2100}), "usd", "individual.dob", "over 13"),
    (person(card_issuing=accepted(date=NOW // 1_000_000 + 1)), "usd", f"{TERMS}.date", "future"),
    (person(card_issuing=accepted(ip="here")), "usd", f"{TERMS}.ip", "IP address"),
]


@pytest.mark.parametrize(("given", "currency"), GOOD)
def test_what_stripe_takes(given: dict[str, Any], currency: str) -> None:
    assert wrong_with(given, currency, NOW) is None


@pytest.mark.parametrize(("given", "currency", "field", "word"), WRONG)
def test_what_stripe_refuses_is_named_with_a_sentence(
    given: dict[str, Any], currency: str, field: str, word: str
) -> None:
    wrong = wrong_with(given, currency, NOW)
    assert wrong is not None
    assert (wrong.field, word in wrong.message, wrong.message[-1]) == (field, True, ".")


def test_a_name_and_a_kind_never_change() -> None:
    sent = filled(ORGANIZATION, COMPANY, {})
    assert fixed_by(sent, filled(ORGANIZATION, {**COMPANY, "email": "a@b.example"}, {}), True) is None
    other = fixed_by(sent, filled(ORGANIZATION, {**COMPANY, "name": "Else"}, {}), True)
    assert other is not None
    assert (other.field, "Acme Buying" in other.message) == ("name", True)
    # A name the owner does not say stays as it is, even if the organization has another by now.
    unnamed = {"billing": COMPANY["billing"]}
    assert fixed_by(sent, filled(ORGANIZATION, unnamed, {}), False) is None
    changed = fixed_by(sent, filled(ORGANIZATION, person(), {}), True)
    assert changed is not None
    assert changed.field == "individual"


def test_only_what_changed_is_told() -> None:
    sent = filled(ORGANIZATION, {**COMPANY, "email": "a@b.example"}, {"roony_scope": "agt_1"})
    assert changes(sent, filled(ORGANIZATION, {**COMPANY, "email": "a@b.example"}, {})) == {}
    assert changes(sent, filled(ORGANIZATION, {**COMPANY, "name": "Else", "phone_number": "+12025550123"}, {})) == {
        "phone_number": "+12025550123"
    }


def at_stripe(due: list[str], disabled: str | None = None, status: str = "active", at: int = 5) -> Cardholder:
    """A cardholder as Stripe last told of it."""
    said = Stated("ich_1", status, tuple(due), disabled, at)
    return row(
        Cardholder, scope="agent", scope_id="agt_1", status=status, requirements=said.requirements(), stated_at=at
    )


@pytest.mark.parametrize(
    ("due", "disabled", "status", "words"),
    [
        ([], None, "active", []),
        (["individual.first_name"], "requirements.past_due", "active", ["roony cardholder set agt_1"]),
        (["individual.verification.document"], None, "active", ["upload"]),
        (["company.tax_id"], None, "active", ["tax id"]),
        (["a.new.word"], None, "active", ["a.new.word"]),
        ([], "requirements.past_due", "active", ["past due"]),
        ([], "under_review", "active", ["wait"]),
        ([], "listed", "active", ["sanctions"]),
        ([], "a_new_reason", "active", ["a_new_reason"]),
        ([], None, "blocked", ["blocked"]),
        (["company.tax_id"], "rejected.listed", "inactive", ["tax id", "another", "inactive"]),
    ],
)
def test_every_trouble_says_what_to_do(due: list[str], disabled: str | None, status: str, words: list[str]) -> None:
    found = troubles(at_stripe(due, disabled, status))
    assert len(found) == len(words)
    assert all(word in sentence for word, sentence in zip(words, found, strict=True))


def test_the_newer_statement_counts_and_a_tie_is_seen() -> None:
    known = at_stripe(["company.tax_id"], at=5)
    assert json.loads(known.requirements) == {"past_due": ["company.tax_id"], "disabled_reason": None}
    for at, newer, tied in ((4, False, False), (5, False, True), (6, True, False)):
        said = Stated("ich_1", "active", (), None, at)
        assert (is_newer(said, known), is_tied(said, known)) == (newer, tied)
    assert not is_tied(Stated("ich_1", "active", ("company.tax_id",), None, 5), known)
