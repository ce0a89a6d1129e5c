"""Top-ups: money on its way into the Issuing balance, that arrives, fails or is canceled (facts 3.3).

Without a delay it arrives, or fails, at once. An account's `topup_delay` (seconds, a control of the simulator's own)
lets top-ups made from then on stay pending until the simulated clock has come so far. Stripe's test tokens as
`source` say what becomes of them.
"""

from __future__ import annotations

from typing import Any

from roony.simulator import ledger
from roony.simulator.events import emit
from roony.simulator.records import Record
from roony.simulator.refusals import invalid, no_such
from roony.simulator.views import View
from roony.simulator.world import World

_TOKEN = "btok_"
_ARRIVES = "btok_us_verified"
_FAILURES = {
    f"{_ARRIVES}_accountClosed": ("account_closed", "The bank account has been closed."),
    f"{_ARRIVES}_debitNotAuthorized": ("debit_not_authorized", "Debits are not allowed on this bank account."),
    f"{_ARRIVES}_insufficientFunds": ("insufficient_funds", "The bank account does not hold enough money."),
    f"{_ARRIVES}_invalidCurrency": ("invalid_currency", "The bank account does not take this currency."),
    f"{_ARRIVES}_noAccount": ("no_account", "The bank account cannot be found."),
}


def check_source(source: str | None) -> None:
    """Refuse a bank token that is none of Stripe's for testing top-ups."""
    if source is not None and source.startswith(_TOKEN) and source != _ARRIVES and source not in _FAILURES:
        raise no_such("token", source[:100], "source")


def start(world: World, account: str, body: View, source: str | None) -> Record:
    """Begin a top-up; `body` is its object as it is while pending."""
    due = world.clock.now() + int(world.accounts[account]["topup_delay"])
    body["expected_availability_date"] = due
    record = world.topups.add({"id": body["id"], "account": account, "body": body, "source": source, "due": due})
    world.coming.add(record["id"])
    emit(world, account, "topup.created", body)
    settle_due(world)
    return record


def settle_due(world: World) -> None:
    """Bring to an end what is due by the clock, the oldest first."""
    now = world.clock.now()
    due = [record for record in map(world.topups.get, world.coming) if record is not None and record["due"] <= now]
    for record in sorted(due, key=lambda one: (one["due"], one["order"])):
        failure = _FAILURES.get(record["source"] or "")
        if failure is None:
            body = record["body"]
            moved = ledger.move(world, record["account"], body["currency"], body["amount"], "topup", record["id"])
            _end(world, record, "succeeded", balance_transaction=moved["id"])
        else:
            _end(world, record, "failed", failure_code=failure[0], failure_message=failure[1])


def cancel(world: World, record: Record) -> None:
    """Cancel a top-up that has neither arrived nor failed."""
    if record["body"]["status"] != "pending":
        raise invalid(f"Only pending top-ups can be canceled; this one is {record['body']['status']}.")
    _end(world, record, "canceled")


def _end(world: World, record: Record, status: str, **more: Any) -> None:
    record["body"].update(status=status, **more)
    world.coming.discard(record["id"])
    world.topups.touch(record)
    emit(world, record["account"], f"topup.{status}", record["body"])
