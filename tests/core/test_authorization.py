"""Answering an authorization: every check with its code, and which one speaks first (design section 7)."""

from __future__ import annotations

from typing import Any

import pytest

from roony.core.agent import Organization
from roony.core.authorization import (
    CODES,
    Authorization,
    AuthorizationFacts,
    AuthorizationRequest,
    Verdict,
    is_card_check,
    judge,
)
from roony.core.card import Card
from roony.core.control import parse_controls
from roony.core.merchant import Merchant, alias_of
from roony.core.merchant_check import would_be_learned
from roony.core.purchase import Purchase
from tests.core.rows import AGENT, CONNECTION, ORGANIZATION, PROJECT, row

NOW = 1_795_392_000_000_000
FIGMA = Merchant("FIGMA", None, "5734", "US", "net_1")
PURCHASE = row(
    Purchase, id="pur_1", amount=10_000, hold_amount=10_500, held=10_500, merchant_lock="strict", currency="usd"
)
CARD = row(Card, id="crd_1", status="active", currency="usd", expires_at=NOW + 1)
KNOWN = row(Authorization, id="iauth_1", status="pending", approved=1, amount=6_000, history_length=1)


def request(**more: Any) -> AuthorizationRequest:
    """A first ask for 10,000 at the approved merchant."""
    fields: dict[str, Any] = {
        "authorization_id": "iauth_1",
        "stripe_card_id": "ic_1",
        "ordinal": 0,
        "amount": 10_000,
        "granted": 0,
        "currency": "usd",
        "merchant_amount": 10_000,
        "merchant_currency": "usd",
        "merchant": FIGMA,
        "city": None,
        "state": None,
        "network_transaction_id": None,
        "controllable": False,
        "cashback_amount": 0,
        "created": NOW // 1_000_000,
    }
    return AuthorizationRequest(**{**fields, **more})


def facts(**more: Any) -> AuthorizationFacts:
    """All as it should be: the request above is approved."""
    fields: dict[str, Any] = {
        "organization": ORGANIZATION,
        "project": PROJECT,
        "agent": AGENT,
        "connection": CONNECTION,
        "controls": (),
        "card": CARD,
        "purchase": PURCHASE,
        "known": None,
        "committed_elsewhere": 0,
        "approved_merchant": Merchant("Figma"),
        "aliases": (),
        "pinned_network_ids": frozenset(),
    }
    return AuthorizationFacts(**{**fields, **more})


def controls(**fields: Any) -> tuple[Any, ...]:
    return (parse_controls(fields),)


# Each line: what is wrong, as (changes of the request, changes of the facts), and the code. In the order of the checks.
WRONG: list[tuple[str, dict[str, Any], dict[str, Any], str]] = [
    ("a longer history is known", {}, {"known": KNOWN}, "STALE"),
    ("no such card", {}, {"card": None}, "CARD_UNKNOWN"),
    ("agent frozen", {}, {"agent": AGENT._replace(frozen_at=1)}, "FROZEN"),
    ("connection revoked", {}, {"connection": CONNECTION._replace(status="revoked")}, "CONNECTION_INACTIVE"),
    ("frozen by its owner", {}, {"card": CARD._replace(frozen_at=1)}, "CARD_NOT_ACTIVE"),
    ("Stripe warned of fraud", {}, {"card": CARD._replace(fraud_warning="fraud_dispute_filed")}, "CARD_NOT_ACTIVE"),
    ("card canceled", {}, {"card": CARD._replace(status="canceled")}, "CARD_NOT_ACTIVE"),
    ("past its time", {}, {"card": CARD._replace(expires_at=NOW)}, "CARD_EXPIRED"),
    ("purchase ended", {}, {"purchase": PURCHASE._replace(ended_at=1)}, "CARD_NOT_ACTIVE"),
    ("single use spent", {}, {"card": CARD._replace(status="used")}, "CARD_USED"),
    ("foreign currency", {"merchant_currency": "eur"}, {}, "CURRENCY_MISMATCH"),
    ("blocked category", {}, {"controls": controls(blocked_categories=["5734"])}, "CATEGORY_MISMATCH"),
    ("country not allowed", {}, {"controls": controls(allowed_countries=["FR"])}, "COUNTRY_MISMATCH"),
    ("another merchant", {}, {"approved_merchant": Merchant("Notion")}, "MERCHANT_MISMATCH"),
    ("more than the hold", {}, {"committed_elsewhere": 501}, "OVER_HOLD"),
]


