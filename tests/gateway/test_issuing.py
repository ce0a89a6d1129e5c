"""Issuing calls at the wire: what is sent, what is refused before sending, how card details are guarded."""

import copy
import dataclasses
from collections.abc import Callable
from typing import Any

import pytest

from roony.gateway.client import ConnectionAccess, StripeGateway
from roony.gateway.errors import FailureKind, StripeRefused
from roony.gateway.issuing import (
    CardDetails,
    UnsafeParameters,
    cancel_card,
    create_card,
    create_cardholder,
    fetch_card_details,
    issuing_balance,
    retrieve_account,
    retrieve_authorization,
    retrieve_transaction,
    update_card_status,
)
from tests.gateway.loopback import Answer, LoopbackStripe

DETAILED = {
    "id": "ic_1",
    "object": "issuing.card",
    "number": "4000056655665556",
    "cvc": "987",
    "exp_month": 4,
    "exp_year": 2031,
    "cardholder": {
        "id": "ich_1",
        "object": "issuing.cardholder",
        "billing": {"address": {"postal_code": "94107"}},
    },
}


class TestParameters:
    """What the SDK would silently leave out is refused (stripe-facts.md trap 16)."""

    def test_a_card_is_sent_as_it_is(
        self, wire: LoopbackStripe, gateway: StripeGateway, access: ConnectionAccess
    ) -> None:
        wire.script(Answer({"id": "ic_1", "object": "issuing.card"}))
        params = {
            "cardholder": "ich_1",
            "currency": "usd",
            "type": "virtual",
            "status": "active",
            "spending_controls": {
                "allowed_categories": ["computer_software_stores"],
                "spending_limits": [{"amount": 12999, "interval": "per_authorization"}],
            },
            "lifecycle_controls": {"cancel_after": {"payment_count": 1}},
            "metadata": {"purchase_id": "pur_1"},
        }
        before = copy.deepcopy(params)

        assert create_card(gateway, access, params, "pur_1:1")["id"] == "ic_1"

        assert params == before
        sent = wire.received[0]
        assert (sent.method, sent.path) == ("POST", "/v1/issuing/cards")
        assert sent.form["spending_controls[spending_limits][0][amount]"] == ["12999"]
        assert sent.form["spending_controls[allowed_categories][0]"] == ["computer_software_stores"]
        assert sent.form["lifecycle_controls[cancel_after][payment_count]"] == ["1"]
        assert sent.form["metadata[purchase_id]"] == ["pur_1"]

    @pytest.mark.parametrize(
        ("params", "where"),
        [
            ({"spending_controls": {"allowed_categories": []}}, r"spending_controls\[allowed_categories\]"),
            ({"spending_controls": {}}, "spending_controls"),
            ({"spending_controls": {"spending_limits": [{"categories": []}]}}, r"\[0\]\[categories\]"),
            ({"metadata": {"purchase_id": None}}, r"metadata\[purchase_id\]"),
            ({"status": None}, "status"),
        ],
    )
    @pytest.mark.parametrize("create", [create_card, create_cardholder])
    def test_what_would_not_be_sent_is_refused(
        self,
        wire: LoopbackStripe,
        gateway: StripeGateway,
        access: ConnectionAccess,
        create: Callable[..., Any],
        params: dict[str, Any],
        where: str,
    ) -> None:
        with pytest.raises(UnsafeParameters, match=where):
            create(gateway, access, params, "pur_1:1")
        assert wire.received == []

    def test_the_sdk_still_drops_an_empty_list(
        self, wire: LoopbackStripe, gateway: StripeGateway, access: ConnectionAccess
    ) -> None:
        """The trap itself; if this fails, the guard may go."""
        wire.script(Answer({"id": "ic_1", "object": "issuing.card"}))
        weaker: Any = {"type": "virtual", "spending_controls": {"allowed_categories": []}}

        gateway.perform(lambda: gateway.sdk.v1.issuing.cards.create(weaker, gateway.options(access, "k")))

        assert wire.received[0].form == {"type": ["virtual"]}

    def test_an_empty_text_clears_a_list(
        self, wire: LoopbackStripe, gateway: StripeGateway, access: ConnectionAccess
    ) -> None:
        wire.script(Answer({"id": "ic_1", "object": "issuing.card"}))

        create_card(gateway, access, {"spending_controls": {"blocked_categories": ""}}, "pur_1:1")

        assert wire.received[0].form == {"spending_controls[blocked_categories]": [""]}


class TestCardStatus:
    """Freezing can be undone; canceling is a word of its own."""

    def test_freeze_and_cancel(self, wire: LoopbackStripe, gateway: StripeGateway, access: ConnectionAccess) -> None:
        wire.script(Answer({"id": "ic_1", "object": "issuing.card"}))

        update_card_status(gateway, access, "ic_1", "inactive", "freeze:1")
        cancel_card(gateway, access, "ic_1", "cancel:1")

        assert [received.path for received in wire.received] == ["/v1/issuing/cards/ic_1"] * 2
        assert [received.form for received in wire.received] == [
            {"status": ["inactive"]},
            {"status": ["canceled"]},
        ]
        assert [received.headers["Idempotency-Key"] for received in wire.received] == ["freeze:1", "cancel:1"]

    def test_a_card_is_not_canceled_by_the_way(
        self, wire: LoopbackStripe, gateway: StripeGateway, access: ConnectionAccess
    ) -> None:
        final: Any = "canceled"
        with pytest.raises(ValueError, match="cancel_card"):
            update_card_status(gateway, access, "ic_1", final, "freeze:1")
        assert wire.received == []


