"""The audit chain: what it notices, and that it needs nothing but the records (design section 3, P9)."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from roony.core.audit import GENESIS, AuditDraft, AuditRecord, canonical, chain_record, verify


def chain(length: int, organization: str = "org_1") -> list[AuditRecord]:
    """A true chain."""
    records, previous = [], GENESIS
    for number in range(1, length + 1):
        draft = AuditDraft(organization, "usr_1", "thing.done", f"thing_{number}", {"b": number, "a": "é"}, number)
        records.append(chain_record(draft, number, previous))
        previous = records[-1].hash
    return records


CHAIN = chain(5)
HEAD = (5, CHAIN[-1].hash)


def changed(number: int, **fields: Any) -> list[AuditRecord]:
    return [record._replace(**fields) if record.sequence == number else record for record in CHAIN]


def rehashed(number: int) -> list[AuditRecord]:
    """A record replaced by another one with a right hash of its own."""
    records = list(CHAIN)
    draft = AuditDraft("org_1", "usr_1", "thing.done", "something else", {}, number)
    records[number - 1] = chain_record(draft, number, records[number - 1].previous_hash)
    return records


BROKEN: list[tuple[str, Callable[[], list[AuditRecord]], int, str]] = [
    ("content", lambda: changed(3, body='{"a":1}'), 3, "was changed"),
    ("actor", lambda: changed(3, actor="usr_2"), 3, "was changed"),
    ("action", lambda: changed(3, action="thing.undone"), 3, "was changed"),
    ("subject", lambda: changed(3, subject="thing_9"), 3, "was changed"),
    ("time", lambda: changed(3, at=9), 3, "was changed"),
    ("hash", lambda: changed(3, hash="0" * 64), 3, "was changed"),
    ("id", lambda: changed(3, id="aud_0"), 3, "id"),
    ("another organization", lambda: changed(3, organization_id="org_2"), 3, "belongs to org_2"),
    ("one left out", lambda: [CHAIN[0], *CHAIN[2:]], 3, "missing"),
    ("two swapped", lambda: [CHAIN[1], CHAIN[0], *CHAIN[2:]], 2, "missing or out of order"),
    ("the first left out", lambda: CHAIN[1:], 2, "missing"),
    ("one twice", lambda: [CHAIN[0], *CHAIN], 1, "missing or out of order"),
    ("rewritten with its own hash", lambda: rehashed(3), 4, "does not name the hash"),
    ("the end cut off", lambda: CHAIN[:3], 4, "should end at record 5"),
    ("all gone", list, 1, "should end at record 5"),
    ("the last one rewritten", lambda: rehashed(5), 6, "should end"),
]


def test_a_chain_in_parts() -> None:
    """Each part goes on where the one before ended; a part that starts elsewhere is none."""
    end = (2, CHAIN[1].hash)
    assert verify(CHAIN[:2]) is None
    assert verify(CHAIN[2:], HEAD, end) is None
    assert verify(CHAIN[3:], HEAD, end) is not None
    assert verify(CHAIN[2:], HEAD, (2, CHAIN[0].hash)) is not None
    assert verify([], HEAD, HEAD) is None


def test_a_true_chain() -> None:
    assert verify(CHAIN, HEAD) is None
    assert verify([], (0, GENESIS)) is None


@pytest.mark.parametrize("case", BROKEN, ids=[case[0] for case in BROKEN])
def test_what_breaks_it_is_named(case: tuple[str, Callable[[], list[AuditRecord]], int, str]) -> None:
    _, records, sequence, problem = case
    broken = verify(records(), HEAD)
    assert broken is not None
    assert broken.sequence == sequence
    assert problem in broken.problem


def test_without_the_head_a_cut_end_cannot_be_seen() -> None:
    assert verify(CHAIN[:3]) is None


def test_equal_content_has_equal_bytes() -> None:
    assert canonical({"b": 1, "a": [True, None, "é"]}) == '{"a":[true,null,"é"],"b":1}'
    assert json.loads(CHAIN[0].body) == {"a": "é", "b": 1}
    with pytest.raises(ValueError, match="not JSON compliant"):
        canonical({"amount": float("nan")})


def test_the_same_chain_has_the_same_ids() -> None:
    assert [record.id for record in chain(5)] == [record.id for record in CHAIN]
    assert {record.id for record in chain(5, "org_2")}.isdisjoint(record.id for record in CHAIN)