def test_as_approved() -> None:
    assert judge(request(), facts(), NOW) == Verdict(True, 10_000, None)


@pytest.mark.parametrize(("wrong", "code"), [(line, line[3]) for line in WRONG], ids=[line[0] for line in WRONG])
def test_each_check_has_its_code(wrong: tuple[Any, ...], code: str) -> None:
    _, asked, known, _ = wrong
    assert judge(request(**asked), facts(**known), NOW) == Verdict(False, 0, code)
    assert code in CODES


# Pairs that change the same fact cannot both be wrong at once.
PAIRS = [
    (first, second)
    for place, first in enumerate(WRONG)
    for second in WRONG[place + 1 :]
    if not (first[2].keys() & second[2].keys())
]


@pytest.mark.parametrize(("first", "second"), PAIRS, ids=[f"{a[0]}, {b[0]}" for a, b in PAIRS])
def test_the_first_check_speaks(first: tuple[Any, ...], second: tuple[Any, ...]) -> None:
    verdict = judge(request(**first[1], **second[1]), facts(**first[2], **second[2]), NOW)
    assert verdict.code == first[3]


# Categories a person decides about, the one that the ask named, the merchant's, and whether it is paid.
LISTED = [
    (["5734"], "7372", "5734", False),  # whoever named another one asked nobody
    (["5734", "7372"], "7372", "5734", True),  # a person was asked
    (["5734"], "5734", "5734", True),
    (["5734"], None, "5734", True),  # so was one about what names none
    (["5734"], "7372", None, True),
    (["7995"], "7372", "5734", True),
    (["4511"], "5734", "3000", False),  # one airline's own code is of its trade
]


@pytest.mark.parametrize(("listed", "asked", "found", "paid"), LISTED)
def test_a_category_for_a_person_is_paid_only_where_the_ask_was_for_one(
    listed: list[str], asked: str | None, found: str | None, paid: bool
) -> None:
    known = facts(controls=controls(approve_categories=listed), approved_merchant=Merchant("Figma", None, asked))
    verdict = judge(request(merchant=FIGMA._replace(category=found)), known, NOW)
    assert (verdict.approved, verdict.code) == (paid, None if paid else "CATEGORY_MISMATCH")


@pytest.mark.parametrize("status", ["creating", "frozen", "canceled"])
def test_only_an_active_card_pays(status: str) -> None:
    assert judge(request(), facts(card=CARD._replace(status=status)), NOW).code == "CARD_NOT_ACTIVE"


def test_a_card_that_stripe_canceled_unused_pays_nothing() -> None:
    assert judge(request(), facts(card=CARD._replace(stripe_status="canceled")), NOW).code == "CARD_NOT_ACTIVE"


@pytest.mark.parametrize("scope", ["organization", "project", "agent"])
def test_any_frozen_scope_stops_it(scope: str) -> None:
    frozen = {"organization": ORGANIZATION, "project": PROJECT, "agent": AGENT}[scope]._replace(frozen_at=1)
    assert judge(request(), facts(**{scope: frozen}), NOW).code == "FROZEN"


@pytest.mark.parametrize(
    ("choice", "frozen_at", "approved"),
    [
        ("decline", None, False),
        ("approve", None, True),
        ("approve", 1, True),
        ("approve_while_unfrozen", None, True),
        ("approve_while_unfrozen", 1, False),
    ],
)
def test_a_card_of_somebody_else_is_the_owners_choice(choice: str, frozen_at: int | None, approved: bool) -> None:
    organization: Organization = ORGANIZATION._replace(unknown_cards=choice, frozen_at=frozen_at)
    verdict = judge(request(), facts(card=None, purchase=None, organization=organization), NOW)
    assert verdict == (Verdict(True, 10_000, None) if approved else Verdict(False, 0, "CARD_UNKNOWN"))


# (card status, amount, approved): a check passes what single use would decline, and nothing else.
CHECKS = [("used", 0, True), ("used", 100, True), ("used", 101, False), ("canceled", 0, False), ("active", 100, True)]


