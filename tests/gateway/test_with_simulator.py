"""The gateway against the simulator, over real HTTP: what has a state — cards, keys used twice, OAuth, events."""

import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import requests

from roony.gateway.client import ConnectionAccess, PlainObject, StripeGateway
from roony.gateway.connect import OAuthTokens, authorize_url, deauthorize, exchange_code
from roony.gateway.errors import (
    FailureKind,
    OAuthRefused,
    StripeCallFailed,
    StripeForbidden,
    StripeRateLimited,
    StripeRefused,
    StripeUnauthorized,
    StripeUncertain,
)
from roony.gateway.events import (
    list_events,
    list_undelivered_events,
    list_webhook_endpoints,
)
from roony.gateway.issuing import (
    cancel_card,
    create_card,
    create_cardholder,
    fetch_card_details,
    find_cards,
    issuing_balance,
    list_authorizations,
    list_cards,
    list_transactions,
    retrieve_account,
    retrieve_authorization,
    retrieve_card,
    retrieve_transaction,
    update_card_status,
)
from tests.support.forking import PATIENCE
from tests.support.simulator import SimulatorProcess

BACK = "http://127.0.0.1:9/connect/stripe/callback"
CARDHOLDER = {
    "name": "Ada Lovelace",
    "type": "individual",
    "email": "ada@example.com",
    "phone_number": "+14155550100",
    "individual": {
        "first_name": "Ada",
        "last_name": "Lovelace",
        "dob": {"day": 10, "month": 12, "year": 1985},
        "card_issuing": {"user_terms_acceptance": {"date": 1700000000, "ip": "127.0.0.1"}},
    },
    "billing": {"address": {"line1": "1 Market St", "city": "San Francisco", "postal_code": "94105", "country": "US"}},
}


@pytest.fixture(scope="module")
def simulator() -> Iterator[SimulatorProcess]:
    """A simulator of this module's own."""
    with SimulatorProcess() as process:
        yield process


@pytest.fixture
def stripe(simulator: SimulatorProcess) -> Iterator[StripeGateway]:
    """A gateway to a fresh world."""
    simulator.control("reset", {})
    made = StripeGateway(
        secret_key=simulator.secret_key,
        connect_client_id=simulator.client_id,
        api_base=simulator.url,
        connect_base=simulator.url,
        read_timeout=60.0,
    )
    yield made
    made.close()


@pytest.fixture
def hasty(simulator: SimulatorProcess, stripe: StripeGateway) -> Iterator[StripeGateway]:
    """A gateway to the same world that waits a second for an answer."""
    made = StripeGateway(
        secret_key=simulator.secret_key, api_base=simulator.url, connect_base=simulator.url, read_timeout=1.0
    )
    yield made
    made.close()


@pytest.fixture
def direct() -> ConnectionAccess:
    """The simulated account itself."""
    return ConnectionAccess(kind="direct", stripe_account=None, livemode=False)


@pytest.fixture
def cardholder(stripe: StripeGateway, direct: ConnectionAccess) -> str:
    """A cardholder in good standing."""
    return str(create_cardholder(stripe, direct, CARDHOLDER, "ich:1")["id"])


def card_params(cardholder: str, purchase: str = "pur_1") -> dict[str, Any]:
    """A tightly limited card."""
    return {
        "cardholder": cardholder,
        "currency": "usd",
        "type": "virtual",
        "status": "active",
        "spending_controls": {
            "allowed_categories": ["computer_software_stores"],
            "spending_limits": [{"amount": 12999, "interval": "per_authorization"}],
        },
        "metadata": {"purchase_id": purchase},
    }


def break_cards(simulator: SimulatorProcess, kind: str, **more: Any) -> None:
    """The next card creation meets this fault."""
    simulator.control("faults", [{"endpoint": "POST /v1/issuing/cards", "kind": kind, "count": 1, **more}])


