"""A purchase played at the merchants of the simulated card network, step by step, in words.

All events are delivered and handled after each step. Words of a step (amounts in minor units):

    pay 5000                    a merchant asks, and it is approved; `currency=eur`, `name=GIFT_CARDS`,
                                `category=bakeries`, `country=FR`, `network_id=4711` say otherwise than usual
    part 6000 5000              a merchant who can take less asks, and so much of it is approved
    refused 5001 REASON         a merchant asks in vain; REASON is Stripe's, or Roony's code
    unreached approve 5000      Roony cannot be reached, and the account approves (or declines) by itself
    silent approve 5000         the same, for want of an answer in time
    overruled approve 6000      somebody else answers for the account while Roony is asked, and that counts
    increment 1000 [REASON]     more on the last authorization; with a reason it is in vain
    reverse [1000] · expire     the merchant lets go of all or a part; never came
    capture [1000] [open]       all or a part is settled; `open` says that more may come
    force 2000                  a capture without authorization
    refund [1000] · unlinked 500                money back, with and without origin
    cancel · wait 61            the agent cancels; seconds pass; also `freeze` and `unfreeze` of the agent
    loosen · next REASON        somebody raises the card's limit at Stripe; how Stripe ends the next request by itself
"""

from __future__ import annotations

import signal
import socket
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from tests.support.ports import hold_port
from tests.support.served import SOFTWARE, WAIT_SECONDS, WEBHOOK, Simulation, sdk, unique, until

# What the purchase is for.
AMOUNT = 5_000


class Payer:
    """One purchase with its card, and the merchant who is paid with it."""

    def __init__(self, roony: Simulation, controls: dict[str, Any], merchant: str = "", **wish: Any) -> None:
        self.roony = roony
        self.buyer = roony.buyer(controls=controls)
        self.merchant = merchant or unique("Figma")
        self.bought = self.buyer.buy(AMOUNT, self.merchant, **wish)
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

    def _ask(self, amount: str, *words: str, **more: Any) -> Any:
        told = dict(word.split("=", 1) for word in words)
        currency = told.pop("currency", None)
        asked: dict[str, Any] = {"amount": int(amount)}
        if currency is not None:
            asked = {"merchant_amount": int(amount), "merchant_currency": currency}
        name = told.pop("name", self.merchant).replace("_", " ")
        asked |= {"card": self.bought.stripe_card, "merchant_data": {"name": name, **SOFTWARE, **told}, **more}
        return self._helpers.authorizations.create(asked)

    def _pay(self, amount: str, *words: str) -> None:
        self.authorization = self._ask(amount, *words)
        assert self.authorization.approved, self.authorization.request_history

    def _refused(self, amount: str, reason: str, *words: str) -> None:
        answer = self._ask(amount, *words)
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
        with hold_port() as nobody:
            self._asked_elsewhere(action, amount, f"http://127.0.0.1:{nobody.getsockname()[1]}", "webhook_error")

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
        if action == "approve":
            self._confirm()

    def _confirm(self) -> None:
        """An approval without Roony's answer restricts the connection; the owner has set it right and says so."""
        [connection] = self.roony.owner.get("/api/v1/admin/connections")["data"]
        path = f"/api/v1/admin/connections/{connection['id']}"
        restricted = ["timeout_action_contradicted"]
        until(lambda: [item["code"] for item in self.roony.owner.get(path)["restrictions"]], restricted)
        confirmed = self.roony.owner.send("POST", f"{path}/confirm", {"timeout_declines": True})
        assert (confirmed["status"], confirmed["confirmations"]["timeout_declines"]["value"]) == ("active", "yes")

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