@pytest.mark.parametrize(("status", "amount", "approved"), CHECKS)
def test_card_checks(status: str, amount: int, approved: bool) -> None:
    assert judge(request(amount=amount), facts(card=CARD._replace(status=status)), NOW).approved is approved


@pytest.mark.parametrize(
    ("amount", "price", "is_check"), [(0, 1, True), (100, 101, True), (100, 100, False), (101, 500, False)]
)
def test_what_a_card_check_is(amount: int, price: int, is_check: bool) -> None:
    assert is_card_check(request(amount=amount), PURCHASE._replace(amount=price)) is is_check


# (held, captured, asked, approved): what was given back, others may have taken.
RELEASED = [
    (0, 0, 0, False),
    (0, 9_000, 100, False),
    (1_500, 9_000, 100, True),
    (0, 10_500, 0, True),
    (10_499, 0, 1, False),
]


@pytest.mark.parametrize(("held", "captured", "asked", "approved"), RELEASED)
def test_a_hold_that_was_given_back_is_never_taken_again(held: int, captured: int, asked: int, approved: bool) -> None:
    about = PURCHASE._replace(held=held, captured=captured)
    verdict = judge(request(amount=asked), facts(purchase=about, committed_elsewhere=captured), NOW)
    assert verdict == (Verdict(True, asked, None) if approved else Verdict(False, 0, "OVER_HOLD"))


@pytest.mark.parametrize(
    ("known", "code"),
    [
        (KNOWN, None),
        (KNOWN._replace(status="some_new_word"), None),
        (KNOWN._replace(status="reversed", amount=0), "CARD_USED"),
        (KNOWN._replace(card_check=1, amount=100), "CARD_USED"),
    ],
)
def test_what_counts_as_an_increment(known: Authorization, code: str | None) -> None:
    """More on what is still pending; a card check that grows into a payment is judged as one."""
    asked = request(ordinal=1, amount=3_000, granted=known.amount)
    assert judge(asked, facts(known=known, card=CARD._replace(status="used")), NOW).code == code


def test_a_check_goes_through_every_other_check() -> None:
    for _, asked, known, code in WRONG:
        if code not in ("CARD_USED", "OVER_HOLD"):
            assert judge(request(amount=0, **asked), facts(**known), NOW).code == code


def test_an_increment_skips_card_and_merchant() -> None:
    """The merchant raises what was approved: its card is used by itself, and may be past its time."""
    card = CARD._replace(status="used", expires_at=0)
    asked = request(ordinal=1, amount=4_500, granted=6_000, merchant=FIGMA._replace(name="EVIL"))
    assert judge(asked, facts(known=KNOWN, card=card), NOW) == Verdict(True, 4_500, None)
    assert judge(asked._replace(amount=4_501), facts(known=KNOWN, card=card), NOW).code == "OVER_HOLD"


def test_an_increment_is_stopped_by_freezes_and_a_lost_connection() -> None:
    asked = request(ordinal=1, amount=100, granted=6_000)
    assert judge(asked, facts(known=KNOWN, agent=AGENT._replace(frozen_at=1)), NOW).code == "FROZEN"
    gone = CONNECTION._replace(status="revoked")
    assert judge(asked, facts(known=KNOWN, connection=gone), NOW).code == "CONNECTION_INACTIVE"


def test_asking_again_after_a_decline_is_no_increment() -> None:
    declined = KNOWN._replace(approved=0, amount=0)
    assert judge(request(ordinal=1), facts(known=declined, card=CARD._replace(status="used")), NOW).code == "CARD_USED"


# (hold left by others, granted per request, known amount, known captured, asked, controllable, cashback) → verdict
ROOM = [
    ("exactly the hold", 0, 0, None, 0, 10_500, False, 0, 10_500),
    ("one more", 0, 0, None, 0, 10_501, False, 0, None),
    ("beside others", 4_000, 0, None, 0, 6_500, False, 0, 6_500),
    ("our record is larger than the request says", 0, 2_000, 6_000, 0, 4_501, False, 0, None),
    ("the request says more than our record", 0, 7_000, 6_000, 0, 3_501, False, 0, None),
    ("more was captured than either", 0, 0, 6_000, 9_000, 1_501, False, 0, None),
    ("in part", 4_000, 0, None, 0, 8_000, True, 0, 6_500),
    ("in part, down to the cashback", 4_000, 0, None, 0, 8_000, True, 6_500, 6_500),
    ("in part, but the cashback does not fit", 4_000, 0, None, 0, 8_000, True, 6_501, None),
    ("in part, but nothing is left", 10_500, 0, None, 0, 8_000, True, 0, None),
    ("in part, and more than nothing is owed", 11_000, 0, None, 0, 8_000, True, 0, None),
    ("an increment never in part", 0, 6_000, 6_000, 0, 8_000, True, 0, None),
]


