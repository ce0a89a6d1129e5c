"""What is dearer or comes again: prices raised before first use, and mandates whose merchants come back for more.

The steps of machine.py happen to these purchases too: they are frozen, canceled, approved without Roony and refunded.
"""

from __future__ import annotations

from hypothesis import strategies as st
from hypothesis.stateful import initialize, precondition, rule

from roony.core.errors import Refusal
from roony.core.purchase import Purchase, Recurring
from roony.flows.raising import RaisePurchase
from tests.random.ground import AGENTS, NO_ANSWER, Ground
from tests.random.machine import BLOW, FATES, NUMBER, CompanyMachine, word_of
from tests.random.model import CHECK, SECOND, Wish, next_begin
from tests.random.network import NetworkCard
from tests.random.watch import Counts
from tests.support.books import ORG

# Two payments end soon, four give room for all that happens in between.
TERMS = (Recurring("day", 2), Recurring("day", 4), Recurring("week", 3), Recurring("day", 3))
PRICES = (3_000, 7_000, 900, 9_500, 50)
# What a merchant asks for, compared with the price.
RENEWALS = ("price", "price", "dearer", "price", "check", "cheaper", "nothing")


class RenewingMachine(CompanyMachine):
    """A random company whose agents also subscribe, and pay more than they thought."""

    @initialize(count=st.sampled_from([2, 1, 0]))
    def begin_mandates(self, count: int) -> None:
        """Some mandates are there already, the first of them paid once."""
        for number in range(count):
            self._subscribe(number, TERMS[number], 3_000 + number, pays=number == 0, captured=False)
        self._spread("way")

    @rule(pick=NUMBER)
    def subscribe(self, pick: int) -> None:
        """A mandate is asked for, its card made, and paid with or not yet."""
        price = PRICES[pick // 12 % 5] + len(self.model.wishes)
        self._subscribe(pick, TERMS[pick // 3 % 4], price, pays=pick // 60 % 3 > 0, captured=pick // 180 % 2 > 0)
        self._spread("now" if pick // 360 % 2 else "way")
        self._look()

    def _subscribe(self, pick: int, terms: Recurring, price: int, *, pays: bool, captured: bool) -> None:
        self._ask(list(AGENTS)[pick % 3], price, "Figma", None, True, None, terms)
        wish = next(reversed(self.model.wishes.values()), None)
        promised = [promise.key.partition(":")[0] for promise in self._promises()]
        if wish is not None and wish.id in promised:
            self._work(promised.index(wish.id), "made", None)
            if pays:
                card = next(reversed(self.network.cards.values()))
                self._come(card, wish.amount, captured=captured, crossing=False, blow=None)

    @precondition(lambda self: self._mandate_cards())
    @rule(pick=NUMBER)
    def renew(self, pick: int) -> None:
        """What mostly happens: the merchant comes in the next interval, or in each of the next, and takes its price."""
        card = self._of(self._mandate_cards(), pick)
        wish = self._wish_of(card)
        for _ in range(1 + pick // 8 % 3):
            now = self.books.clock()
            self._wait((next_begin(wish.interval or "", now) - now) // SECOND)
            self._come(card, wish.amount, captured=pick // 24 % 3 > 0, crossing=False, blow=None)
        self._spread(("now", "way", "now", "lost")[pick // 72 % 4])
        self._look()

    @precondition(lambda self: self._mandate_cards())
    @rule(pick=NUMBER, when=st.sampled_from(["now", "now", "next", "end"]), asked=st.sampled_from(RENEWALS),
          captured=st.booleans(), crossing=st.booleans(), blow=BLOW, fate=FATES)  # fmt: skip
    def come_again(
        self, pick: int, when: str, asked: str, captured: bool, crossing: bool, blow: str | None, fate: str
    ) -> None:
        """The merchant of a mandate comes in time, too early or after its end, at its price or another one."""
        card = self._of(self._mandate_cards(), pick)
        wish, now = self._wish_of(card), self.books.clock()
        until = {"now": now, "next": next_begin(wish.interval or "", now), "end": max(now, wish.expires_at)}[when]
        if until > now:
            self._wait((until - now) // SECOND)
        prices = {"dearer": wish.hold + 500, "cheaper": wish.amount // 2, "check": CHECK, "nothing": 0}
        self._come(card, prices.get(asked, wish.amount), captured=captured, crossing=crossing, blow=blow)
        self._spread(fate)
        self._look()

    def _come(self, card: NetworkCard, amount: int, *, captured: bool, crossing: bool, blow: str | None) -> None:
        """One request on a mandate's card; `crossing`: we are asked whatever Stripe knows of its limits."""
        id, name = f"iauth_{self.network._next()}", self._name_of(self._wish_of(card))
        if crossing or self._stripe_asks(card, amount):
            self._request(card, id, name, amount, False, "answer", "honours", blow, None)
        else:
            reason = "spending_controls" if card.status == "active" else f"card_{card.status}"
            self.network.authorize(id, card, name, amount, reason, None, ours=False)
        known = self.network.authorizations[id]
        if captured and known.approved and known.status == "pending" and amount:
            self.network.capture(card, amount, known)

    @precondition(lambda self: self.model.wishes)
    @rule(pick=NUMBER, more=st.sampled_from([500, 500, 2_000, 9_000, 60_000, -1]), blow=BLOW)
    def raise_price(self, pick: int, more: int, blow: str | None) -> None:
        """An agent finds that a thing costs more, most often before its card was used."""
        wish = self._of(self._unused() or list(self.model.wishes.values()), pick)
        row = self.watch.get(Purchase, id=wish.id)
        command = RaisePurchase(ORG, row, wish.chain[0], max(1, row.amount + more), self._raise_ids())
        answer = self.ground.submit(command, blow)
        if answer is NO_ANSWER:
            self._struck(blow)
            answer = self.ground.submit(command)
        self.counts.words[f"raise {word_of(answer)}"] += 1
        if isinstance(answer, Refusal):
            self._unchanged(answer.code)
            return
        self._look()
        self._repriced(wish)

    def _mandate_cards(self) -> list[NetworkCard]:
        """Cards of mandates; those that still can be used come alone where there are any."""
        cards = [card for card in self.network.cards.values() if not card.single_use]
        return [card for card in cards if card.status == "active"] or cards

    def _unused(self) -> list[Wish]:
        ready = {row.id for row in self.watch.rows[Purchase] if row.status == "ready"}
        return [wish for wish in self.model.wishes.values() if wish.id in ready and wish.interval is None]


def machine_on(ground: Ground, counts: Counts) -> type[RenewingMachine]:
    """The machine on one ground, counting into `counts`."""
    return type("Company", (RenewingMachine,), {"ground": ground, "counts": counts})
