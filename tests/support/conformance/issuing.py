"""The drive through Issuing: cardholders, cards, authorizations, transactions, disputes, tokens, designs."""

from __future__ import annotations

from typing import Any

import stripe

from tests.support.conformance.recording import Record, read_back
from tests.support.conformance.samples import sample
from tests.support.simulator import (
    REQUEST,
    Answer,
    Receiver,
    SimulatorProcess,
    approve_all,
    authorize,
    new_card,
    new_cardholder,
    said,
)

# Allowed and blocked lists exclude each other: one card has the first, its update the second.
_CREATING = ("blocked_", "replacement_for", "replacement_reason", "financial_account")


class Drive:
    """One client, one record, and short names for the services used most."""

    def __init__(
        self, simulator: SimulatorProcess, receiver: Receiver, client: stripe.StripeClient, record: Record
    ) -> None:
        self.simulator = simulator
        self.receiver = receiver
        self.client = client
        self.record = record
        self.issuing = client.v1.issuing
        self.helpers = client.v1.test_helpers.issuing

    def full(self, operation: str, without: tuple[str, ...] = (), **given: Any) -> Any:
        """Return every published parameter of an operation, with some values given."""
        params = sample(self.record.spec.parameters(operation), (*without, *given))
        return {**params, **given}

    def pending_topup(self) -> Any:
        """Return a top-up that has not arrived yet."""
        self.simulator.control(f"accounts/{self.simulator.account}", {"topup_delay": 86_400})
        return self.client.v1.topups.create({"amount": 1000, "currency": "usd"})


def blocking(params: Any) -> Any:
    """Return the parameters of an update that puts blocked lists in the place of allowed ones."""
    cleared = {name.replace("blocked", "allowed"): "" for name in params["spending_controls"] if "blocked" in name}
    return {**params, "spending_controls": {**params["spending_controls"], **cleared}}


def cardholders(drive: Drive) -> None:
    """Every operation of cardholders, with every parameter."""
    service, record = drive.issuing.cardholders, drive.record
    made = service.create(drive.full("POST /v1/issuing/cardholders", ("blocked_",), type="individual"))
    read_back(record, made, service.retrieve, service.list)
    changed = service.update(
        made.id, blocking(drive.full("POST /v1/issuing/cardholders/{cardholder}", ("allowed_",), status="active"))
    )
    read_back(record, changed, service.retrieve, service.list)
    company = {"name": "Acme", "type": "company", "company": {"tax_id": "000000000"}}
    address = {"line1": "1 Main St", "city": "Berlin", "country": "DE", "postal_code": "10115"}
    read_back(record, service.create({**company, "billing": {"address": address}}), service.retrieve, service.list)
    service.list(drive.full("GET /v1/issuing/cardholders", ("starting_after", "ending_before", "created")))


def cards(drive: Drive) -> None:
    """Every operation of cards; a virtual one with all its parameters and a physical one that is replaced."""
    service, record = drive.issuing.cards, drive.record
    holder = new_cardholder(drive.client)
    params = drive.full(
        "POST /v1/issuing/cards",
        (*_CREATING, "shipping", "personalization_design", "pin"),
        cardholder=holder.id,
        currency="usd",
        type="virtual",
        status="active",
    )
    made = service.create(params)
    read_back(record, made, service.retrieve, service.list)
    service.retrieve(made.id, {"expand": ["number", "cvc"]})
    without = ("allowed_", "shipping", "personalization_design", "pin", "financial_account", "cancellation_reason")
    params = blocking(drive.full("POST /v1/issuing/cards/{card}", without, status="inactive"))
    changed = service.update(made.id, params)
    read_back(record, changed, service.retrieve, service.list)
    service.list(drive.full("GET /v1/issuing/cards", ("starting_after", "ending_before", "created")))
    service.update(made.id, {"status": "canceled", "cancellation_reason": "lost"})
    after = new_card(drive.client, holder.id, replacement_for=made.id, replacement_reason="lost")
    service.retrieve(made.id, {"expand": ["replaced_by"]})
    service.retrieve(after.id, {"expand": ["replacement_for", "cardholder"]})