class TestCards:
    """Make, read back, freeze, reveal, cancel."""

    def test_the_life_of_a_card(self, stripe: StripeGateway, direct: ConnectionAccess, cardholder: str) -> None:
        card = create_card(stripe, direct, card_params(cardholder), "pur_1:1")

        assert card["status"] == "active"
        assert card["spending_controls"]["allowed_categories"] == ["computer_software_stores"]
        assert card["spending_controls"]["spending_limits"][0]["amount"] == 12999
        assert "number" not in card
        assert update_card_status(stripe, direct, card["id"], "inactive", "f:1")["status"] == "inactive"
        assert update_card_status(stripe, direct, card["id"], "active", "f:2")["status"] == "active"
        assert cancel_card(stripe, direct, card["id"], "c:1")["status"] == "canceled"
        assert retrieve_card(stripe, direct, card["id"])["status"] == "canceled"
        assert [one["id"] for one in list_cards(stripe, direct, status="canceled")] == [card["id"]]
        with pytest.raises(StripeRefused):
            update_card_status(stripe, direct, card["id"], "active", "f:3")

    def test_the_details_are_fetched_when_asked_for(
        self, stripe: StripeGateway, direct: ConnectionAccess, cardholder: str
    ) -> None:
        card = create_card(stripe, direct, card_params(cardholder), "pur_1:1")

        details = fetch_card_details(stripe, direct, card["id"])

        assert details.number.endswith(card["last4"])
        assert (details.exp_month, details.exp_year) == (card["exp_month"], card["exp_year"])
        assert details.billing_zip == "94105"
        assert details.number not in repr(details)

    def test_a_refused_cardholder_names_the_parameter(self, stripe: StripeGateway, direct: ConnectionAccess) -> None:
        with pytest.raises(StripeRefused) as caught:
            create_cardholder(stripe, direct, {**CARDHOLDER, "name": "Agent-7"}, "ich:2")

        assert caught.value.failure.kind is FailureKind.INVALID_REQUEST
        assert caught.value.failure.param == "name"
        assert caught.value.failure.request_id

    def test_an_unknown_card(self, stripe: StripeGateway, direct: ConnectionAccess) -> None:
        with pytest.raises(StripeRefused) as caught:
            retrieve_card(stripe, direct, "ic_nowhere")

        assert caught.value.failure.kind is FailureKind.NOT_FOUND
        assert caught.value.failure.code == "resource_missing"


