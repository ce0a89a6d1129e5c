"""What is over for long is deleted in pieces; what somebody may still ask about stays."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from roony.core.delivery import RevealLink
from roony.core.duration import DAY, HOUR
from roony.core.passkey import Passkey
from roony.core.purchase import Velocity
from roony.core.sign_in import OneTimeLink, Tries
from roony.flows.access_key import key_row, new_key
from roony.flows.duty_lease import DutyLease
from roony.flows.forgetting import PACE, ForgetDuty
from roony.flows.sign_in import new_session
from roony.store.forgetting import FORGET_ROWS, KINDS, forget
from roony.store.outbox import new_promise
from roony.store.rows import AccessKey, OAuthState, OutboxPromise, StartTicket
from roony.store.writer import Writer
from tests.support.books import AGENT, CONNECTION, NOW, ORG, Books
from tests.support.forgotten import FORGETTING, FORGOTTEN, forgotten_rows
from tests.support.offline import offline_context


def session(days: int) -> AccessKey:
    """Begun that many days ago."""
    return key_row(new_session(f"key_{days}", "Firefox"), ORG, None, NOW - days * DAY, "usr_ann")


def promise(days: int, **fields: Any) -> OutboxPromise:
    """Ended that many days ago."""
    made = new_promise(ORG, f"out_{days}", "look_at_card", "ic_1", {}, NOW - days * DAY)
    return made._replace(status="done", finished_at=NOW - days * DAY)._replace(**fields)


# By kind, each row with whether it stays.
ROWS: dict[str, list[tuple[Any, bool]]] = {
    "sessions": [
        (session(38), False),
        (session(36), True),
        (key_row(new_key("admin", "key_old", "old"), ORG, None, NOW - 90 * DAY, "usr_ann"), True),
    ],
    "one_time_links": [
        (OneTimeLink(f"hash_{days}", ORG, "usr_ann", "invitation", 0, NOW - days * DAY, None), days < 30)
        for days in (31, 29)
    ],
    "challenges": [
        (OneTimeLink("over", ORG, "usr_ann", "passkey", 0, NOW - 1, None), False),
        (OneTimeLink("open", ORG, "usr_ann", "passkey", 0, NOW, None), True),
        (OneTimeLink("a link", ORG, "usr_ann", "invitation", 0, NOW - 1, None), True),
    ],
    "passkeys": [
        (Passkey(f"cred_{at}", f"pky_{at}", ORG, "usr_ann", "x", b"", 0, "", 0, None, at), stays)
        for at, stays in ((NOW - 31 * DAY, False), (NOW - 29 * DAY, True), (None, True))
    ],
    "reveal_links": [
        (RevealLink(f"hash_{days}", ORG, "pur_1", 1, AGENT, "pay", 0, NOW - days * DAY, None, None, 0), days < 30)
        for days in (31, 29)
    ],
    "start_tickets": [
        (StartTicket(f"hash_{days}", ORG, CONNECTION, NOW - days * DAY, None), days < 30) for days in (31, 29)
    ],
    "oauth_states": [
        (OAuthState(f"hash_{days}", "cookie", ORG, CONNECTION, NOW - days * DAY, None), days < 30) for days in (31, 29)
    ],
    "sign_in_tries": [(Tries(f"gate {days}", 3, 0, NOW - days * DAY), days < 90) for days in (91, 89, 0)],
    "velocities": [
        (Velocity(ORG, AGENT, (NOW - days * DAY) // HOUR, 1, 100), days < 30) for days in (31, 29, 0)
    ],
    "promises": [
        (promise(181), False),
        (promise(182, status="dead"), False),
        (promise(179), True),
        (promise(183, status="promised", finished_at=None), True),
    ],
}  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_old_ones_go_and_the_others_stay(books: Books, kind: str) -> None:
    books.put(*(row for row, _ in ROWS[kind]))
    gone = sum(not stays for _, stays in ROWS[kind])
    assert books.till.write_and_wait(forget(kind, NOW)) == gone > 0
    left = books.rows(type(ROWS[kind][0][0]))
    assert sorted(left) == sorted(row for row, stays in ROWS[kind] if stays)


def statements(books: Books, work: Callable[[Writer], Any]) -> int:
    """How many a write runs."""

    def counted(writer: Writer) -> int:
        ran: list[str] = []
        run = writer.run

        def count(sql: str, parameters: Sequence[Any] = ()) -> Any:
            ran.append(sql)
            return run(sql, parameters)

        writer.run = count  # type: ignore[method-assign]
        try:
            work(writer)
        finally:
            del writer.run  # type: ignore[method-assign]
        return len(ran)

    return books.till.write_and_wait(counted)


def test_one_statement_however_many_organizations(books: Books) -> None:
    """Money waits behind each of them."""
    books.put(*(row for number in range(5) for row in forgotten_rows(f"org_{number}")))
    assert [statements(books, work) for work in FORGETTING] == [1] * 4
    for row in FORGOTTEN:
        assert books.rows(row) == []


def test_the_duty_looks_again_at_once_while_there_is_more(books: Books) -> None:
    """In pieces, so that no write is long; of what there was little it looks again after its pace."""
    with offline_context(books) as context:
        duty = ForgetDuty(context, DutyLease(context))
        books.put(*(session(100 + number) for number in range(FORGET_ROWS + 1)))
        assert [_left_after(duty, books, 0) for _ in range(2)] == [1, 0]
        books.put(session(400))
        assert [_left_after(duty, books, seconds) for seconds in (PACE - 1, PACE)] == [1, 0]


def _left_after(duty: ForgetDuty, books: Books, seconds: int) -> int:
    asyncio.run(duty.look(NOW + seconds * 1_000_000))
    return len(books.rows(AccessKey))
