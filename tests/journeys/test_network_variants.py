"""Everything a card network does with an authorization, through the official SDK: each kind with the books it ends in.

A variant is played step by step on one purchase of 50.00, all events delivered and handled after each step. Words of
a step (amounts in minor units):

    pay 5000 · pay 4000 eur     a merchant asks, and it is approved; in a foreign currency
    part 6000 5000              a merchant who can take less asks, and so much of it is approved
    refused 5001 REASON         a merchant asks in vain; REASON is Stripe's, or Roony's code
    unreached approve 5000      Roony cannot be reached, and the account approves (or declines) by itself
    silent approve 5000         the same, for want of an answer in time
    overruled approve 6000      somebody else answers for the account while Roony is asked, and that counts
    increment 1000 [REASON]     more on the last authorization; with a reason it is in vain
    reverse [1000] · expire     the merchant lets go of all or a part; never came
    capture [1000] [open]       all or a part is settled; `open` says that more may come
    force 2000 · refund [1000] · unlinked 500     a capture without authorization; money back, with and without origin
    cancel · wait 61            the agent cancels; seconds pass; also `freeze` and `unfreeze`
    loosen · next REASON        somebody raises the card's limit at Stripe; how Stripe ends the next request by itself
"""

from __future__ import annotations

import signal
import socket
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.support.served import SOFTWARE, WAIT_SECONDS, WEBHOOK, Simulation, event, free_port, sdk, unique, until

AMOUNT = 5_000
FOREIGN = {"foreign_currency": "allow"}
TIP = {"tolerance_percent": 20, "tolerance_amount": 1_000}
SHORT = {"card_ttl_seconds": 60}


