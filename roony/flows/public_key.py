"""The public key of an agent, to which its card details are sealed: set and taken away by the owner only."""

from __future__ import annotations

from dataclasses import dataclass

from roony.core.agent import Agent
from roony.core.delivery import thumbprint
from roony.core.errors import Refusal, not_found
from roony.store.book import Book
from roony.store.command import Command
from roony.store.facts import Needs


@dataclass(frozen=True, slots=True)
class SetPublicKey(Command[Agent | Refusal]):
    """Registers a key (as `sealing.public_key` gives it) in place of any before, or takes it away with None."""

    organization_id: str
    agent_id: str
    public_key: str | None
    actor: str

    def needs(self, now: int) -> Needs:
        """The agent."""
        return Needs(rows=((Agent, self.organization_id, self.agent_id),))

    def apply(self, book: Book, now: int) -> Agent | Refusal:
        """Counts for every delivery from the next commit on; the same key again changes nothing."""
        before = book.get(Agent, self.organization_id, self.agent_id)
        if before is None:
            return not_found("agent", self.agent_id)
        if before.public_key == self.public_key:
            return before
        after = before._replace(public_key=self.public_key)
        book.put(after)
        action = "agent.public_key_removed" if self.public_key is None else "agent.public_key_set"
        body = {"before": _shown(before.public_key), "after": _shown(after.public_key)}
        book.record(self.organization_id, self.actor, action, after.id, body, now)
        return after


def _shown(public_key: str | None) -> str | None:
    return thumbprint(public_key) if public_key is not None else None