class TestOneCardPerPurchase:
    """P2 at the wire: every doubt is settled by the same key or by the look-up."""

    def test_a_lost_answer_is_found_again_by_the_same_key(
        self, simulator: SimulatorProcess, stripe: StripeGateway, direct: ConnectionAccess, cardholder: str
    ) -> None:
        break_cards(simulator, "drop_after")
        with pytest.raises(StripeUncertain) as caught:
            create_card(stripe, direct, card_params(cardholder), "pur_1:1")
        assert caught.value.failure.same_key_may_help

        card = create_card(stripe, direct, card_params(cardholder), "pur_1:1")

        assert [one["id"] for one in find_cards(stripe, direct, cardholder, card["created"])] == [card["id"]]

    def test_a_kept_500_is_settled_by_the_lookup(
        self, simulator: SimulatorProcess, stripe: StripeGateway, direct: ConnectionAccess, cardholder: str
    ) -> None:
        break_cards(simulator, "error_after")
        for _attempt in range(2):  # the second is the stored answer again
            with pytest.raises(StripeUncertain) as caught:
                create_card(stripe, direct, card_params(cardholder), "pur_1:1")
            assert caught.value.failure.http_status == 500

        found = find_cards(stripe, direct, cardholder, 0)

        assert [one["metadata"]["purchase_id"] for one in found] == ["pur_1"]

    def test_a_slow_answer_is_uncertain_and_the_same_key_makes_no_second_card(
        self,
        simulator: SimulatorProcess,
        stripe: StripeGateway,
        hasty: StripeGateway,
        direct: ConnectionAccess,
        cardholder: str,
    ) -> None:
        break_cards(simulator, "slow", seconds=1.5)
        with pytest.raises(StripeUncertain) as caught:
            create_card(hasty, direct, card_params(cardholder), "pur_1:1")
        assert caught.value.failure.kind is FailureKind.TIMEOUT

        card = self.until_answered(stripe, direct, cardholder)

        assert [one["id"] for one in find_cards(stripe, direct, cardholder, 0)] == [card["id"]]

    def until_answered(self, stripe: StripeGateway, direct: ConnectionAccess, cardholder: str) -> PlainObject:
        """The card, once the first request is no longer under way (409 until then)."""
        until = time.monotonic() + PATIENCE
        while time.monotonic() < until:
            try:
                return create_card(stripe, direct, card_params(cardholder), "pur_1:1")
            except StripeUncertain as failed:
                if failed.failure.kind not in {FailureKind.CONFLICT, FailureKind.TIMEOUT}:
                    raise
                time.sleep(0.02)
        raise AssertionError("the first request never ended")

    def test_a_key_with_other_parameters_is_no_proof_of_anything(
        self, stripe: StripeGateway, direct: ConnectionAccess, cardholder: str
    ) -> None:
        create_card(stripe, direct, card_params(cardholder), "pur_1:1")

        with pytest.raises(StripeUncertain) as caught:
            create_card(stripe, direct, card_params(cardholder, "pur_2"), "pur_1:1")

        assert caught.value.failure.kind is FailureKind.IDEMPOTENCY_MISMATCH
        assert not caught.value.failure.same_key_may_help

    @pytest.mark.parametrize(
        ("fault", "raises", "kind"),
        [
            ("rate_limit", StripeRateLimited, FailureKind.RATE_LIMITED),
            ("lock_timeout", StripeRateLimited, FailureKind.LOCK_TIMEOUT),
            ("conflict", StripeUncertain, FailureKind.CONFLICT),
            ("error_before", StripeUncertain, FailureKind.SERVER_ERROR),
        ],
    )
    def test_faults_are_sorted(
        self,
        simulator: SimulatorProcess,
        stripe: StripeGateway,
        direct: ConnectionAccess,
        cardholder: str,
        fault: str,
        raises: type[StripeCallFailed],
        kind: FailureKind,
    ) -> None:
        break_cards(simulator, fault)

        with pytest.raises(raises) as caught:
            create_card(stripe, direct, card_params(cardholder), "pur_1:1")

        assert caught.value.failure.kind is kind


class TestReading:
    """What happened on a card, and what it is paid from."""

    def test_a_payment_is_seen_from_every_side(
        self, stripe: StripeGateway, direct: ConnectionAccess, cardholder: str
    ) -> None:
        before = issuing_balance(stripe, direct, "usd")
        card = create_card(stripe, direct, card_params(cardholder), "pur_1:1")
        payment: Any = {
            "card": card["id"],
            "amount": 1000,
            "merchant_data": {"category": "computer_software_stores", "name": "Figma", "country": "US"},
        }
        helpers = stripe.sdk.v1.test_helpers.issuing.authorizations
        made = stripe.perform(lambda: helpers.create(payment))
        stripe.perform(lambda: helpers.capture(made["id"]))

        authorization = retrieve_authorization(stripe, direct, made["id"])
        [captured] = list(list_transactions(stripe, direct, card=card["id"]))

        assert [one["id"] for one in list_authorizations(stripe, direct, card=card["id"])] == [made["id"]]
        assert authorization["status"] == "closed"
        assert (captured["amount"], captured["type"]) == (-1000, "capture")
        assert retrieve_transaction(stripe, direct, captured["id"])["authorization"] == made["id"]
        assert before is not None
        assert issuing_balance(stripe, direct, "usd") == before - 1000
        assert issuing_balance(stripe, direct, "chf") is None

    def test_events_carry_the_key_of_the_call(
        self, stripe: StripeGateway, direct: ConnectionAccess, cardholder: str
    ) -> None:
        create_card(stripe, direct, card_params(cardholder), "pur_1:1")

        [event] = list(list_events(stripe, direct, since=0, types=["issuing_card.created"]))

        assert event["request"]["idempotency_key"] == "pur_1:1"
        assert list(list_undelivered_events(stripe, direct, since=event["created"] + 1000)) == []

    def test_the_account_and_its_endpoints(
        self, simulator: SimulatorProcess, stripe: StripeGateway, direct: ConnectionAccess
    ) -> None:
        assert retrieve_account(stripe, direct)["id"] == simulator.account
        assert all("secret" not in endpoint for endpoint in list_webhook_endpoints(stripe, direct))

    def test_a_wrong_key_is_named_without_being_shown(
        self, simulator: SimulatorProcess, direct: ConnectionAccess
    ) -> None:
        wrong = StripeGateway(secret_key="sk_test_nobody_has_this", api_base=simulator.url, connect_base=simulator.url)
        with pytest.raises(StripeUnauthorized) as caught:
            retrieve_account(wrong, direct)
        wrong.close()

        assert "sk_[redacted]" in str(caught.value)
        assert "this" not in str(caught.value)


