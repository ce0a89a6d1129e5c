"""Authorization requests signed and posted straight to the door, so that Stripe's own controls cannot help."""

from __future__ import annotations

from typing import Any

import pytest

from roony.core.merchant import LONGEST_FACT
from tests.support.served import Bought, Buyer, Simulation, unique, until

MERCHANT = "Linear Orbit"


@pytest.fixture
def bought(buyer: Buyer) -> Bought:
    """An approved purchase of 50.00 with its card."""
    return buyer.buy(5_000, MERCHANT)


def declined(roony: Simulation, request: dict[str, Any]) -> str:
    """The code of a request that must be declined, twice with the same answer."""
    answer = roony.post(request)
    assert not answer.approved
    assert roony.post(request).body == answer.body
    return answer.code


def again(request: dict[str, Any], amount: int, granted: int, length: int) -> dict[str, Any]:
    """The same authorization asking for `amount` more, after `length` requests granted it `granted`."""
    thing = request["data"]["object"]
    pending = {**thing["pending_request"], "amount": amount, "merchant_amount": amount}
    history = [{"amount": granted, "approved": True, "reason": "webhook_approved"}] * length
    changed = {**thing, "amount": granted, "approved": True, "request_history": history, "pending_request": pending}
    return {**request, "id": f"{request['id']}_{length}_{amount}", "data": {"object": changed}}


def test_a_good_request_is_approved_once(roony: Simulation, buyer: Buyer, bought: Bought) -> None:
    """The same body 20 times is one decision; a second authorization finds the card used."""
    request = roony.request_event(bought.stripe_card, 5_000, MERCHANT)
    answers = [roony.post(request) for _ in range(20)]
    assert all(answer.approved for answer in answers)
    assert len({str(answer.body) for answer in answers}) == 1
    assert answers[0].body["metadata"]["purchase_id"] == bought.id
    assert answers[0].code == "APPROVED"
    assert roony.decisions(bought.id) == [(True, "APPROVED")]
    assert buyer.standings()[:2] == [(5_000, 0), (5_000, 0)]
    second = roony.request_event(bought.stripe_card, 5_000, MERCHANT)
    assert declined(roony, second) == "CARD_USED"
    assert declined(roony, roony.request_event(bought.stripe_card, 500, MERCHANT)) == "CARD_USED"
    assert buyer.standings()[:2] == [(5_000, 0), (5_000, 0)]


@pytest.mark.parametrize(
    ("amount", "changes", "code"),
    [
        (5_001, {}, "OVER_HOLD"),
        (5_000, {"pending": {"currency": "eur", "merchant_currency": "eur"}, "currency": "eur"}, "CURRENCY_MISMATCH"),
        (5_000, {"pending": {"merchant_currency": "jpy", "merchant_amount": 7_500}}, "CURRENCY_MISMATCH"),
        (5_000, {"merchant_data": {"category": "bakeries", "category_code": "5462"}}, "CATEGORY_MISMATCH"),
        (5_000, {"merchant_data": {"category": "no_such_category", "category_code": None}}, "CATEGORY_MISMATCH"),
        (5_000, {"merchant_data": {"category": None, "category_code": None}}, "CATEGORY_MISMATCH"),
        (5_000, {"merchant_data": {"country": "FR"}}, "COUNTRY_MISMATCH"),
        (5_000, {"merchant_data": {"country": None}}, "COUNTRY_MISMATCH"),
        (5_000, {"merchant_data": {"name": "QUICK GIFT CARDS"}}, "MERCHANT_MISMATCH"),
        (5_000, {"merchant_data": {"name": ""}}, "MERCHANT_MISMATCH"),
    ],
)  # fmt: skip
def test_what_was_not_approved_is_declined(roony: Simulation, amount: int, changes: dict[str, Any], code: str) -> None:
    """Each difference has its code, and leaves the card good for the purchase itself."""
    buyer = roony.buyer(controls={"allowed_categories": ["software"], "allowed_countries": ["US"]})
    bought = buyer.buy(5_000, MERCHANT)
    request = roony.request_event(bought.stripe_card, amount, MERCHANT, **changes)
    assert declined(roony, request) == code
    assert roony.decisions(bought.id) == [(False, code)]
    assert buyer.standings()[:2] == [(5_000, 0), (5_000, 0)]
    assert roony.post(roony.request_event(bought.stripe_card, 5_000, MERCHANT)).approved


def test_a_blocked_category_is_declined(roony: Simulation) -> None:
    """A block list lets everything else pass."""
    buyer = roony.buyer(controls={"blocked_categories": ["bakeries"]})
    bought = buyer.buy(5_000, MERCHANT)
    bakery = {"category": "bakeries", "category_code": "5462"}
    request = roony.request_event(bought.stripe_card, 5_000, MERCHANT, merchant_data=bakery)
    assert declined(roony, request) == "CATEGORY_MISMATCH"
    diner = {"category": "eating_places_restaurants", "category_code": "5812"}
    assert roony.post(roony.request_event(bought.stripe_card, 5_000, MERCHANT, merchant_data=diner)).approved


