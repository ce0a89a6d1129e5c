"""Accounts of the platform: made, changed, rejected, deleted, and their capabilities (facts 6.1)."""

from __future__ import annotations

import urllib.error
from typing import Any

import pytest
import stripe

from tests.support.connected import BANK, CARD, made, refused, told
from tests.support.simulator import Receiver, SimulatorProcess, authorize, new_card, new_cardholder
from tests.support.stripe_spec import load_spec, needs_spec

CUSTOM = {
    "fees": {"payer": "application"},
    "losses": {"payments": "application"},
    "requirement_collection": "application",
    "stripe_dashboard": {"type": "none"},
}


def test_an_account_reads_back_as_it_was_made(client: stripe.StripeClient) -> None:
    account = made(
        client,
        country="GB",
        email="owner@example.com",
        business_type="company",
        business_profile={"name": "Acme", "mcc": "5734", "support_address": {"line1": "1 High St", "country": "GB"}},
        company={"name": "Acme Ltd", "tax_id": "000000000", "address": {"city": "London"}, "structure": "llc"},
        settings={"card_issuing": {"tos_acceptance": {"date": 1700000000, "ip": "127.0.0.1"}}},
        tos_acceptance={"date": 1700000000, "ip": "127.0.0.1"},
        metadata={"team": "design"},
    )
    assert client.v1.accounts.retrieve(account.id).to_dict() == account.to_dict()
    assert client.v1.accounts.list().data[0].to_dict() == account.to_dict()
    assert (account.country, account.default_currency, account.email) == ("GB", "gbp", "owner@example.com")
    company = account.company.to_dict()
    assert (company["tax_id_provided"], company["address"]["city"], company["structure"]) == (True, "London", "llc")
    assert "tax_id" not in company
    assert account.business_profile.support_address.line1 == "1 High St"
    assert account.settings.card_issuing.tos_acceptance.ip == "127.0.0.1"
    funds = client.v1.balance.retrieve(None, {"stripe_account": account.id}).issuing.available
    assert [(one.currency, one.amount) for one in funds] == [("gbp", 10_000_000)]


@pytest.mark.parametrize(
    ("params", "kind", "payer"),
    [
        ({}, "custom", "application"),
        ({"type": "custom"}, "custom", "application_custom"),
        ({"type": "express"}, "express", "application_express"),
        ({"type": "standard"}, "standard", "account"),
        ({"controller": CUSTOM}, "custom", "application"),
        ({"controller": {}}, "custom", "application"),  # the SDK does not send an empty hash
        ({"controller": {"stripe_dashboard": {"type": "full"}}}, "standard", "account"),
        ({"controller": {"stripe_dashboard": {"type": "express"}}}, "none", "account"),
    ],
)
def test_type_and_controller_say_the_same(
    client: stripe.StripeClient, params: dict[str, Any], kind: str, payer: str
) -> None:
    account = client.v1.accounts.create(params)  # type: ignore[arg-type]
    assert (account.type, account.controller.fees.payer) == (kind, payer)  # type: ignore[union-attr]
    assert account.controller.is_controller is True  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("params", "param"),
    [
        ({"type": "custom", "controller": CUSTOM}, "controller"),
        ({"country": "Utopia"}, "country"),
        ({"default_currency": "xxx"}, "default_currency"),
        ({"business_type": "club"}, "business_type"),
        ({"capabilities": {"flying": {"requested": True}}}, "capabilities[flying]"),
        ({"capabilities": {"transfers": {"requested": "maybe"}}}, "capabilities[transfers][requested]"),
        ({"company": {"colour": "red"}}, "company[colour]"),
        ({"external_account": "btok_nowhere"}, "external_account"),
        ({"external_account": {**BANK, "routing_number": "1"}}, "external_account[routing_number]"),
        ({"external_account": {**BANK, "currency": "xxx"}}, "external_account[currency]"),
    ],
)
def test_what_is_wrong_is_refused_and_makes_nothing(
    client: stripe.StripeClient, params: dict[str, Any], param: str
) -> None:
    error = refused(client.v1.accounts.create, params)
    assert error.param == param
    assert client.v1.accounts.list().data == []


