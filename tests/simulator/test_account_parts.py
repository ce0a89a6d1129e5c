"""What belongs to an account: its persons, its bank accounts and debit cards."""

from __future__ import annotations

from typing import Any

import pytest
import stripe

from tests.support.connected import BANK, CARD, made, refused, told


def test_persons_come_and_go(client: stripe.StripeClient) -> None:
    account, service = made(client).id, client.v1.accounts.persons
    jenny = service.create(
        account,
        {
            "first_name": "Jenny",
            "last_name": "Rosen",
            "dob": {"day": 1, "month": 2, "year": 1990},
            "address": {"city": "Rome"},
            "id_number": "000000000",
            "relationship": {"representative": True, "percent_ownership": 25, "title": "CEO"},
            "metadata": {"a": "1"},
        },
    )
    jane = service.create(account, {"first_name": "Jane", "relationship": {"owner": True}})
    assert service.retrieve(account, jenny.id).to_dict() == jenny.to_dict()
    assert (jenny.id_number_provided, jenny.ssn_last_4_provided) == (True, False)
    assert "id_number" not in jenny.to_dict()
    assert [one.id for one in service.list(account).data] == [jane.id, jenny.id]
    assert [one.id for one in service.list(account, {"relationship": {"owner": True}}).data] == [jane.id]
    assert [one.id for one in service.list(account, {"limit": 1, "starting_after": jane.id}).data] == [jenny.id]
    after = service.update(account, jenny.id, {"address": {"line1": "Via Roma 1"}, "dob": "", "metadata": {"a": ""}})
    assert (after.address.city, after.address.line1, after.dob.year) == ("Rome", "Via Roma 1", None)  # type: ignore[union-attr]
    assert after.metadata.to_dict() == {}  # type: ignore[union-attr]
    previous = told(client, account, "person.updated")[-1]["data"]["previous_attributes"]
    assert previous["dob"] == {"day": 1, "month": 2, "year": 1990}
    assert "representative" in str(refused(service.delete, account, jenny.id))
    assert service.delete(account, jane.id).deleted is True
    assert refused(service.retrieve, account, jane.id, status=404).code == "resource_missing"
    kinds = [event["type"] for event in told(client, account, "person.created", "person.updated", "person.deleted")]
    assert kinds == ["person.created", "person.created", "person.updated", "person.deleted"]


def test_persons_belong_to_one_account(client: stripe.StripeClient) -> None:
    first, second = made(client).id, made(client).id
    person = client.v1.accounts.persons.create(first, {"first_name": "Jenny"})
    refused(client.v1.accounts.persons.retrieve, second, person.id, status=404)
    assert client.v1.accounts.persons.list(second).data == []
    wrong: Any = {"dob": {"day": 40, "month": 1, "year": 1990}}
    assert refused(client.v1.accounts.persons.create, second, wrong).param == "dob[day]"
    assert refused(client.v1.accounts.persons.create, second, {"age": 5}).param == "age"
    assert client.v1.accounts.persons.list(second).data == []


def test_an_individual_is_a_person_that_represents_itself(client: stripe.StripeClient) -> None:
    account = made(client, business_type="individual", individual={"first_name": "Jenny", "last_name": "Rosen"})
    person = client.v1.accounts.persons.list(account.id).data[0]
    assert account.individual.to_dict() == person.to_dict()
    assert person.relationship.representative is True  # type: ignore[union-attr]
    client.v1.accounts.persons.update(account.id, person.id, {"first_name": "Jane"})
    assert client.v1.accounts.retrieve(account.id).individual.first_name == "Jane"  # type: ignore[union-attr]
    client.v1.accounts.update(account.id, {"individual": {"email": "jane@example.com"}})
    assert client.v1.accounts.persons.retrieve(account.id, person.id).email == "jane@example.com"
    company = client.v1.accounts.update(account.id, {"business_type": "company"})
    assert not hasattr(company, "individual")


