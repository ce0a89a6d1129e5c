"""Places for those who wait in one process: so many in all, so many of one key, and not all of one organization."""

from __future__ import annotations

# One in so many is for other organizations than the one that has all the rest: it may make as many keys as it likes.
OTHERS_SHARE = 10


class TooMany(Exception):
    """No more streams or waiting requests are taken now."""


class Places:
    """Who waits, counted by organization and by key."""

    def __init__(self) -> None:
        """Nobody."""
        self.taken = 0
        self._by: dict[str, int] = {}

    def take(self, organization_id: str, who: str, most: int, most_each: int) -> None:
        """One more for the key `who`, of `most` in all and `most_each` of one key. Raises TooMany."""
        of_organization, of_who = self._by.get(organization_id, 0), self._by.get(who, 0)
        if self.taken >= most or of_organization >= most - most // OTHERS_SHARE or of_who >= most_each:
            raise TooMany
        self.taken += 1
        self._by[organization_id], self._by[who] = of_organization + 1, of_who + 1

    def give_back(self, organization_id: str, who: str) -> None:
        """One less."""
        self.taken -= 1
        for name in (organization_id, who):
            self._by[name] -= 1
            if not self._by[name]:
                del self._by[name]
