"""How answers about signing in look: who calls, and links that open once."""

from __future__ import annotations

from typing import Annotated, Literal

from roony.web.shape import KeyId, Shape, Time, UserId, like


class MeAnswer(Shape):
    """Who calls; a program of the owner's is no user."""

    user_id: UserId | None
    key_id: KeyId
    role: Annotated[Literal["viewer", "approver", "admin", "owner"], like("owner")]


class LinkAnswer(Shape):
    """A link that opens once. Whoever opens it first has it: it goes to one person only."""

    url: Annotated[str, like("https://roony.example.com/welcome?ticket=EXAMPLE")]
    expires_at: Time