def test_a_canceled_card_is_declined(roony: Simulation, buyer: Buyer, bought: Bought) -> None:
    """From the answer of the cancel on, whatever Stripe has heard by then."""
    buyer.api.send("POST", f"/api/v1/purchase_intents/{bought.id}/cancel")
    request = roony.request_event(bought.stripe_card, 5_000, MERCHANT)
    assert declined(roony, request) == "CARD_NOT_ACTIVE"


@pytest.mark.parametrize("scope", ["agent", "project", "organization"])
def test_a_frozen_scope_is_declined(roony: Simulation, buyer: Buyer, bought: Bought, scope: str) -> None:
    """From the answer of the freeze on; unfrozen, the card is good again."""
    ids = {"agent": buyer.id, "project": buyer.project_id, "organization": roony.organization_id}
    body = {"scope": scope, "scope_id": ids[scope]}
    roony.owner.send("POST", "/api/v1/admin/freeze", body)
    try:
        request = roony.request_event(bought.stripe_card, 5_000, MERCHANT)
        assert declined(roony, request) == "FROZEN"
    finally:
        roony.owner.send("POST", "/api/v1/admin/unfreeze", body)
    until(lambda: roony.card_of(bought.id)["status"], "active")
    assert roony.post(roony.request_event(bought.stripe_card, 5_000, MERCHANT)).approved


def test_a_card_past_its_time_is_declined(roony: Simulation) -> None:
    """Roony's own time to live, not the date printed on the card."""
    buyer = roony.buyer(controls={"card_ttl_seconds": 60})
    bought = buyer.buy(5_000, MERCHANT)
    roony.advance(61)
    assert declined(roony, roony.request_event(bought.stripe_card, 5_000, MERCHANT)) == "CARD_EXPIRED"
    until(lambda: roony.purchase(bought.id)["status"], "expired")
    assert declined(roony, roony.request_event(bought.stripe_card, 5_000, MERCHANT)) == "CARD_EXPIRED"
    assert buyer.standings()[:2] == [(0, 0), (0, 0)]


def test_a_card_that_roony_did_not_make_is_declined(roony: Simulation) -> None:
    """Unless the owner says otherwise."""
    assert declined(roony, roony.request_event("ic_somebodys", 5_000, MERCHANT)) == "CARD_UNKNOWN"


def test_a_card_made_for_us_that_is_not_recorded_is_declined(roony: Simulation) -> None:
    """Whatever the owner wants of cards of others: its metadata says that it is none of these (as after a restore)."""
    written = {"roony_card": "crd_lost", "roony_organization": roony.ready["organization_id"]}
    roony.owner.send("PATCH", "/api/v1/admin/organization", {"unknown_cards": "approve"})
    try:
        for metadata, approved in ((written, False), ({}, True), ({**written, "roony_organization": "org_2"}, True)):
            card = {"id": "ic_lost", "object": "issuing.card", "cardholder": {"id": "ich_1"}, "metadata": metadata}
            answer = roony.post(roony.request_event("ic_lost", 5_000, MERCHANT, card=card))
            assert answer.approved is approved, metadata
    finally:
        roony.owner.send("PATCH", "/api/v1/admin/organization", {"unknown_cards": "decline"})


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"account": "acct_somebody"}, "CONNECTION_INACTIVE"),
        ({"account": None}, "CONNECTION_INACTIVE"),
        ({"livemode": True}, "CONNECTION_INACTIVE"),
        ({"data": {"object": {}}}, "UNREADABLE"),
        ({"data": {"object": None}}, "UNREADABLE"),
        ({"data": {"object": {"id": "iauth_1", "pending_request": None}}}, "UNREADABLE"),
    ],
)
def test_a_request_that_cannot_be_placed_is_declined(
    roony: Simulation, bought: Bought, changes: dict[str, Any], code: str
) -> None:
    """Well-formed all the same: anything but a 200 would leave the answer to Stripe."""
    request = {**roony.request_event(bought.stripe_card, 5_000, MERCHANT), **changes}
    answer = roony.post(request)
    assert (answer.approved, answer.code) == (False, code)
    assert roony.decisions(bought.id) == []


@pytest.mark.parametrize(
    "body",
    [
        b'{"type": "issuing_authorization.request"}',
        b'{"id": "evt_1", "type":"issuing_authorization.request", "livemode": false, "created": "now", "data": {}}',
        b'{"id": "evt_1", "type" : "issuing_authorization.request", "data": {"object": {"name": "half \\ud800"}}}',
    ],
)
def test_a_request_that_is_no_event_is_declined(roony: Simulation, body: bytes) -> None:
    """It says what it is, so it is owed an answer; without one a setting at Stripe would decide."""
    with roony.nothing_written():
        answer = roony.post(body)
    assert (answer.approved, answer.code) == (False, "UNREADABLE")


