"""Life cycles told as tables: one step a line, with what is held and spent and both states after it.

A table is run line by line on a real till and written down again with what was found; the test compares the texts.
Words of a step (amounts in minor units, A B … authorizations, t1 r1 … transactions):

    ask 10000                   an agent asks; `dup` insists on a duplicate, `every month 3` makes it a mandate
    card                        the promised card is recorded; `fail` Stripe refused it; `card canceled` (see below)
    request A 10000             the network asks; then `-> yes`, `-> yes 4000` (partial) or `-> CODE`;
                                `in eur`, `at EVIL`, `+controllable`, `cash 500`, `on 4000` (granted before),
                                `#1` (ordinal)
    withdraw A                  our answer left too late
    says A pending 10000 yes    Stripe's statement: status, amount, history (yes no timeout active), `with t1:4000`;
                                `yes:100` gives the amount of an entry; `small` leaves out balance transactions
    capture A t1 4000           a capture by itself; `capture - t1 4000` without authorization
    refund r1 4000              a refund on the card
    stripe canceled             Stripe's event about the card
    cancel · expire · freeze · unfreeze · deny · approve 9000 · wait 60 · days 30
    renew 12000                 a person's yes to another price of a mandate
"""

from __future__ import annotations

from typing import Any

from roony.core.approval import Approval
from roony.core.authorization import AuthorizationDecision
from roony.core.card import Card
from roony.core.errors import Refusal
from roony.core.merchant import Merchant
from roony.core.purchase import Purchase, Recurring
from roony.core.settlement import AuthorizationStatement, Discrepancy, HistoryEntry, TransactionStatement
from roony.flows.approval import Approve, ApproveIds, Approver, Deny
from roony.flows.authorization import Withdraw
from roony.flows.card import ExpireCard, FailCard, MadeCard, RecordCard
from roony.flows.card_event import BookCard
from roony.flows.ending import CancelPurchase
from roony.flows.freeze import Freeze, SetCardFrozen, Unfreeze
from roony.flows.renewal import ApproveRenewal
from roony.flows.settlement import BookAuthorization, BookTransaction
from roony.store.inbox import new_event
from roony.store.rows import InboxEvent, OutboxPromise
from tests.support.books import ACCOUNT, AGENT, CONNECTION, ORG, Books

REASONS = {
    "yes": (True, "webhook_approved"),
    "no": (False, "webhook_declined"),
    "timeout": (False, "webhook_timeout"),
    "late": (True, "webhook_timeout"),
    "active": (True, "card_active"),
    "error": (True, "webhook_error"),
    "fallback": (True, "network_fallback"),
    "broke": (False, "insufficient_funds"),
    "newword": (False, "quantum_declined"),
    "controls": (False, "spending_controls"),
}
# Whoever says yes here: a user.
PERSON = Approver("usr_1", "usr_1")
FIGMA = Merchant("FIGMA", None, "5734", "US", "net_1")


def kept_event(books: Books, kind: str, object_id: str) -> InboxEvent:
    """A Stripe event as the webhook keeps it."""
    created = books.clock() // 1_000_000
    event = new_event(books.new_id("evt"), ACCOUNT, False, kind, object_id, created, b"{}", books.clock())
    books.put(event)
    return event


def history(words: str, amount: int) -> tuple[HistoryEntry, ...]:
    """`yes,no:500` as history entries; the first one is for `amount` unless it says otherwise."""
    entries = []
    for place, item in enumerate(words.split(",")):
        word, _, said = item.partition(":")
        entries.append(HistoryEntry(*REASONS[word], int(said) if said else (0 if place else amount)))
    return tuple(entries)


def transaction(id: str, kind: str, amount: int, authorization: str | None, card: str, at: int) -> TransactionStatement:
    """A capture or refund as Stripe tells it; `at` in seconds."""
    return TransactionStatement(id, kind, amount, "usd", amount, "usd", FIGMA, authorization, card, "nt_1", at)


def statement(
    id: str,
    card: str,
    status: str,
    amount: int,
    entries: tuple[HistoryEntry, ...],
    at: int,
    transactions: tuple[TransactionStatement, ...] = (),
    movements: int = 0,
    **more: Any,
) -> AuthorizationStatement:
    """An authorization as Stripe tells it at `at` (seconds); `movements` are its balance transactions."""
    fields: dict[str, Any] = {
        "id": id,
        "stripe_card_id": card,
        "roony_card_id": None,
        "status": status,
        "amount": amount,
        "currency": "usd",
        "merchant_amount": amount,
        "merchant_currency": "usd",
        "merchant": FIGMA,
        "city": None,
        "state": None,
        "network_transaction_id": "nt_1",
        "history": entries,
        "transactions_seen": movements + len(transactions),
        "transactions": transactions,
        "created": at,
    }
    return AuthorizationStatement(**{**fields, **more})


