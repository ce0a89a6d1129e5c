"""Everything a card network does with an authorization, through the official SDK: each kind with the books it ends in.

A variant is a purchase of 50.00; its steps are told in `tests/support/payer.py`.
"""

from __future__ import annotations

from typing import Any

import pytest
from typer.testing import CliRunner

from roony.cli.commands import app
from tests.support.payer import Payer
from tests.support.served import Simulation, event, unique, until

FOREIGN = {"foreign_currency": "allow"}
TIP = {"tolerance_percent": 20, "tolerance_amount": 1_000}
SHORT = {"card_ttl_seconds": 60}

# Each line: the steps, and status, held, captured, refunded and findings at the end; controls where they matter.
Line = tuple[str, tuple[str, int, int, int, list[str]], dict[str, Any]]
NOTHING: dict[str, Any] = {}
VARIANTS: list[Line] = [
    ("pay 5000, capture", ("settled", 0, 5_000, 0, []), NOTHING),
    # Looking whether the card is good
    ("pay 0, pay 5000, capture", ("settled", 0, 5_000, 0, []), NOTHING),
    ("pay 100, reverse, pay 5000, capture", ("settled", 0, 5_000, 0, []), NOTHING),
    ("pay 100, pay 4900, capture", ("settled", 100, 4_900, 0, []), NOTHING),
    ("pay 100, refused 5000 spending_controls", ("ready", 5_000, 0, 0, []), NOTHING),
    ("pay 100, capture, refused 4900 card_canceled", ("settled", 0, 100, 0, []), NOTHING),
    # More and less of one authorization
    ("pay 3000, increment 2000, capture", ("settled", 0, 5_000, 0, []), NOTHING),
    ("pay 3000, increment 2001 spending_controls, capture", ("settled", 0, 3_000, 0, []), NOTHING),
    (
        "loosen, pay 3000, increment 2001 webhook_declined, increment 2000, capture",
        ("settled", 0, 5_000, 0, []),
        NOTHING,
    ),
    ("loosen, part 6000 5000, capture", ("settled", 0, 5_000, 0, []), NOTHING),
    ("loosen, refused 5001 OVER_HOLD, pay 5000", ("authorized", 5_000, 0, 0, []), NOTHING),
    ("pay 5000, reverse 2000", ("authorized", 5_000, 0, 0, []), NOTHING),
    ("pay 5000, reverse 2000, capture", ("settled", 0, 3_000, 0, []), NOTHING),
    ("pay 5000, reverse", ("canceled", 0, 0, 0, []), NOTHING),
    ("pay 5000, expire", ("canceled", 0, 0, 0, []), NOTHING),
    # Settled otherwise than authorized
    ("pay 5000, capture 2000", ("settled", 0, 2_000, 0, []), NOTHING),
    ("pay 5000, capture 2000 open", ("authorized", 3_000, 2_000, 0, []), NOTHING),
    ("pay 5000, capture 2000 open, capture 1000 open, capture 500", ("settled", 0, 3_500, 0, []), NOTHING),
    ("pay 5000, capture 2000 open, reverse", ("settled", 0, 2_000, 0, []), NOTHING),
    ("pay 5000, capture 5900", ("settled", 0, 5_900, 0, []), TIP),
    ("pay 5000, capture 6100", ("settled", 0, 6_100, 0, ["over_capture"]), TIP),
    ("pay 5000, capture 6000", ("settled", 0, 6_000, 0, ["over_capture"]), NOTHING),
    ("pay 4000, capture, capture 700", ("settled", 0, 4_700, 0, ["extra_capture"]), NOTHING),
    ("pay 5000, capture, capture 700", ("settled", 0, 5_700, 0, ["extra_capture", "over_capture"]), NOTHING),
    ("pay 5000, expire, capture 5000", ("settled", 0, 5_000, 0, ["late_capture"]), NOTHING),
    ("force 2000", ("settled", 3_000, 2_000, 0, ["force_capture"]), NOTHING),
    ("force 2000, wait 61", ("settled", 0, 2_000, 0, ["force_capture"]), SHORT),
    # After the end of the card
    ("cancel, force 2000", ("settled", 0, 2_000, 0, ["force_capture"]), NOTHING),
    ("pay 100, cancel, capture", ("settled", 0, 100, 0, []), NOTHING),
    ("pay 5000, wait 61, capture", ("settled", 0, 5_000, 0, []), SHORT),
    ("pay 5000, freeze, capture, unfreeze", ("settled", 0, 5_000, 0, []), NOTHING),
    # Money back
    ("pay 5000, capture, refund", ("settled", 0, 5_000, 5_000, []), NOTHING),
    ("pay 5000, capture, refund 1000, refund 4000", ("settled", 0, 5_000, 5_000, []), NOTHING),
    ("pay 5000, capture, unlinked 500", ("settled", 0, 5_000, 500, []), NOTHING),
    # Foreign money
    ("refused 4000 CURRENCY_MISMATCH currency=eur", ("ready", 5_000, 0, 0, []), NOTHING),
    ("pay 4000 currency=eur, capture", ("settled", 0, 4_320, 0, []), FOREIGN),
    ("pay 5000 currency=jpy, capture", ("settled", 0, 3_350, 0, []), FOREIGN),
    ("pay 4000 currency=eur, capture 4500", ("settled", 0, 4_500, 0, []), FOREIGN),
    # What Stripe, the network or the account decides without us
    ("refused 5001 spending_controls, pay 5000", ("authorized", 5_000, 0, 0, []), NOTHING),
    ("next suspected_fraud, refused 5000 suspected_fraud, pay 5000", ("authorized", 5_000, 0, 0, []), NOTHING),
    ("next stripe_internal_error, refused 5000 stripe_internal_error", ("ready", 5_000, 0, 0, []), NOTHING),
    ("next network_fallback, pay 5000, capture", ("settled", 0, 5_000, 0, ["approved_without_roony"]), NOTHING),
    ("unreached approve 5000, capture", ("settled", 0, 5_000, 0, ["approved_without_roony"]), NOTHING),
    ("unreached decline 5000, pay 5000", ("authorized", 5_000, 0, 0, []), NOTHING),
    ("silent approve 5000, capture", ("settled", 0, 5_000, 0, ["approved_without_roony"]), NOTHING),
    ("overruled decline 5000", ("ready", 5_000, 0, 0, ["answer_not_honoured"]), NOTHING),
    ("loosen, overruled approve 6000, capture", ("settled", 0, 6_000, 0, ["answer_not_honoured"]), NOTHING),
]


