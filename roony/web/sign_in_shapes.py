"""How answers about signing in look: who calls, links that open once, passkeys."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from roony.web.shape import KeyId, Listed, Shape, Time, UserId, like


class MeAnswer(Shape):
    """Who calls; a program of the owner's is no user."""

    user_id: UserId | None
    key_id: KeyId
    role: Annotated[Literal["viewer", "approver", "admin", "owner"], like("owner")]


class LinkAnswer(Shape):
    """A link that opens once. Whoever opens it first has it: it goes to one person only."""

    url: Annotated[str, like("https://roony.example.com/welcome?ticket=EXAMPLE")]
    expires_at: Time


class PasskeyAnswer(Shape):
    """A passkey of the caller's."""

    id: Annotated[str, like("pky_6b1f0c92d7e84a35")]
    name: Annotated[str, like("Laptop")]
    created_at: Time
    last_used_at: Time | None


class PasskeyList(Listed[PasskeyAnswer]):
    """Passkeys."""


class PasskeyAsked(Shape):
    """What `navigator.credentials.create()` takes as `publicKey`, in JSON, and what comes back with its answer."""

    ticket: Annotated[str, like("EXAMPLE")]
    public_key: Annotated[dict[str, Any], like({"challenge": "EXAMPLE", "rp": {"id": "localhost", "name": "Roony"}})]