def withdraw(books: Books, authorization: str, ordinal: int, amount: int) -> None:
    """Takes back the answer to one request, as the till does for a caller that left."""
    about = {"authorization_id": authorization, "ordinal": ordinal, "amount": amount}
    answered = books.rows(AuthorizationDecision, **about)
    decision_id = answered[0].id if answered else "dec_none"
    books.run(Withdraw(ORG, authorization, ordinal, amount, decision_id))


class Story:
    """One purchase on a till, moved step by step."""

    def __init__(self, books: Books) -> None:
        self.books = books
        self.purchase_id = ""
        self.promise: OutboxPromise | None = None
        # When each authorization began at Stripe, in seconds.
        self.began: dict[str, int] = {}

    @property
    def purchase(self) -> Purchase:
        return self.books.row(Purchase, id=self.purchase_id)

    @property
    def card(self) -> Card | None:
        found = self.books.rows(Card, purchase_id=self.purchase_id)
        return found[0] if found else None

    @property
    def stripe_card(self) -> str:
        return f"ic_{self.purchase_id}"

    def tell(self, table: str) -> str:
        """Runs every line of a table; returns the table with what was found after each step."""
        lines = [line.split("|")[0].strip() for line in table.strip().splitlines()]
        return "\n".join(self._line(line) for line in lines)

    def flags(self) -> list[str]:
        """The kinds of all open discrepancies, sorted."""
        return sorted(found.kind for found in self.books.rows(Discrepancy, status="open"))

    def _line(self, line: str) -> str:
        step, _, _ = line.partition("->")
        self.books.clock.advance(1)
        words = step.split()
        answer = getattr(self, f"_{words[0]}")(*words[1:])
        said = f"{step.strip()} -> {answer}" if answer else step.strip()
        if not self.purchase_id:
            return f"{said:<48}| "
        now, card = self.purchase, self.card
        found = f"{said:<48}| {now.held:>5} {now.spent:>5} {now.status:<10} {card.status if card else '-'}"
        return found.rstrip()

    def _ask(self, amount: str, *more: str) -> str | None:
        again = (
            Recurring(more[more.index("every") + 1], int(more[more.index("every") + 2])) if "every" in more else None
        )
        asked = self.books.ask(int(amount), allow_duplicate="dup" in more, recurring=again)
        if isinstance(asked, Refusal):
            return asked.code
        self.purchase_id, self.promise = asked.purchase.id, asked.promise
        return None

    def _card(self, status: str = "active") -> None:
        made = MadeCard(self.stripe_card, status, "4242", 12, 2030)
        card = self.card
        assert card is not None
        self.books.run(RecordCard(ORG, card.id, made, self.books.new_id("out"), self.promise))

    def _fail(self) -> None:
        card, promise = self.card, self.promise
        assert card is not None
        assert promise is not None
        refusal = (card.id, "insufficient_funds", "No money.", False)
        self.books.run(FailCard(ORG, *refusal, promise, self.books.new_id("out")))

    def _request(self, name: str, amount: str, *more: str) -> str:
        words, created = list(more), self.books.clock() // 1_000_000
        self.began.setdefault(name, created)
        fields: dict[str, Any] = {"authorization_id": f"iauth_{name}", "created": created}
        while words:
            word = words.pop(0)
            if word == "at":
                fields["name"] = words.pop(0)
            elif word == "in":
                fields["merchant_currency"] = words.pop(0)
            elif word == "on":
                fields["granted"] = int(words.pop(0))
            elif word == "cash":
                fields["cashback_amount"] = int(words.pop(0))
            elif word == "+controllable":
                fields["controllable"] = True
            else:
                fields["ordinal"] = int(word.removeprefix("#"))
        answer = self.books.authorize(self.stripe_card, int(amount), **fields)
        if not answer.approved:
            return answer.code
        return f"yes {answer.amount}" if answer.partial else "yes"

    def _withdraw(self, name: str, amount: str, ordinal: str = "#0") -> None:
        withdraw(self.books, f"iauth_{name}", int(ordinal.removeprefix("#")), int(amount))

    def _says(self, name: str, status: str, amount: str, words: str, *more: str) -> None:
        id, at = f"iauth_{name}", self.books.clock() // 1_000_000
        listed = more[more.index("with") + 1].split(",") if "with" in more else []
        transactions = tuple(
            transaction(t, "refund" if t.startswith("r") else "capture", int(part), id, self.stripe_card, at)
            for t, _, part in (item.partition(":") for item in listed)
        )
        entries, began = history(words, int(amount)), self.began.setdefault(name, at)
        said = statement(id, self.stripe_card, status, int(amount), entries, at, transactions, began=began)
        event = kept_event(self.books, "issuing_authorization.updated", id)
        assert self.books.run(BookAuthorization(ORG, CONNECTION, said, event)) == "applied"

    def _capture(self, name: str, id: str, amount: str) -> None:
        self._transaction(id, "capture", int(amount), None if name == "-" else f"iauth_{name}")

    def _refund(self, id: str, amount: str) -> None:
        self._transaction(id, "refund", int(amount), None)

    def _transaction(self, id: str, kind: str, amount: int, authorization: str | None) -> None:
        said = transaction(id, kind, amount, authorization, self.stripe_card, self.books.clock() // 1_000_000)
        event = kept_event(self.books, "issuing_transaction.created", id)
        assert self.books.run(BookTransaction(ORG, CONNECTION, said, event)) == "applied"

    def _stripe(self, status: str) -> None:
        event = kept_event(self.books, "issuing_card.updated", self.stripe_card)
        made = MadeCard(self.stripe_card, status, "4242", 12, 2030)
        card = self.card
        assert card is not None
        self.books.run(BookCard(ORG, CONNECTION, made, card.id, event, self.books.new_id("out")))

    def _cancel(self) -> str | None:
        answer = self.books.run(CancelPurchase(ORG, self.purchase_id, AGENT, self.books.new_id("out"), AGENT))
        return answer.code if isinstance(answer, Refusal) else None

    def _expire(self) -> None:
        card = self.card
        assert card is not None
        self.books.clock.now = max(self.books.clock.now, card.expires_at)
        self.books.run(ExpireCard(ORG, card.id, self.books.new_id("out")))

    def _freeze(self) -> None:
        self.books.run(Freeze(ORG, "agent", AGENT, "usr_1", self.books.new_id("out")))
        self._follow_freeze(True)

    def _unfreeze(self) -> None:
        self.books.run(Unfreeze(ORG, "agent", AGENT, "usr_1", self.books.new_id("out")))
        self._follow_freeze(False)

    def _follow_freeze(self, frozen: bool) -> None:
        for card in self.books.rows(Card):
            self.books.run(SetCardFrozen(ORG, card.id, frozen, self.books.new_id("out")))

    def _deny(self) -> None:
        approval = self.purchase.approval_id or ""
        self.books.run(Deny(ORG, approval, "usr_1", "no", self.books.new_id("out")))

    def _approve(self, amount: str | None = None) -> str | None:
        ids = ApproveIds(*(self.books.new_id(prefix) for prefix in ("hold", "crd", "out")))
        purchase = self.purchase
        changed = int(amount) if amount else None
        answer = self.books.run(Approve(ORG, purchase.approval_id or "", purchase, PERSON, "", ids, changed))
        if isinstance(answer, Refusal):
            return answer.code
        self.promise = answer.promise
        return None

    def _renew(self, amount: str | None = None) -> str | None:
        purchase = self.purchase
        approval = self.books.row(Approval, id=purchase.approval_id)
        changed = int(amount) if amount else None
        answer = self.books.run(ApproveRenewal(ORG, approval, purchase, PERSON, "", self.books.new_id("out"), changed))
        return answer.code if isinstance(answer, Refusal) else None

    def _days(self, days: str) -> None:
        self.books.clock.advance(int(days) * 86_400)

    def _wait(self, seconds: str) -> None:
        self.books.clock.advance(int(seconds) - 1)


def neat(table: str) -> str:
    """A table as `tell` writes it, so that a test may align it as it likes."""
    lines = []
    for line in table.strip().splitlines():
        step, _, found = line.partition("|")
        words = found.split()
        shown = f"{words[0]:>5} {words[1]:>5} {words[2]:<10} {words[3]}" if words else ""
        lines.append(f"{step.strip():<48}| {shown}".rstrip() if words else f"{step.strip():<48}| ")
    return "\n".join(lines)


__all__ = ["FIGMA", "PERSON", "Story", "history", "kept_event", "neat", "statement", "transaction"]