@pytest.mark.parametrize("line", VARIANTS, ids=[line[0] for line in VARIANTS])
def test_variant(line: Line, roony: Simulation) -> None:
    """The books of the purchase, the budgets above it and the findings are as they must be in the end."""
    steps, expected, controls = line
    payer = Payer(roony, controls)
    payer.play(steps)
    assert payer.books() == expected


def test_what_was_billed_and_what_the_merchant_asked_for_are_both_kept(roony: Simulation) -> None:
    """4,000 euro cents and 5,000 yen are what they are, beside what they cost in the card's currency."""
    payer = Payer(roony, FOREIGN)
    payer.play("pay 4000 currency=eur, capture")
    where = {"purchase_id": payer.bought.id}
    [authorization] = roony.owner.get("/api/v1/admin/authorizations", params=where)["data"]
    [transaction] = roony.owner.get("/api/v1/admin/stripe_transactions", params=where)["data"]
    for row in (authorization, transaction):
        kept = [row[name] for name in ("amount", "currency", "merchant_amount", "merchant_currency")]
        assert kept == [4_320, "usd", 4_000, "eur"]


def test_live_and_test_events_of_one_account_never_mix(roony: Simulation) -> None:
    """One address gets both: what is of the other mode is nobody's here, and moves nothing."""
    payer = Payer(roony, NOTHING)
    payer.play("pay 5000")
    before = (payer.books(), roony.purchase(payer.bought.id))
    capture = {
        "id": "ipi_live", "object": "issuing.transaction", "amount": -5_000, "amount_details": None,
        "authorization": payer.authorization.id, "card": payer.bought.stripe_card, "created": roony.now(),
        "currency": "usd", "livemode": True, "merchant_amount": -5_000, "merchant_currency": "usd", "metadata": {},
        "merchant_data": payer.authorization.merchant_data.to_dict(), "network_data": None, "type": "capture",
    }  # fmt: skip
    live = {**event(roony.account, "issuing_transaction.created", capture, roony.now()), "livemode": True}
    assert roony.post(live).status == 200
    roony.settle()
    assert (payer.books(), roony.purchase(payer.bought.id)) == before
    assert roony.owner.call("GET", f"/api/v1/admin/events/{live['id']}").status_code == 404
    test = {**live, "id": f"{live['id']}_test", "livemode": False, "data": {"object": {**capture, "livemode": False}}}
    assert roony.post(test).status == 200
    roony.settle()
    assert payer.books() == ("authorized", 0, 5_000, 0, [])