@pytest.mark.parametrize("line", ROOM, ids=[line[0] for line in ROOM])
def test_room(line: tuple[Any, ...]) -> None:
    _, elsewhere, granted, amount, captured, asked, controllable, cashback, approved = line
    known = None if amount is None else KNOWN._replace(amount=amount, captured=captured)
    wish = request(
        ordinal=int(known is not None),
        amount=asked,
        granted=granted,
        controllable=controllable,
        cashback_amount=cashback,
    )
    verdict = judge(wish, facts(known=known, committed_elsewhere=elsewhere), NOW)
    expected = Verdict(False, 0, "OVER_HOLD") if approved is None else Verdict(True, approved, None)
    assert verdict == expected


@pytest.mark.parametrize(
    ("granted", "now", "approved"),
    [
        pytest.param("monitor", ["monitor"], True, id="still monitored"),
        pytest.param("monitor", ["monitor", "strict"], False, id="one level is strict since"),
        pytest.param("monitor", [None], False, id="nobody says monitor any more"),
        pytest.param("strict", ["monitor"], False, id="what was strict at the ask stays strict"),
    ],
)
def test_monitoring_lets_another_merchant_by_as_long_as_all_rules_do(
    granted: str, now: list[str | None], approved: bool
) -> None:
    watched = PURCHASE._replace(merchant_lock=granted)
    rules = tuple(scoped for word in now for scoped in controls(merchant_lock=word))
    found = judge(request(merchant=FIGMA._replace(name="EVIL")), facts(purchase=watched, controls=rules), NOW)
    by, declined = Verdict(True, 10_000, None, ("merchant_mismatch",)), Verdict(False, 0, "MERCHANT_MISMATCH")
    assert found == (by if approved else declined)


def test_a_blocked_merchant_stays_blocked_while_monitoring() -> None:
    watched = PURCHASE._replace(merchant_lock="monitor")
    asked = request(merchant=FIGMA._replace(name="EVIL CASINO"))
    blocked = controls(blocked_merchants=["Evil Casino"])
    assert judge(asked, facts(purchase=watched, controls=blocked), NOW).code == "MERCHANT_MISMATCH"


@pytest.mark.parametrize("lock", ["strict", "monitor"])
@pytest.mark.parametrize("name", ["FIGMA", "FGM*DESIGN 4411", "DESIGN TOOLS"])
def test_an_approved_merchant_that_is_blocked_since_is_not_paid_under_another_name(name: str, lock: str) -> None:
    """Learned as an alias, or by an id that is pinned to it."""
    known = facts(
        purchase=PURCHASE._replace(merchant_lock=lock), aliases=("fgm design",), pinned_network_ids=frozenset({"net_1"})
    )
    asked = request(merchant=FIGMA._replace(name=name, network_id="net_1"))
    assert judge(asked, known, NOW).approved
    blocked = known._replace(controls=controls(blocked_merchants=["Figma"], merchant_lock=lock))
    assert judge(asked, blocked, NOW).code == "MERCHANT_MISMATCH"