@pytest.mark.parametrize("field", ["amount", "merchant_amount"])
@pytest.mark.parametrize("amount", [-1, 1.5, "5000", None, True, 2**63, 2**70])
def test_an_amount_that_is_none_is_declined(roony: Simulation, bought: Bought, field: str, amount: Any) -> None:
    """No amount is guessed, and none that the database could not keep reaches the till."""
    answer = roony.post(roony.request_event(bought.stripe_card, 5_000, MERCHANT, pending={field: amount}))
    assert (answer.approved, answer.code) == (False, "UNREADABLE")
    assert roony.decisions(bought.id) == []


@pytest.mark.parametrize("created", [-1, 2**62, 2**63, "now"])
def test_a_time_that_is_none_is_declined(roony: Simulation, bought: Bought, created: Any) -> None:
    """It is kept in microseconds: one that the database could not hold would undo what is written beside it."""
    request = roony.request_event(bought.stripe_card, 5_000, MERCHANT)
    request["data"]["object"]["created"] = created
    answer = roony.post(request)
    assert (answer.approved, answer.code) == (False, "UNREADABLE")
    assert roony.decisions(bought.id) == []


@pytest.mark.parametrize("field", ["name", "url", "country", "network_id", "city", "state"])
def test_what_no_merchant_is_called_is_declined(roony: Simulation, bought: Bought, field: str) -> None:
    """Comparing a name takes time, in which every other account's payments wait."""
    for length, code in ((LONGEST_FACT, {"MERCHANT_MISMATCH"}), (LONGEST_FACT + 1, {"UNREADABLE"})):
        request = roony.request_event(bought.stripe_card, 5_000, MERCHANT)
        request["data"]["object"]["merchant_data"] |= {"name": "Somebody Else", field: "x" * length}
        assert {roony.post(request).code} == code


def test_an_authorization_may_grow_inside_the_hold(roony: Simulation, buyer: Buyer, bought: Bought) -> None:
    """An increment asks for more on top; the single use is not asked again, the room is."""
    first = roony.request_event(bought.stripe_card, 3_000, MERCHANT)
    assert roony.post(first).approved
    assert roony.post(again(first, 1_500, 3_000, 1)).approved
    over = roony.post(again(first, 501, 4_500, 2))
    assert (over.approved, over.code) == (False, "OVER_HOLD")
    assert buyer.standings()[:2] == [(5_000, 0), (5_000, 0)]
    # A repeat of the first request, after the history grew, keeps its first answer.
    assert roony.post(first).approved


def test_an_older_request_than_the_last_is_declined(roony: Simulation, bought: Bought) -> None:
    """What comes too late with another amount is not believed."""
    first = roony.request_event(bought.stripe_card, 3_000, MERCHANT)
    assert roony.post(first).approved
    late = again(first, 2_000, 0, 0)
    assert declined(roony, late) == "STALE"


def test_card_checks_leave_the_card_good(roony: Simulation, buyer: Buyer, bought: Bought) -> None:
    """Nothing, or at most 1.00, is a look at the card; what is pending of it counts in the hold."""
    assert roony.post(roony.request_event(bought.stripe_card, 0, MERCHANT)).approved
    assert roony.post(roony.request_event(bought.stripe_card, 100, MERCHANT)).approved
    assert roony.card_of(bought.id)["status"] == "active"
    whole = roony.post(roony.request_event(bought.stripe_card, 5_000, MERCHANT))
    assert (whole.approved, whole.code) == (False, "OVER_HOLD")
    assert roony.post(roony.request_event(bought.stripe_card, 4_900, MERCHANT)).approved
    assert roony.card_of(bought.id)["status"] == "used"
    assert buyer.standings()[:2] == [(5_000, 0), (5_000, 0)]


def test_a_reversed_card_check_gives_its_room_back(roony: Simulation, buyer: Buyer) -> None:
    """Through the network this time: the usual way of a merchant who keeps a card on file."""
    merchant = unique("Linear")
    bought = buyer.buy(5_000, merchant)
    assert roony.charge(bought.stripe_card, 0, merchant).approved
    check = roony.charge(bought.stripe_card, 100, merchant)
    assert check.approved
    roony.stripe.v1.test_helpers.issuing.authorizations.reverse(check.id)

    def states() -> list[str]:
        rows = roony.owner.get("/api/v1/admin/authorizations", params={"purchase_id": bought.id})["data"]
        return sorted(row["status"] for row in rows)

    until(states, ["pending", "reversed"])
    whole = roony.charge(bought.stripe_card, 5_000, merchant)
    assert whole.approved, whole.request_history
    until(lambda: roony.purchase(bought.id)["status"], "authorized")


def test_less_is_approved_where_the_merchant_can_take_less(roony: Simulation, buyer: Buyer, bought: Bought) -> None:
    """A partial approval fills the hold and no more."""
    answer = roony.post(
        roony.request_event(bought.stripe_card, 6_000, MERCHANT, pending={"is_amount_controllable": True})
    )
    assert answer.approved
    assert answer.body["amount"] == 5_000
    assert buyer.standings()[:2] == [(5_000, 0), (5_000, 0)]