def test_an_update_merges_and_says_what_was_before(client: stripe.StripeClient) -> None:
    account = made(client, metadata={"a": "1", "b": "2"}, company={"name": "Acme", "address": {"city": "Rome"}})
    change: Any = {
        "metadata": {"b": "", "c": "3"},
        "company": {"address": {"line1": "Via Roma 1"}},
        "settings": {"payouts": {"schedule": {"interval": "weekly", "weekly_anchor": "friday"}}},
    }
    after = client.v1.accounts.update(account.id, change)
    assert after.metadata.to_dict() == {"a": "1", "c": "3"}  # type: ignore[union-attr]
    assert after.company.name == "Acme"  # type: ignore[union-attr]
    assert (after.company.address.city, after.company.address.line1) == ("Rome", "Via Roma 1")  # type: ignore[union-attr]
    event = told(client, account.id, "account.updated")[-1]
    assert event["data"]["object"] == after.to_dict()
    previous = event["data"]["previous_attributes"]
    assert previous["company"] == {"address": {"line1": None}}
    assert previous["metadata"] == {"b": "2", "c": None}
    assert previous["settings"]["payouts"]["schedule"]["interval"] == "daily"
    count = len(told(client, account.id, "account.updated"))
    client.v1.accounts.update(account.id, {"metadata": {"c": "3"}})
    assert len(told(client, account.id, "account.updated")) == count
    daily = client.v1.accounts.update(account.id, {"settings": {"payouts": {"schedule": {"interval": "daily"}}}})
    assert not hasattr(daily.settings.payouts.schedule, "weekly_anchor")  # type: ignore[union-attr]


def test_the_own_account_and_strangers_cannot_be_changed(simulator: SimulatorProcess) -> None:
    client = simulator.client()
    accounts = client.v1.accounts
    for call in (
        lambda: accounts.update(simulator.account, {"email": "a@example.com"}),
        lambda: accounts.delete(simulator.account),
        lambda: accounts.reject(simulator.account, {"reason": "other"}),
        lambda: accounts.persons.create(simulator.account, {"first_name": "Jenny"}),
    ):
        assert "own account" in str(refused(call))
    assert refused(accounts.retrieve, "acct_unknown", status=403).error.code == "account_invalid"
    connected = made(client).id
    token = client.oauth.token({"grant_type": "authorization_code", "code": simulator.approve()})
    stranger = simulator.client(key=token.access_token)
    assert refused(stranger.v1.accounts.retrieve, connected, status=403).error.code == "account_invalid"
    assert stranger.v1.accounts.list().data == []
    refused(stranger.v1.accounts.create, {})
    read_only = simulator.connect(scope="read_only")
    refused(accounts.update, read_only, {"email": "a@example.com"}, status=403)


def test_lists_go_in_pages_and_by_time(simulator: SimulatorProcess, client: stripe.StripeClient) -> None:
    first, second = made(client), made(client)
    simulator.control("clock", {"advance": 100})
    third = made(client)
    ids = [one.id for one in client.v1.accounts.list({"limit": 1}).auto_paging_iter()]
    assert ids == [third.id, second.id, first.id]
    late = client.v1.accounts.list({"created": {"gt": second.created + 50}}).data
    assert [one.id for one in late] == [third.id]


def test_capabilities_are_asked_for_and_given_back(client: stripe.StripeClient) -> None:
    account, service = made(client).id, client.v1.accounts.capabilities
    before = service.retrieve(account, "card_payments")
    assert (before.status, before.requested, before.requested_at) == ("unrequested", False, None)
    asked = service.update(account, "card_payments", {"requested": True})
    assert (asked.status, asked.requested, asked.account) == ("active", True, account)
    assert client.v1.accounts.retrieve(account).capabilities.card_payments == "active"  # type: ignore[union-attr]
    assert [one.id for one in service.list(account).data] == ["card_payments", "transfers", "card_issuing"]
    event = told(client, account, "capability.updated")[-1]["data"]
    assert event["object"] == asked.to_dict()
    previous = {"status": "unrequested", "requested": False, "requested_at": None}
    assert event["previous_attributes"] == previous
    client.v1.accounts.update(account, {"capabilities": {"card_payments": {"requested": False}}})
    assert service.retrieve(account, "card_payments").status == "unrequested"
    assert not hasattr(client.v1.accounts.retrieve(account).capabilities, "card_payments")
    expanded = service.retrieve(account, "transfers", {"expand": ["account"]})
    assert expanded.account.id == account  # type: ignore[union-attr]
    assert refused(service.retrieve, account, "flying", status=404).code == "resource_missing"