@pytest.mark.parametrize(
    ("asked_id", "found", "aliases", "blocked", "asked"),
    [
        pytest.param(None, "VIDEOCALLS", (), [], True, id="another name"),
        pytest.param(None, "VIDEOCALLS", (), ["Miro"], True, id="another one is blocked"),
        pytest.param(None, "VIDEOCALLS", (), ["Videocalls"], False, id="it is blocked"),
        pytest.param(None, "VIDEOCALLS", (), ["Figma"], False, id="the approved one is blocked"),
        pytest.param(None, "VIDEOCALLS 12", ("videocalls",), [], False, id="it was confirmed"),
        pytest.param(None, "VIDEOCALLS SPRINGFIELD", ("videocalls",), ["Videocalls"], False, id="both"),
        pytest.param(None, "FIGMA", (), [], False, id="its own name"),
        pytest.param("net_2", "VIDEOCALLS", (), [], False, id="the id that was asked for is another"),
        pytest.param(None, "", (), [], False, id="no name"),
    ],
)
def test_a_name_is_asked_about_where_a_yes_lets_payments_through(
    asked_id: str | None, found: str, aliases: tuple[str, ...], blocked: list[str], asked: bool
) -> None:
    approved, rules = Merchant("Figma", network_id=asked_id), controls(blocked_merchants=blocked) if blocked else ()
    told = Merchant(found, None, None, "US", "net_1")
    assert would_be_learned(approved, aliases, frozenset(), told, alias_of(found), rules) is asked


@pytest.mark.parametrize(
    ("asked_id", "pinned", "aliases", "descriptor", "found_id", "fits"),
    [
        pytest.param(None, set(), (), "FIGMA MONTHLY RENEWAL", "net_9", True, id="by name"),
        pytest.param(None, set(), (), "FIGMATIVE", "net_9", False, id="never by part of a word"),
        pytest.param(None, {"net_1"}, (), "DESIGN TOOLS", "net_1", True, id="by a pinned id"),
        pytest.param(None, {"net_1"}, (), "FIGMA", "net_9", True, id="by name under another id"),
        pytest.param(None, {"net_1"}, (), "DESIGN TOOLS", "net_9", False, id="neither name nor id"),
        pytest.param(None, {"net_1"}, (), "DESIGN TOOLS", None, False, id="no id is no pinned id"),
        pytest.param(None, {"net_1"}, (), "PAYPAL *DESIGN", "net_1", False, id="an id behind a star is a processor's"),
        pytest.param(None, {"net_1"}, (), "PAYPAL *FIGMA", "net_1", True, id="behind a star the name decides"),
        pytest.param(None, set(), ("fgm design",), "FGM*DESIGN 4411", "net_9", True, id="by an alias"),
        pytest.param(None, set(), ("fgm design",), "FGM*DESIGNERS", "net_9", False, id="an alias is whole words too"),
        pytest.param(None, set(), ("fgm",), "FGM*GIFT CARDS", "net_9", False, id="an alias before a star is none"),
        pytest.param("net_1", set(), (), "FIGMA", "net_1", True, id="the id the ask named"),
        pytest.param("net_1", set(), (), "FIGMA", "net_9", False, id="another id than the ask named"),
        pytest.param("net_1", set(), (), "FIGMA", None, False, id="no id where the ask named one"),
        pytest.param("net_1", set(), (), "GIFT CARDS", "net_1", False, id="the id an agent named is no name"),
        pytest.param("net_1", {"net_1"}, (), "DESIGN TOOLS", "net_1", True, id="named and pinned"),
        pytest.param("net_1", {"net_1", "net_9"}, ("design tools",), "DESIGN TOOLS", "net_9", False, id="pinned only"),
    ],
)
def test_merchants_by_name_alias_and_network_id(
    asked_id: str | None, pinned: set[str], aliases: tuple[str, ...], descriptor: str, found_id: str | None, fits: bool
) -> None:
    """What an agent names is one condition more and never replaces the name."""
    asked = request(merchant=FIGMA._replace(name=descriptor, network_id=found_id))
    known = facts(
        approved_merchant=Merchant("Figma", network_id=asked_id), pinned_network_ids=frozenset(pinned), aliases=aliases
    )
    assert judge(asked, known, NOW).approved is fits


@pytest.mark.parametrize(
    ("said", "approved"),
    [([], False), (["allow"], True), (["decline"], False), (["allow", "decline"], False), (["allow", "allow"], True)],
)
def test_a_foreign_currency_needs_every_scope_that_speaks(said: list[str], approved: bool) -> None:
    scopes = tuple(parse_controls({"foreign_currency": word}) for word in said)
    verdict = judge(request(merchant_currency="eur"), facts(controls=scopes), NOW)
    assert verdict.approved is approved


def test_the_card_currency_itself_must_fit() -> None:
    allowed = controls(foreign_currency="allow")
    assert judge(request(currency="gbp"), facts(controls=allowed), NOW).code == "CURRENCY_MISMATCH"