class TestConnecting:
    """OAuth from the button to the end of access."""

    def connected(self, simulator: SimulatorProcess, stripe: StripeGateway) -> tuple[OAuthTokens, ConnectionAccess]:
        """A connected account."""
        tokens = exchange_code(stripe, simulator.approve())
        account = tokens.stripe_account
        return tokens, ConnectionAccess(kind="connect", stripe_account=account, livemode=tokens.livemode)

    def test_the_url_leads_to_the_button_and_back(self, simulator: SimulatorProcess, stripe: StripeGateway) -> None:
        url = authorize_url(stripe, simulator.client_id, BACK, "state-1")

        assert requests.get(url, timeout=60).status_code == 200
        decided = requests.post(url, data={"action": "approve"}, allow_redirects=False, timeout=60)

        answer = parse_qs(urlsplit(decided.headers["Location"]).query)
        assert decided.headers["Location"].startswith(BACK)
        assert answer["state"] == ["state-1"]
        assert exchange_code(stripe, answer["code"][0]).scope == "read_write"

    def test_connect_use_and_disconnect(self, simulator: SimulatorProcess, stripe: StripeGateway) -> None:
        tokens, access = self.connected(simulator, stripe)

        assert (tokens.scope, tokens.livemode) == ("read_write", False)
        assert retrieve_account(stripe, access)["id"] == tokens.stripe_account
        holder = create_cardholder(stripe, access, CARDHOLDER, "ich:1")
        assert create_card(stripe, access, card_params(holder["id"]), "pur_1:1")["status"] == "active"
        assert deauthorize(stripe, tokens.stripe_account) == tokens.stripe_account
        with pytest.raises(StripeForbidden) as caught:
            retrieve_account(stripe, access)
        assert caught.value.account_access_revoked
        with pytest.raises(OAuthRefused):
            deauthorize(stripe, tokens.stripe_account)

    def test_a_code_presented_twice_revokes_the_connection(
        self, simulator: SimulatorProcess, stripe: StripeGateway
    ) -> None:
        """Trap 23, and why an exchange is never repeated."""
        code = simulator.approve()
        account = exchange_code(stripe, code).stripe_account

        with pytest.raises(OAuthRefused) as caught:
            exchange_code(stripe, code)

        assert caught.value.error == "invalid_grant"
        access = ConnectionAccess(kind="connect", stripe_account=account, livemode=False)
        with pytest.raises(StripeForbidden):
            retrieve_account(stripe, access)

    def test_a_lost_answer_is_uncertain_and_leaves_the_connection_standing(
        self, simulator: SimulatorProcess, stripe: StripeGateway
    ) -> None:
        code = simulator.approve()
        simulator.control("faults", [{"endpoint": "POST /oauth/token", "kind": "error_after", "count": 1}])

        with pytest.raises(StripeUncertain) as caught:
            exchange_code(stripe, code)

        assert caught.value.failure.code == "server_error"

    def test_another_accounts_things_are_not_reached(
        self, simulator: SimulatorProcess, stripe: StripeGateway, direct: ConnectionAccess, cardholder: str
    ) -> None:
        card = create_card(stripe, direct, card_params(cardholder), "pur_1:1")
        _tokens, access = self.connected(simulator, stripe)

        with pytest.raises(StripeRefused) as caught:
            fetch_card_details(stripe, access, card["id"])

        assert caught.value.failure.kind is FailureKind.NOT_FOUND