def test_external_accounts_and_their_default(client: stripe.StripeClient) -> None:
    account, service = made(client).id, client.v1.accounts.external_accounts
    bank: Any = service.create(account, {"external_account": BANK, "metadata": {"a": "1"}})  # type: ignore[typeddict-item]
    assert (bank.id[:3], bank.last4, bank.default_for_currency, bank.metadata["a"]) == ("ba_", "6789", True, "1")
    card: Any = service.create(account, {"external_account": CARD})  # type: ignore[typeddict-item]
    assert (card.id[:5], card.last4, card.brand, card.funding) == ("card_", "5556", "Visa", "debit")
    assert card.default_for_currency is False
    again: Any = service.create(account, {"external_account": "btok_us_verified", "default_for_currency": True})
    assert (again.status, again.fingerprint, again.default_for_currency) == ("verified", bank.fingerprint, True)
    assert service.retrieve(account, bank.id).default_for_currency is False
    assert [one.id for one in service.list(account).data] == [again.id, card.id, bank.id]
    assert [one.id for one in service.list(account, {"object": "card"}).data] == [card.id]
    inside = client.v1.accounts.retrieve(account).external_accounts.data  # type: ignore[union-attr]
    assert [one.to_dict() for one in inside] == [one.to_dict() for one in service.list(account).data]
    assert "default" in str(refused(service.delete, account, again.id))
    service.update(account, bank.id, {"default_for_currency": True, "account_holder_name": "Jenny Rosen"})
    assert service.delete(account, again.id).deleted is True
    changed: Any = service.update(account, card.id, {"exp_month": "1", "exp_year": "2041", "address_city": "Rome"})
    assert (changed.exp_month, changed.exp_year, changed.address_city) == (1, 2041, "Rome")
    kinds = [f"account.external_account.{what}" for what in ("created", "updated", "deleted")]
    events = [event["type"].rpartition(".")[2] for event in told(client, account, *kinds)]
    assert events == ["created", "created", "updated", "created", "updated", "updated", "deleted", "updated"]


def test_one_account_given_with_the_account_replaces_the_default(client: stripe.StripeClient) -> None:
    account = made(client, external_account=BANK)
    old = account.external_accounts.data[0]
    new = client.v1.accounts.update(account.id, {"external_account": "tok_visa_debit"}).external_accounts.data  # type: ignore[union-attr]
    assert [(one.object, one.default_for_currency) for one in new] == [("card", True)]
    refused(client.v1.accounts.external_accounts.retrieve, account.id, old.id, status=404)
    assert client.v1.accounts.update(account.id, {"external_account": ""}).external_accounts.data == []  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("given", "status", "code"),
    [
        ("tok_unknown", 400, "resource_missing"),
        ("tok_visa", 402, "invalid_card_type"),
        ({**CARD, "number": "4000056655665557"}, 402, "incorrect_number"),
        ({**CARD, "exp_month": 13}, 402, "invalid_expiry_month"),
        ({**CARD, "exp_year": 2020}, 402, "invalid_expiry_year"),
        ({**BANK, "account_number": "!"}, 400, "account_number_invalid"),
        ({**BANK, "routing_number": "12"}, 400, "routing_number_invalid"),
        ({"account_number": "000123456789", "country": "US"}, 400, "parameter_missing"),
        ({**BANK, "number": "4000056655665556"}, 400, "parameter_unknown"),
        ({**BANK, "object": "purse"}, 400, None),
    ],
)
def test_external_accounts_that_cannot_be(client: stripe.StripeClient, given: Any, status: int, code: str) -> None:
    account, service = made(client).id, client.v1.accounts.external_accounts
    assert refused(service.create, account, {"external_account": given}, status=status).code == code
    assert service.list(account).data == []


def test_each_kind_of_external_account_has_its_own_parameters(client: stripe.StripeClient) -> None:
    account, service = made(client).id, client.v1.accounts.external_accounts
    bank, card = (service.create(account, {"external_account": one}) for one in ("btok_us", "tok_mastercard_debit"))
    assert refused(service.update, account, bank.id, {"exp_month": "1"}).param == "exp_month"
    assert refused(service.update, account, card.id, {"account_type": "checking"}).param == "account_type"
    assert refused(service.update, account, card.id, {"exp_year": "9" * 5000}, status=402).code == "invalid_expiry_year"
    assert refused(service.update, account, bank.id, {"default_for_currency": False})
    assert service.retrieve(account, bank.id).to_dict() == bank.to_dict()
