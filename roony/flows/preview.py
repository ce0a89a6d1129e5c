"""What would be decided now: the same facts and the same `decide()` as an ask, and nothing written."""

from __future__ import annotations

from dataclasses import dataclass

from roony.core.decision import Decision, decide
from roony.core.errors import Refusal
from roony.core.strictness import loosens
from roony.flows.purchase import AskPurchase, facts_of
from roony.store.book import Book
from roony.store.command import Command
from roony.store.facts import Needs


@dataclass(frozen=True, slots=True)
class PreviewPurchase(Command[Decision | Refusal]):
    """Decides an ask without holding, counting or recording anything."""

    organization_id: str
    asked: AskPurchase

    def needs(self, now: int) -> Needs:
        """What the ask itself would need."""
        return self.asked.needs(now)

    def apply(self, book: Book, now: int) -> Decision | Refusal:
        """The verdict of this instant; an ask a moment later may find less in its budgets."""
        asked = self.asked
        facts = facts_of(book, asked.chain, asked.ask, now)
        return loosens(asked.ask, asked.project_id, facts) or decide(asked.ask, facts, now)