class Payer:
    """One purchase with its card, and the merchant who is paid with it."""

    def __init__(self, roony: Simulation, controls: dict[str, Any]) -> None:
        self.roony = roony
        self.buyer = roony.buyer(controls=controls)
        self.merchant = unique("Figma")
        self.bought = self.buyer.buy(AMOUNT, self.merchant)
        self.authorization: Any = None
        self.transactions: list[str] = []
        self.webhook = roony.url + WEBHOOK
        self.platform = sdk(roony.ready["simulator_url"], roony.ready["stripe_secret_key"], None)

    def play(self, steps: str) -> None:
        """All steps; what each of them leads to is handled before the next."""
        for step in steps.split(", "):
            word, *words = step.split()
            getattr(self, f"_{word}")(*words)
            self.roony.settle()

    def books(self) -> tuple[str, int, int, int, list[str]]:
        """Status, held, captured, refunded, and the kinds of all findings; the budgets must agree."""
        now = self.roony.purchase(self.bought.id)
        held, captured, refunded = now["held_amount"], now["captured_amount"], now["refunded_amount"]
        assert self.buyer.standings()[:2] == [(held, max(captured - refunded, 0))] * 2
        return now["status"], held, captured, refunded, sorted(self.roony.discrepancies(purchase_id=self.bought.id))

    @property
    def _helpers(self) -> Any:
        return self.roony.stripe.v1.test_helpers.issuing

    def _ask(self, amount: str, currency: str | None = None, **more: Any) -> Any:
        asked = {"amount": int(amount)} if currency is None else {
            "merchant_amount": int(amount), "merchant_currency": currency,
        }  # fmt: skip
        data = {"name": self.merchant, **SOFTWARE}
        return self._helpers.authorizations.create(
            {"card": self.bought.stripe_card, "merchant_data": data, **asked, **more}
        )

    def _pay(self, amount: str, currency: str | None = None) -> None:
        self.authorization = self._ask(amount, currency)
        assert self.authorization.approved, self.authorization.request_history

    def _refused(self, amount: str, reason: str, currency: str | None = None) -> None:
        answer = self._ask(amount, currency)
        assert not answer.approved
        assert reason in (answer.request_history[-1].reason, answer.metadata.to_dict().get("code"))

    def _next(self, reason: str) -> None:
        self.roony.control(f"cards/{self.bought.stripe_card}", {"next_reason": reason})

    def _increment(self, amount: str, reason: str = "webhook_approved") -> None:
        parameters = {"increment_amount": int(amount)}
        answer = self._helpers.authorizations.increment(self.authorization.id, parameters)
        assert answer.request_history[-1].reason == reason

    def _reverse(self, amount: str | None = None) -> None:
        self._helpers.authorizations.reverse(self.authorization.id, {"reverse_amount": int(amount)} if amount else {})

    def _expire(self) -> None:
        self._helpers.authorizations.expire(self.authorization.id)

    def _capture(self, *words: str) -> None:
        parameters: dict[str, Any] = {"close_authorization": "open" not in words}
        if words and words[0] != "open":
            parameters["capture_amount"] = int(words[0])
        captured = self._helpers.authorizations.capture(self.authorization.id, parameters)
        self.transactions.append(captured.transactions[-1].id)

    def _force(self, amount: str) -> None:
        data = {"name": self.merchant, **SOFTWARE}
        forced = {"card": self.bought.stripe_card, "amount": int(amount), "merchant_data": data}
        self.transactions.append(self._helpers.transactions.create_force_capture(forced).id)

    def _refund(self, amount: str | None = None) -> None:
        parameters = {"refund_amount": int(amount)} if amount else {}
        self._helpers.transactions.refund(self.transactions[-1], parameters)

    def _unlinked(self, amount: str) -> None:
        data = {"name": self.merchant, **SOFTWARE}
        refund = {"card": self.bought.stripe_card, "amount": int(amount), "merchant_data": data}
        self._helpers.transactions.create_unlinked_refund(refund)

    def _cancel(self) -> None:
        self.buyer.api.send("POST", f"/api/v1/purchase_intents/{self.bought.id}/cancel")

    def _freeze(self, word: str = "freeze") -> None:
        self.roony.owner.send("POST", f"/api/v1/admin/{word}", {"scope": "agent", "scope_id": self.buyer.id})

    def _unfreeze(self) -> None:
        self._freeze("unfreeze")

    def _wait(self, seconds: str) -> None:
        self.roony.advance(int(seconds))

    def _unreached(self, action: str, amount: str) -> None:
        """Nothing listens where Stripe asks."""
        self._asked_elsewhere(action, amount, f"http://127.0.0.1:{free_port()}", "webhook_error")

    def _silent(self, action: str, amount: str) -> None:
        """Something listens there, and never answers."""
        with socket.create_server(("127.0.0.1", 0)) as listener:
            self._asked_elsewhere(action, amount, f"http://127.0.0.1:{listener.getsockname()[1]}", "webhook_timeout")

    def _asked_elsewhere(self, action: str, amount: str, url: str, reason: str) -> None:
        """Stripe asks where Roony is not; its events come later, when the address is right again."""
        account, endpoints = f"accounts/{self.roony.account}", self.platform.v1.webhook_endpoints
        [asked] = [one for one in endpoints.list().data if one.application is not None]
        self.roony.control(account, {"timeout_action": action})
        endpoints.update(asked.id, {"url": url})
        try:
            self.authorization = self._ask(amount)
        finally:
            endpoints.update(asked.id, {"url": self.webhook})
            self.roony.control(account, {"timeout_action": "decline"})
        assert self.authorization.request_history[-1].reason == reason
        assert self.authorization.approved is (action == "approve")

    def _overruled(self, action: str, amount: str) -> None:
        """A program of the account answers by a call, which wins; Roony stands still until that is done."""
        authorizations = self.roony.stripe.v1.issuing.authorizations
        pending = {"card": self.bought.stripe_card, "status": "pending"}
        roony = self.roony.child.process
        with ThreadPoolExecutor() as pool:
            roony.send_signal(signal.SIGSTOP)
            try:
                asking = pool.submit(self._ask, amount)
                until(lambda: len(authorizations.list(pending).data), 1)  # type: ignore[arg-type]
                [asked] = authorizations.list(pending).data  # type: ignore[arg-type]
                (authorizations.approve if action == "approve" else authorizations.decline)(asked.id)
            finally:
                roony.send_signal(signal.SIGCONT)
            self.authorization = asking.result(WAIT_SECONDS)
        assert self.authorization.approved is (action == "approve")

    def _loosen(self) -> None:
        limits = [{"amount": 10 * AMOUNT, "interval": "all_time"}]
        card = {"spending_controls": {"spending_limits": limits}}
        self.roony.stripe.v1.issuing.cards.update(self.bought.stripe_card, card)  # type: ignore[arg-type]

    def _part(self, amount: str, approved: str) -> None:
        self.authorization = self._ask(amount, is_amount_controllable=True)
        assert (self.authorization.approved, self.authorization.amount) == (True, int(approved))


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
    ("refused 4000 CURRENCY_MISMATCH eur", ("ready", 5_000, 0, 0, []), NOTHING),
    ("pay 4000 eur, capture", ("settled", 0, 4_320, 0, []), FOREIGN),
    ("pay 5000 jpy, capture", ("settled", 0, 3_350, 0, []), FOREIGN),
    ("pay 4000 eur, capture 4500", ("settled", 0, 4_500, 0, []), FOREIGN),
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
    payer.play("pay 4000 eur, capture")
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