def designs(drive: Drive) -> None:
    """Bundles, designs and their helpers, and the journey of a physical card."""
    bundles, service, record = drive.issuing.physical_bundles, drive.issuing.personalization_designs, drive.record
    bundle = bundles.list({"status": "active", "type": "standard"}).data[0]
    read_back(record, bundle, bundles.retrieve, bundles.list)
    operation = "POST /v1/issuing/personalization_designs"
    made = service.create(drive.full(operation, physical_bundle=bundle.id, card_logo="file_sample"))
    read_back(record, made, service.retrieve, service.list)
    helper = drive.helpers.personalization_designs
    helper.activate(made.id)
    helper.deactivate(made.id)
    operation = "POST /v1/issuing/personalization_designs/{personalization_design}"
    changed = service.update(made.id, drive.full(operation, physical_bundle=bundle.id, card_logo="file_other"))
    read_back(record, changed, service.retrieve, service.list)
    service.retrieve(made.id, {"expand": ["physical_bundle"]})
    other = service.create({"physical_bundle": bundle.id})
    reasons = drive.full("POST /v1/test_helpers/issuing/personalization_designs/{personalization_design}/reject")
    helper.reject(other.id, reasons)
    helper.activate(made.id)
    service.list({"lookup_keys": [str(made.lookup_key)], "status": "active", "preferences": {"is_default": True}})
    _physical_cards(drive, made.id)


def _physical_cards(drive: Drive, design: str) -> None:
    service, helper = drive.issuing.cards, drive.helpers.cards
    holder = new_cardholder(drive.client)
    params = drive.full(
        "POST /v1/issuing/cards",
        (*_CREATING, "lifecycle_controls"),
        cardholder=holder.id,
        currency="usd",
        type="physical",
        status="inactive",
        personalization_design=design,
    )
    for end in (helper.deliver_card, helper.return_card):
        made = service.create(params)
        read_back(drive.record, made, service.retrieve, service.list)
        helper.submit_card(made.id)
        helper.ship_card(made.id)
        end(made.id)
    failing = service.create(params)
    helper.submit_card(failing.id)
    helper.ship_card(failing.id)
    helper.fail_card(failing.id)
    service.retrieve(failing.id, {"expand": ["personalization_design"]})


def authorizations(drive: Drive) -> None:
    """Authorizations with every parameter, and every helper that follows one."""
    service, helper, record = drive.issuing.authorizations, drive.helpers.authorizations, drive.record
    card = new_card(drive.client)
    operation = "POST /v1/test_helpers/issuing/authorizations"
    params = drive.full(operation, ("expand",), card=card.id, amount=1000, merchant_amount=926, currency="usd")
    asked = helper.create({**params, "risk_assessment": _calm(params["risk_assessment"])})
    read_back(record, asked, service.retrieve, service.list)
    service.retrieve(asked.id, {"expand": ["cardholder", "token", "card"]})
    read_back(record, service.update(asked.id, {"metadata": {"order": "1"}}), service.retrieve, service.list)
    helper.increment(asked.id, {"increment_amount": 200, "is_amount_controllable": True})
    helper.reverse(asked.id, {"reverse_amount": 100})
    capture = "POST /v1/test_helpers/issuing/authorizations/{authorization}/capture"
    helper.capture(asked.id, drive.full(capture, capture_amount=500, close_authorization=False))
    read_back(record, helper.capture(asked.id), service.retrieve, service.list)
    pump = authorize(drive.client, card.id, 100, merchant_data={"category": "automated_fuel_dispensers"})
    operation = "POST /v1/test_helpers/issuing/authorizations/{authorization}/finalize_amount"
    helper.finalize_amount(pump.id, drive.full(operation, final_amount=4000))
    helper.reverse(pump.id)
    helper.expire(authorize(drive.client, card.id, 700).id)
    service.list(
        drive.full(
            "GET /v1/issuing/authorizations",
            ("starting_after", "ending_before", "created"),
            card=card.id,
            cardholder=card.cardholder.id,
        )
    )
    declined = authorize(drive.client, card.id, 9_000_000)
    read_back(record, declined, service.retrieve, service.list)


def _calm(assessment: dict[str, Any]) -> dict[str, Any]:
    """Return the sample risk assessment with levels that refuse nothing."""
    return {
        name: {key: "normal" if key in ("level", "risk_level") else value for key, value in part.items()}
        for name, part in assessment.items()
    }