@pytest.mark.parametrize("status", ["inactive", "pending"])
def test_what_only_stripe_sets_agrees_everywhere(
    simulator: SimulatorProcess, client: stripe.StripeClient, status: str
) -> None:
    account = made(client).id
    simulator.control(f"accounts/{account}", {"card_issuing": status})
    assert client.v1.accounts.retrieve(account).capabilities.card_issuing == status  # type: ignore[union-attr]
    capability = client.v1.accounts.capabilities.retrieve(account, "card_issuing")
    assert (capability.status, capability.requested) == (status, True)
    assert capability.requirements.disabled_reason  # type: ignore[union-attr]
    event = told(client, account, "capability.updated")[-1]["data"]
    assert (event["object"]["status"], event["previous_attributes"]["status"]) == (status, "active")
    updated = told(client, account, "account.updated")[-1]["data"]
    assert updated["previous_attributes"] == {"capabilities": {"card_issuing": "active"}}


@pytest.mark.parametrize(
    ("reason", "shown"),
    [
        ("fraud_other", "rejected.platform_fraud"),
        ("fraud_payment_method_tester", "rejected.platform_fraud"),
        ("terms_of_service", "rejected.platform_terms_of_service"),
        ("credit", "rejected.platform_other"),
        ("other", "rejected.platform_other"),
    ],
)
def test_a_rejected_account_cannot_buy_until_that_is_taken_back(
    simulator: SimulatorProcess, client: stripe.StripeClient, reason: Any, shown: str
) -> None:
    account = made(client)
    direct = simulator.client(account.id)
    card = new_card(direct).id
    rejected = client.v1.accounts.reject(account.id, {"reason": reason})
    assert rejected.requirements.disabled_reason == shown  # type: ignore[union-attr]
    assert (rejected.charges_enabled, rejected.payouts_enabled) == (False, False)
    assert set(rejected.capabilities.to_dict().values()) == {"inactive"}  # type: ignore[union-attr]
    assert authorize(direct, card, 500).request_history[0].reason == "account_disabled"
    refused(client.v1.accounts.reject, account.id, {"reason": "other"})
    later = client.v1.accounts.capabilities.update(account.id, "card_payments", {"requested": True})
    assert later.status == "inactive"
    back = client.v1.accounts.unreject(account.id)
    assert (back.charges_enabled, back.payouts_enabled) == (True, True)
    assert set(back.capabilities.to_dict().values()) == {"active"}  # type: ignore[union-attr]
    assert back.requirements.disabled_reason is None  # type: ignore[union-attr]
    assert authorize(direct, card, 500).approved
    refused(client.v1.accounts.unreject, account.id)


def test_only_some_accounts_can_be_rejected(client: stripe.StripeClient) -> None:
    standard = client.v1.accounts.create({"type": "standard"})
    assert "liable" in str(refused(client.v1.accounts.reject, standard.id, {"reason": "other"}))
    assert refused(client.v1.accounts.reject, made(client).id, {"reason": "fraud"}).param == "reason"
    kept = client.v1.accounts.reject(made(client).id, {"reason": "other", "payouts_action": "none"})
    assert (kept.charges_enabled, kept.payouts_enabled) == (False, True)


def test_a_deleted_account_is_out_of_reach(
    simulator: SimulatorProcess, client: stripe.StripeClient, receiver: Receiver
) -> None:
    account = made(client)
    direct = simulator.client(account.id)
    card = new_card(direct)
    pending = authorize(direct, card.id, 500)
    deleted = client.v1.accounts.delete(account.id)
    assert (deleted.id, deleted.deleted) == (account.id, True)
    assert receiver.wait_for("account.application.deauthorized")[0]["account"] == account.id
    for call in (client.v1.accounts.retrieve, client.v1.accounts.delete):
        assert refused(call, account.id, status=403).error.code == "account_invalid"
    refused(direct.v1.issuing.cards.retrieve, card.id, status=403)
    assert client.v1.accounts.list().data == []
    assert account.id not in [one["id"] for one in simulator.control("state")["accounts"]]
    # What was under way goes on without anyone, and without a failure of the simulator's.
    assert pending.approved
    simulator.control("clock", {"advance": 31 * 86_400})
    other = simulator.connect()
    assert "disconnect" in str(refused(client.v1.accounts.delete, other))


