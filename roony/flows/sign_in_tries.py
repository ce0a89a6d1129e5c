"""How often wrong passwords were tried at one gate, whether or not anybody is behind it.

Known browsers follow OWASP's "device cookies": who named an address before and was right keeps a gate of their own, so
that a stranger who locks the others' gate does not lock them out.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from sqlalchemy import bindparam, update

from roony.core.hashing import text_hash
from roony.core.sign_in import Tries, one_less, one_more
from roony.store import tables
from roony.store.writer import Writer

# Strangers' gates are this many hexadecimal digits of the address's hash: some million of them, however many addresses
# somebody makes up. Passwords are compared too slowly for anybody to lock so many, and few people share one by chance.
GATE_DIGITS = 5

# Also takes the row, so that processes count one after the other.
_TOUCH = update(tables.sign_in_tries).where(tables.sign_in_tries.c.key == bindparam("gate"))
_TOUCH = _TOUCH.values(failures=tables.sign_in_tries.c.failures)


class Counted(NamedTuple):
    """A gate after this try. `was_locked`: the try came too early, and is worth nothing."""

    tries: Tries
    was_locked: bool


def of_address(email: str) -> str:
    """The gate of all strangers who name this address."""
    return f"address:{text_hash(email.lower())[:GATE_DIGITS]}"


def of_browser(browser: str, organization_id: str, user_id: str) -> str:
    """The gate of one browser for one user; `browser` is the secret it keeps in a cookie."""
    return f"browser:{text_hash(f'{browser} {organization_id} {user_id}')}"


def of_user(organization_id: str, user_id: str) -> str:
    """The gate of somebody who is signed in."""
    return f"user:{organization_id}:{user_id}"


def of_passkey(credential_id: str) -> str:
    """The gate at which refusals of a passkey are counted. It keeps nobody out, and the audit log short."""
    return f"passkey:{text_hash(credential_id)}"


def count_try(browsers: Sequence[str], others: str, now: int) -> Callable[[Writer], list[Counted]]:
    """A write that counts a try before it is compared: many at once are worth no more than one after the other.

    Returns what became of the gate of each of `browsers`, which is that of `others` where the browser is not known;
    without any, of the gate of `others`. `now` in microseconds.
    """

    def work(writer: Writer) -> list[Counted]:
        gates = [gate if _taken(writer, gate) else others for gate in browsers] or [others]
        counted = {gate: _count(writer, gate, now) for gate in sorted(set(gates))}
        return [counted[gate] for gate in gates]

    return work


def take_back(counted: Sequence[Counted]) -> Callable[[Writer], None]:
    """A write that takes these tries off their gates: they were right, or nobody looked at them."""
    mine = {one.tries.key: one.tries for one in counted if not one.was_locked}

    def work(writer: Writer) -> None:
        for gate in sorted(mine):
            if _taken(writer, gate):
                writer.write_rows(tables.sign_in_tries, [one_less(_row(writer, gate), mine[gate])])

    return work


def clear_tries(gate: str, now: int) -> Callable[[Writer], None]:
    """A write that lets a gate begin anew; that of a browser is known from then on. `now` in microseconds."""
    return lambda writer: writer.write_rows(tables.sign_in_tries, [Tries(gate, 0, 0, now)])


def _taken(writer: Writer, gate: str) -> bool:
    return bool(writer.execute(_TOUCH, gate=gate).rowcount)


def _row(writer: Writer, gate: str) -> Tries:
    [row] = writer.rows_by(tables.sign_in_tries, ("key",), [(gate,)])
    return Tries(*row)


def _count(writer: Writer, gate: str, now: int) -> Counted:
    before = _row(writer, gate) if _taken(writer, gate) else Tries(gate, 0, 0, now)
    after = one_more(before, now)
    if after is not before:
        writer.write_rows(tables.sign_in_tries, [after])
    return Counted(after, after is before)
