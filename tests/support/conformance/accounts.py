"""The drive through accounts and what belongs to them, the balance, top-ups, webhook endpoints, events and keys."""

from __future__ import annotations

from tests.support.conformance.issuing import Drive
from tests.support.conformance.recording import read_back
from tests.support.simulator import new_card


def accounts(drive: Drive) -> None:
    """Accounts with every parameter: as a controller, by type, changed, refused, taken back, deleted."""
    service, record = drive.client.v1.accounts, drive.record
    service.retrieve_current()
    made = service.create(
        drive.full("POST /v1/accounts", ("account_token", "type", "documents"), business_type="company")
    )
    read_back(record, made, service.retrieve, service.list)
    person = ("account_token", "documents", "company", "groups")
    changed = service.update(made.id, drive.full("POST /v1/accounts/{account}", person, business_type="individual"))
    read_back(record, changed, service.retrieve, service.list)
    typed = service.create({"type": "custom", "country": "US", "capabilities": {"card_issuing": {"requested": True}}})
    read_back(record, typed, service.retrieve, service.list)
    service.login_links.create(service.create({"type": "express"}).id)
    read_back(record, service.reject(typed.id, {"reason": "fraud_other"}), service.retrieve, service.list)
    read_back(record, service.unreject(typed.id), service.retrieve, service.list)
    service.list({"limit": 3, "created": {"gte": 1}})
    service.delete(typed.id)


def capabilities(drive: Drive) -> None:
    """Capabilities: listed, read, asked for and given back."""
    service, record = drive.client.v1.accounts.capabilities, drive.record
    account = drive.client.v1.accounts.create({"type": "custom"}).id
    asked = service.update(account, "card_issuing", {"requested": True})
    record.equal(asked, service.retrieve(account, "card_issuing"), "retrieve")
    listed = {one.id: one for one in service.list(account).data}
    record.equal(asked, listed["card_issuing"], "list")
    service.retrieve(account, "card_issuing", {"expand": ["account"]})
    service.update(account, "card_issuing", {"requested": False})


def external_accounts(drive: Drive) -> None:
    """A bank account and a debit card of an account."""
    service, record = drive.client.v1.accounts.external_accounts, drive.record
    account = drive.client.v1.accounts.create({"type": "custom", "country": "US"}).id
    bank = {
        "object": "bank_account",
        "country": "US",
        "currency": "usd",
        "account_holder_name": "Jenny Rosen",
        "account_holder_type": "individual",
        "routing_number": "110000000",
        "account_number": "000123456789",
    }
    card = {
        "object": "card",
        "currency": "usd",
        "name": "Jenny Rosen",
        "number": "4000056655665556",
        "exp_month": 12,
        "exp_year": 2034,
        "cvc": "123",
        "address_city": "San Francisco",
        "address_country": "US",
        "address_line1": "1 Main St",
        "address_line2": "Floor 2",
        "address_state": "CA",
        "address_zip": "94107",
        "metadata": {"order": "1"},
    }
    made = [
        service.create(account, {"external_account": one, "metadata": {"team": "design"}, "default_for_currency": True})  # type: ignore[typeddict-item]
        for one in (bank, card)
    ]
    made.append(service.create(account, {"external_account": "btok_us"}))
    for one in (made[1], made[2]):
        record.equal(one, service.retrieve(account, one.id), "retrieve")
        record.equal(one, next(other for other in service.list(account).data if other.id == one.id), "list")
    owner = {"account_holder_name": "Jane Austen", "account_holder_type": "company", "account_type": "checking"}
    service.update(account, made[0].id, {**owner, "metadata": {"more": "yes"}, "default_for_currency": True})  # type: ignore[typeddict-item]
    address = {key: value for key, value in card.items() if key.startswith("address_")}
    service.update(account, made[1].id, {**address, "exp_month": "11", "exp_year": "2035", "name": "Jane Austen"})  # type: ignore[typeddict-item]
    for kind in ("bank_account", "card"):
        service.list(account, {"object": kind, "limit": 2})
    service.delete(account, made[1].id)


def persons(drive: Drive) -> None:
    """Persons of an account, with every parameter."""
    service, record = drive.client.v1.accounts.persons, drive.record
    account = drive.client.v1.accounts.create({"type": "custom"}).id
    operation = "POST /v1/accounts/{account}/persons"
    made = service.create(account, drive.full(operation, ("person_token", "documents")))
    changed = service.update(account, made.id, drive.full(f"{operation}/{{person}}", ("person_token", "documents")))
    record.equal(changed, service.retrieve(account, made.id), "retrieve")
    record.equal(changed, service.list(account, {"relationship": {"owner": True}}).data[0], "list")
    # The representative of an account cannot be deleted; anyone else can.
    service.delete(account, service.create(account, {"first_name": "Jane", "relationship": {"owner": True}}).id)


def topups(drive: Drive) -> None:
    """Top-ups and the balance they add to."""
    service, record = drive.client.v1.topups, drive.record
    made = service.create(drive.full("POST /v1/topups", ("source", "payment_method", "payment_method_options")))
    read_back(record, made, service.retrieve, service.list)
    changed = service.update(made.id, {"description": "For the cards", "metadata": {"more": "yes"}})
    read_back(record, changed, service.retrieve, service.list)
    service.list({"status": "succeeded", "amount": {"gte": 1}, "created": {"gte": 1}, "limit": 2})
    service.retrieve(made.id, {"expand": ["balance_transaction"]})
    drive.client.v1.balance.retrieve()
    waiting = drive.pending_topup()
    read_back(record, service.cancel(waiting.id), service.retrieve, service.list)


def webhook_endpoints(drive: Drive) -> None:
    """Webhook endpoints."""
    service, record = drive.client.v1.webhook_endpoints, drive.record
    params = drive.full("POST /v1/webhook_endpoints", url="http://127.0.0.1:9/hook", enabled_events=["topup.created"])
    made = service.create(params)
    changed = service.update(
        made.id,
        drive.full("POST /v1/webhook_endpoints/{webhook_endpoint}", url="http://127.0.0.1:9/hook", disabled=True),
    )
    read_back(record, changed, service.retrieve, service.list)
    service.delete(made.id)


def ephemeral_keys(drive: Drive) -> None:
    """An ephemeral key for the details of one card."""
    service = drive.client.v1.ephemeral_keys
    params = {"issuing_card": new_card(drive.client).id, "nonce": "Sample nonce"}
    service.delete(service.create(params, {"stripe_version": "2026-10-28.endive"}).id)  # type: ignore[arg-type]


def events(drive: Drive) -> None:
    """Everything that happened on this drive, by list and by retrieve; each object inside is as published."""
    service, record = drive.client.v1.events, drive.record
    seen = sum(1 for _ in service.list({"limit": 100}).auto_paging_iter())
    if seen < 100:
        record.complain(record.operation, f"only {seen} events of a long drive")
    event = service.list({"delivery_success": True, "type": "issuing_card.created", "limit": 1}).data[0]
    read_back(record, event, service.retrieve, lambda: service.list({"types": ["issuing_card.created"]}))


CHAPTERS = (accounts, capabilities, external_accounts, persons, topups, webhook_endpoints, ephemeral_keys, events)