def test_a_name_that_a_person_confirms_is_accepted_from_then_on(roony: Simulation) -> None:
    """Let by under a monitoring lock, flagged, confirmed by command; the next purchase may be strict."""
    merchant = unique("Amazon Web Services")
    strict = Payer(roony, {}, merchant)
    strict.play("refused 5000 MERCHANT_MISMATCH name=AWS_EMEA_8812")
    Payer(roony, {"merchant_lock": "monitor"}, merchant).play("pay 5000 name=AWS_EMEA_8812")
    [row] = roony.owner.get("/api/v1/admin/discrepancies", params={"kind": "merchant_mismatch"})["data"]
    environment = {"ROONY_URL": roony.url, "ROONY_ADMIN_KEY": roony.ready["admin_key"]}
    words = ["discrepancy", "resolve", row["id"], "--note", "That is how AWS bills here.", "--learn-alias"]
    done = CliRunner().invoke(app, words, env=environment)
    assert done.exit_code == 0, done.output
    strict.play("pay 5000 name=AWS_EMEA_9921, capture")
    assert strict.books() == ("settled", 0, 5_000, 0, [])
    [record] = roony.owner.get("/api/v1/admin/audit", params={"action": "merchant.alias_learned"})["data"]
    assert (record["body"]["before"], record["body"]["after"]) == ([], ["aws"])
    assert "aws" in CliRunner().invoke(app, ["merchant", "list"], env=environment).stdout

    forgotten = CliRunner().invoke(app, ["merchant", "forget", merchant, "--alias", "AWS"], env=environment)
    assert forgotten.exit_code == 0, forgotten.output
    Payer(roony, {}, merchant).play("refused 5000 MERCHANT_MISMATCH name=AWS_EMEA_9921")
    assert CliRunner().invoke(app, ["merchant", "alias", merchant, "AWS EMEA"], env=environment).exit_code == 0
    Payer(roony, {}, merchant).play("pay 5000 name=AWS_EMEA_9921")


def test_a_merchant_is_known_by_its_network_id_once_stripe_confirmed_a_payment(roony: Simulation) -> None:
    """Its next descriptor may be another one; the same words from another id may not."""
    first = Payer(roony, {})
    first.play("pay 5000 network_id=4711, capture")
    second = Payer(roony, {}, first.merchant)
    second.play("refused 5000 MERCHANT_MISMATCH name=DESIGN_TOOLS network_id=4712")
    second.play("pay 5000 name=DESIGN_TOOLS network_id=4711, capture")
    assert second.books() == ("settled", 0, 5_000, 0, [])


def test_a_refund_that_waits_is_given_to_the_purchase_a_person_names(roony: Simulation) -> None:
    """Its budgets follow, and it is given once."""
    bought, other = Payer(roony, {}), Payer(roony, {})
    bought.play("pay 5000, capture")
    other.play("pay 1000, capture, unlinked 1500")
    where = {"kind": "unmatched_refund", "purchase_id": other.bought.id}
    [row] = roony.owner.get("/api/v1/admin/discrepancies", params=where)["data"]
    resolve = ["discrepancy", "resolve", row["id"], "--note", "Paid with the other card.", "--purchase"]
    environment = {"ROONY_URL": roony.url, "ROONY_ADMIN_KEY": roony.ready["admin_key"]}
    wrong = CliRunner().invoke(app, [*resolve, "pur_none"], env=environment)
    assert (wrong.exit_code, "pur_none" in wrong.stderr) == (1, True)
    both = CliRunner().invoke(app, [*resolve, bought.bought.id, "--learn-alias"], env=environment)
    assert both.exit_code == 2
    done = CliRunner().invoke(app, [*resolve, bought.bought.id], env=environment)
    assert done.exit_code == 0, done.output
    assert bought.books() == ("settled", 0, 5_000, 1_500, [])
    assert other.books()[:4] == ("settled", 0, 1_000, 0)
    assert CliRunner().invoke(app, [*resolve, bought.bought.id], env=environment).exit_code == 1


def test_a_dispute_is_shown_and_moves_no_budget(roony: Simulation) -> None:
    """Opened, submitted, lent, won: each step is told, and what was spent stays spent."""
    payer = Payer(roony, {})
    payer.play("pay 5000, capture")
    before, disputes = payer.books(), roony.stripe.v1.issuing.disputes
    missing = {"expected_at": roony.now() - 5, "explanation": "It never came.", "product_type": "service"}
    evidence: Any = {"reason": "not_received", "not_received": {**missing, "product_description": "A seat"}}
    filed = disputes.create({"transaction": payer.transactions[-1], "evidence": evidence})

    def status() -> list[str]:
        rows = roony.owner.get("/api/v1/admin/disputes", params={"purchase_id": payer.bought.id})["data"]
        return [row["status"] for row in rows]

    until(status, ["unsubmitted"])
    disputes.submit(filed.id)
    until(status, ["submitted"])
    roony.control(f"disputes/{filed.id}/provisional_credit", {})
    roony.control(f"disputes/{filed.id}/close", {"status": "won"})
    until(status, ["won"])
    roony.settle()
    assert payer.books() == before
    shown = roony.owner.get(f"/api/v1/admin/disputes/{filed.id}")
    assert (shown["amount"], shown["currency"], shown["reason"]) == (5_000, "usd", "not_received")