class TestCardDetails:
    """P6: the number is fetched when it is asked for, and seen by nobody else."""

    def test_they_are_fetched_by_expanding(
        self, wire: LoopbackStripe, gateway: StripeGateway, access: ConnectionAccess
    ) -> None:
        wire.script(Answer(DETAILED))

        details = fetch_card_details(gateway, access, "ic_1")

        assert details == CardDetails("4000056655665556", "987", 4, 2031, "94107")
        assert wire.received[0].method == "GET"
        assert wire.received[0].form == {"expand[0]": ["number"], "expand[1]": ["cvc"]}

    def test_they_are_not_shown(self, wire: LoopbackStripe, gateway: StripeGateway, access: ConnectionAccess) -> None:
        wire.script(Answer(DETAILED))

        details = fetch_card_details(gateway, access, "ic_1")

        for shown in (repr(details), str(details), f"{details}", f"{[details]}"):
            assert "4000056655665556" not in shown
            assert "987" not in shown

    def test_they_do_not_change(self) -> None:
        details = CardDetails("4000056655665556", "987", 4, 2031, None)
        with pytest.raises(dataclasses.FrozenInstanceError):
            details.number = "1"  # type: ignore[misc]

    @pytest.mark.parametrize("missing", ["number", "cvc", "exp_month", "exp_year"])
    def test_a_card_without_them_is_refused(
        self, wire: LoopbackStripe, gateway: StripeGateway, access: ConnectionAccess, missing: str
    ) -> None:
        wire.script(Answer({name: value for name, value in DETAILED.items() if name != missing}))

        with pytest.raises(StripeRefused) as caught:
            fetch_card_details(gateway, access, "ic_1")

        assert caught.value.failure.kind is FailureKind.DETAILS_WITHHELD
        assert "4000056655665556" not in str(caught.value)

    @pytest.mark.parametrize("cardholder", [None, "ich_1", {}, {"billing": {"address": {"postal_code": None}}}])
    def test_a_missing_postal_code_is_none(
        self, wire: LoopbackStripe, gateway: StripeGateway, access: ConnectionAccess, cardholder: Any
    ) -> None:
        wire.script(Answer({**DETAILED, "cardholder": cardholder}))

        assert fetch_card_details(gateway, access, "ic_1").billing_zip is None


class TestReading:
    """Plain data comes back."""

    def test_objects_are_plain_dicts_all_the_way_down(
        self, wire: LoopbackStripe, gateway: StripeGateway, access: ConnectionAccess
    ) -> None:
        body = {
            "id": "iauth_1",
            "object": "issuing.authorization",
            "merchant_data": {"name": "ACME", "url": None},
            "fuel": {"quantity_decimal": "10.5"},
            "request_history": [{"approved": True, "amount": 1}],
        }
        wire.script(Answer(body))

        for read in (retrieve_authorization, retrieve_transaction):
            answer = read(gateway, access, "iauth_1")
            assert answer == body
            assert type(answer) is type(answer["merchant_data"]) is type(answer["request_history"][0]) is dict

    def test_an_account_is_the_one_acted_for(
        self, wire: LoopbackStripe, gateway: StripeGateway, access: ConnectionAccess
    ) -> None:
        wire.script(Answer({"id": "acct_1", "object": "account", "capabilities": {"card_issuing": "active"}}))

        assert retrieve_account(gateway, access)["capabilities"] == {"card_issuing": "active"}

        assert wire.received[0].path == "/v1/account"
        assert wire.received[0].headers["Stripe-Account"] == "acct_1"

    @pytest.mark.parametrize(
        ("balance", "expected"),
        [
            (
                {"issuing": {"available": [{"amount": 5, "currency": "usd"}, {"amount": 9, "currency": "eur"}]}},
                5,
            ),
            ({"issuing": {"available": [{"amount": -7, "currency": "usd"}]}}, -7),
            ({"issuing": {"available": [{"amount": 9, "currency": "eur"}]}}, None),
            ({"issuing": {"available": []}}, None),
            ({"issuing": None}, None),
            ({"available": [{"amount": 5, "currency": "usd"}]}, None),
        ],
    )
    def test_the_balance_is_issuings_own(
        self,
        wire: LoopbackStripe,
        gateway: StripeGateway,
        access: ConnectionAccess,
        balance: dict[str, Any],
        expected: int | None,
    ) -> None:
        wire.script(Answer({"object": "balance", **balance}))

        assert issuing_balance(gateway, access, "USD") == expected