def test_login_links_are_for_the_express_dashboard(client: stripe.StripeClient) -> None:
    express = client.v1.accounts.create({"type": "express"})
    assert client.v1.accounts.login_links.create(express.id).url.startswith("https://")
    assert "Express" in str(refused(client.v1.accounts.login_links.create, made(client).id))


def test_the_publishable_key_exists_and_is_refused(simulator: SimulatorProcess) -> None:
    with pytest.raises(stripe.PermissionError, match="publishable") as refused_:
        simulator.client(key="pk_test_simulator").v1.balance.retrieve()
    assert (refused_.value.http_status, refused_.value.error.code) == (403, "secret_key_required")
    with pytest.raises(stripe.AuthenticationError, match="Invalid API Key"):
        simulator.client(key="pk_test_unknown").v1.balance.retrieve()


def test_a_reset_makes_the_own_account_new(simulator: SimulatorProcess, client: stripe.StripeClient) -> None:
    before = client.v1.accounts.retrieve_current().to_dict()
    simulator.control(f"accounts/{simulator.account}", {"card_issuing": "inactive", "topup_delay": 60})
    simulator.control("reset", {})
    after = client.v1.accounts.retrieve_current().to_dict()
    # It is made in the second of the reset.
    assert after["tos_acceptance"].pop("date") >= before["tos_acceptance"].pop("date")
    assert after == before
    assert client.v1.topups.create({"amount": 1, "currency": "usd"}).status == "succeeded"


def test_accounts_survive_a_restart(tmp_path: Any) -> None:
    state = str(tmp_path / "state.db")
    with SimulatorProcess("--state", state) as first:
        client = first.client()
        account = made(client, business_type="individual", individual={"first_name": "Jenny"}, external_account=BANK).id
        client.v1.accounts.reject(account, {"reason": "other"})
        kept = client.v1.accounts.retrieve(account).to_dict()
    with SimulatorProcess("--state", state) as second:
        client = second.client()
        assert client.v1.accounts.retrieve(account).to_dict() == kept
        client.v1.accounts.unreject(account)
        client.v1.accounts.update(account, {"individual": {"last_name": "Rosen"}})
        assert new_cardholder(second.client(account)).id
        person = client.v1.accounts.persons.list(account).data
        assert [(one.first_name, one.last_name) for one in person] == [("Jenny", "Rosen")]


@needs_spec
def test_every_event_on_the_way_is_as_published(client: stripe.StripeClient) -> None:
    account = made(client, external_account=BANK, individual={"first_name": "Jenny"}).id
    accounts = client.v1.accounts
    card = accounts.external_accounts.create(account, {"external_account": CARD})  # type: ignore[typeddict-item]
    accounts.external_accounts.update(account, card.id, {"name": "Jenny Rosen"})
    accounts.external_accounts.delete(account, card.id)
    person = accounts.persons.create(account, {"first_name": "Jane"})
    accounts.persons.update(account, person.id, {"us_cfpb_data": {"race_details": {"race": ["white"]}}})
    accounts.persons.delete(account, person.id)
    accounts.reject(account, {"reason": "other"})
    accounts.unreject(account)
    events = client.v1.events.list({"limit": 100}, {"stripe_account": account}).data
    kinds = {event.type for event in events}
    assert {"account.updated", "capability.updated", "person.deleted", "account.external_account.deleted"} <= kinds
    for event in events:
        assert load_spec().object_complaints(event.data.object.to_dict()) == [], event.type


def test_a_wrong_setting_of_an_account_changes_nothing(simulator: SimulatorProcess) -> None:
    account = simulator.account
    before = simulator.control(f"accounts/{account}", {})
    for wrong in ({"timout_action": "approve"}, {"fraud_challenges": 1}, {"issuing_balance": {"usd": True}}):
        with pytest.raises(urllib.error.HTTPError) as refused:
            simulator.control(f"accounts/{account}", {"timeout_action": "approve", "topup_delay": 60, **wrong})
        with refused.value as answer:
            assert answer.code == 400
    assert simulator.control(f"accounts/{account}", {}) == before
    assert simulator.client().v1.topups.create({"amount": 100, "currency": "usd"}).status == "succeeded"
