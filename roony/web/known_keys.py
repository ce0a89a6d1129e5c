"""Agents' keys that were looked up before, for calls whose command looks at key and agent itself, in its commit.

What is remembered is what lets such a call in, no more: a key that was revoked meanwhile, here or in another process,
or an agent that was changed, is found out under the lock (`AgentAuthority`).
"""

from __future__ import annotations

from roony.store.queries.keys import Holder

# The key looked up longest ago makes room for another one.
MAX_KNOWN = 10_000


class KnownKeys:
    """One for each process; used on the event loop alone."""

    def __init__(self) -> None:
        """Empty."""
        self._holders: dict[str, Holder] = {}

    def holder(self, key_hash: str) -> Holder | None:
        """Whose key it was when it was last looked up."""
        return self._holders.get(key_hash)

    def keep(self, holder: Holder) -> None:
        """Remembers a key as it was just found."""
        self._holders.pop(holder.key.hash, None)
        if len(self._holders) >= MAX_KNOWN:
            del self._holders[next(iter(self._holders))]
        self._holders[holder.key.hash] = holder