def answers(drive: Drive) -> None:
    """The two deprecated answers by API, and the fraud challenge that an answer can ask for."""
    service, receiver = drive.issuing.authorizations, drive.receiver
    metadata = {"metadata": {"by": "api"}}
    for answer in (
        lambda one: service.approve(one, {"amount": 400, **metadata}),
        lambda one: service.decline(one, metadata),  # type: ignore[arg-type]
    ):

        def asked(event: dict[str, Any], answer: Any = answer) -> Answer:
            if event["type"] == REQUEST:
                with drive.record.going_on():
                    answer(event["data"]["object"]["id"])
            return said({"approved": False})

        receiver.answer = asked
        done = authorize(drive.client, new_card(drive.client).id, 500, is_amount_controllable=True)
        read_back(drive.record, done, service.retrieve, service.list)
    receiver.answer = lambda _event: said({"approved": False, "send_fraud_challenges": ["sms"]})
    reachable = new_cardholder(drive.client, phone_number="+15555550123")
    challenged = authorize(drive.client, new_card(drive.client, reachable.id).id, 500)
    receiver.answer = approve_all
    answered = drive.helpers.authorizations.respond(challenged.id, {"confirmed": True})
    read_back(drive.record, answered, service.retrieve, service.list)


def transactions(drive: Drive) -> None:
    """Transactions, with and without an authorization before them, and the balance moves behind them."""
    service, helper, record = drive.issuing.transactions, drive.helpers.transactions, drive.record
    card = new_card(drive.client)
    for operation, create in (
        ("create_force_capture", helper.create_force_capture),
        ("create_unlinked_refund", helper.create_unlinked_refund),
    ):
        full = drive.full(f"POST /v1/test_helpers/issuing/transactions/{operation}", card=card.id, currency="usd")
        read_back(record, create(full), service.retrieve, service.list)
    asked = authorize(drive.client, card.id, 1500)
    captured = drive.helpers.authorizations.capture(asked.id).transactions[0]
    read_back(record, captured, service.retrieve, service.list)
    changed = service.update(captured.id, {"metadata": {"invoice": "7"}})
    read_back(record, changed, service.retrieve, service.list)
    helper.refund(captured.id, {"refund_amount": 500})
    service.retrieve(captured.id, {"expand": ["authorization", "balance_transaction", "card", "cardholder", "dispute"]})
    service.list({"card": card.id, "cardholder": card.cardholder.id, "type": "refund", "limit": 3})


def tokens(drive: Drive) -> None:
    """A wallet token: born by a payment with a wallet, suspended, taken up again, deleted."""
    service, record = drive.issuing.tokens, drive.record
    card = new_card(drive.client)
    authorize(drive.client, card.id, 900, wallet="apple_pay")
    token = service.list({"card": card.id, "status": "active"}).data[0]
    read_back(record, token, service.retrieve, lambda: service.list({"card": card.id}))
    for status in ("suspended", "active", "deleted"):
        service.update(token.id, {"status": status})
    service.retrieve(token.id, {"expand": ["card"]})


def disputes(drive: Drive) -> None:
    """Disputes for every reason, with all evidence; one is submitted and won, one is lost."""
    service, record = drive.issuing.disputes, drive.record
    operation = "POST /v1/issuing/disputes"
    evidence = sample(record.spec.parameters(operation)["properties"]["evidence"])
    for reason in [name for name in evidence if name != "reason"]:
        params = {"transaction": _bought(drive), "amount": 600, "metadata": {"why": reason}}
        whole = {"reason": reason, reason: evidence[reason]}
        made = service.create({**params, "evidence": whole})  # type: ignore[typeddict-item]
        read_back(record, made, service.retrieve, service.list)
        service.update(made.id, {"amount": 500, "evidence": whole, "metadata": {"more": "yes"}})  # type: ignore[typeddict-item]
        sent = service.submit(made.id, {"metadata": {"sent": "yes"}})
        read_back(record, sent, service.retrieve, service.list)
        outcome = {"status": "won"} if reason in ("canceled", "fraudulent") else {"status": "lost"}
        drive.simulator.control(f"disputes/{made.id}/close", outcome)
        service.retrieve(made.id, {"expand": ["transaction"]})
    service.list({"status": "won", "transaction": made.transaction, "limit": 2})
    service.create({"transaction": _bought(drive)})


def _bought(drive: Drive) -> str:
    """Return a captured transaction on a card of its own: limits of a day do not add up."""
    asked = authorize(drive.client, new_card(drive.client).id, 1500)
    return str(drive.helpers.authorizations.capture(asked.id).transactions[0].id)


CHAPTERS = (cardholders, cards, designs, authorizations, answers, transactions, tokens, disputes)
