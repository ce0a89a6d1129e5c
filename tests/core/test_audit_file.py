"""Exports with signed checkpoints: whatever is done to one is found, and by which record or checkpoint it is named."""

from __future__ import annotations

import json
import os
import random
from collections.abc import Callable
from typing import Any, NamedTuple

import pytest

from roony.core.audit import AuditDraft, AuditRecord, canonical, chain_record
from roony.core.audit_file import NotTrue, Verdict, check_lines, kept_hashes
from roony.core.checkpoint import Checkpoint
from roony.store.signing import is_signed, new_pair
from tests.support.chains import PUBLIC_KEY, Line, lines_of, records_of, signed, text_of

SEED = int(os.environ.get("ROONY_TEST_SEED", "20261129"))
ROUNDS = 1_500
RECORDS = records_of(40)
ENDS = (7, 8, 24, 38)
CHECKPOINTS = signed(RECORDS, ENDS)
# Of an installation somebody runs to sign what they made up.
FOREIGN_PRIVATE, FOREIGN_PUBLIC = new_pair()


def check(lines: list[Line], kept: dict[int, str] | None = None) -> Verdict:
    return check_lines(text_of(lines), is_signed, [PUBLIC_KEY], kept)


def kept_elsewhere() -> dict[int, str]:
    """What a person has who keeps the newest checkpoint."""
    line = json.dumps({"checkpoint": CHECKPOINTS[-1]._asdict()})
    return kept_hashes([line], is_signed, [PUBLIC_KEY])


def test_a_true_export() -> None:
    verdict = check(lines_of(RECORDS, CHECKPOINTS), kept_elsewhere())
    assert verdict == Verdict("org_1", 40, 40, RECORDS[-1].hash, True, 4, 38, [PUBLIC_KEY], None)
    assert check_lines(text_of(lines_of(RECORDS)), is_signed).problem is None


# What somebody with the database alone does to it before it is exported


def rewritten(records: list[AuditRecord], place: int, **changes: Any) -> list[AuditRecord]:
    """A record changed and all hashes from there on made to fit again."""
    made = list(records[:place])
    for record in records[place:]:
        kept = record._replace(**changes) if record.sequence == place + 1 else record
        body = json.loads(kept.body)
        draft = AuditDraft(kept.organization_id, kept.actor, kept.action, kept.subject, body, kept.at)
        made.append(chain_record(draft, len(made) + 1, made[-1].hash if made else "0" * 64))
    return made


class Tampering(NamedTuple):
    """What was done, the lines of its export, and whether only what was kept elsewhere can show it."""

    what: str
    lines: list[Line]
    hidden: bool = False


def _changed_field(dice: random.Random) -> Tampering:
    lines = lines_of(RECORDS, CHECKPOINTS)
    line = dice.choice([line for line in lines if "action" in line])
    name = dice.choice(sorted(line))
    if isinstance(line[name], int):
        line[name] += dice.choice((-1, 1, 1_000))
    elif name == "body":
        line[name] = line[name].replace("amount", "amounts") if dice.random() < 0.5 else line[name] + " "
    else:
        place = dice.randrange(len(line[name]))
        letter = dice.choice([one for one in "0123456789abcdef_" if one != line[name][place]])
        line[name] = line[name][:place] + letter + line[name][place + 1 :]
    return Tampering(f"{name} of record {line['sequence']} changed", lines)


def _changed_checkpoint(dice: random.Random) -> Tampering:
    lines = lines_of(RECORDS, CHECKPOINTS)
    checkpoint = dice.choice([line for line in lines if "checkpoint" in line])["checkpoint"]
    name = dice.choice(sorted(checkpoint))
    before = checkpoint[name]
    if isinstance(before, int):
        checkpoint[name] += dice.choice((-1, 1, 1_000))
    else:
        place = dice.randrange(len(before) - 2)
        letter = dice.choice([one for one in "0123456789abcdef" if one != before[place]])
        checkpoint[name] = before[:place] + letter + before[place + 1 :]
    return Tampering(f"{name} of a checkpoint changed", lines)


def _left_out(dice: random.Random) -> Tampering:
    lines = lines_of(RECORDS, CHECKPOINTS)
    # Of the last checkpoint nothing speaks but who kept it.
    place = dice.choice(
        [place for place, line in enumerate(lines[:-1]) if line.get("checkpoint", {}).get("number") != 4]
    )
    line = lines.pop(place)
    return Tampering(f"left out: {min(line)} {line.get('sequence')}", lines)


def _moved(dice: random.Random) -> Tampering:
    lines = lines_of(RECORDS, CHECKPOINTS)
    one, other = sorted(dice.sample(range(len(lines) - 1), 2))
    lines[one], lines[other] = lines[other], lines[one]
    return Tampering(f"lines {one} and {other} changed places", lines)


def _twice(dice: random.Random) -> Tampering:
    lines = lines_of(RECORDS, CHECKPOINTS)
    place = dice.randrange(len(lines) - 1)
    lines.insert(dice.randrange(len(lines)), lines[place])
    return Tampering(f"line {place} is there twice", lines)


def _cut(dice: random.Random) -> Tampering:
    """The end is gone, the head made to fit: a true chain, only shorter."""
    end = dice.randrange(1, 38)
    some = [one for one in CHECKPOINTS if one.sequence <= end]
    return Tampering(f"cut behind record {end}", lines_of(RECORDS[:end], some), hidden=bool(some))


def _cut_below_a_checkpoint(dice: random.Random) -> Tampering:
    """The end is gone, the checkpoint over it is not."""
    end = dice.choice([end for end in range(1, 38) if end not in ENDS])
    behind = [one for one in CHECKPOINTS if one.sequence > end][:1]
    lines = lines_of(RECORDS[:end], [one for one in CHECKPOINTS if one.sequence <= end])
    lines[-1:-1] = [{"checkpoint": one._asdict()} for one in behind]
    return Tampering(f"cut behind record {end}, a later checkpoint left", lines)


def _rehashed(dice: random.Random) -> Tampering:
    """One record changed and everything behind it hashed again; the checkpoints cannot be signed again."""
    place = dice.randrange(38)
    changes = {"body": canonical({"amount": 1})} if dice.random() < 0.5 else {"actor": "agt_2"}
    return Tampering(f"hashed again from {place + 1}", lines_of(rewritten(RECORDS, place, **changes), CHECKPOINTS))


def _rehashed_without(dice: random.Random) -> Tampering:
    """The same, and the checkpoints that do not fit any more taken out."""
    place = dice.randrange(38)
    some = [one for one in CHECKPOINTS if one.sequence <= place]
    lines = lines_of(rewritten(RECORDS, place, actor="agt_2"), some)
    return Tampering(f"hashed again from {place + 1}, {len(some)} checkpoints left", lines, hidden=bool(some))


def _signed_by_another(dice: random.Random) -> Tampering:
    """Everything made anew and signed with a key of one's own."""
    made = rewritten(RECORDS, dice.randrange(40), actor="agt_2")
    return Tampering("signed with another key", lines_of(made, signed(made, ENDS, FOREIGN_PRIVATE, FOREIGN_PUBLIC)))


def _signature_borrowed(dice: random.Random) -> Tampering:
    """The same, under our key's name."""
    made = rewritten(RECORDS, dice.randrange(40), actor="agt_2")
    forged = signed(made, ENDS, FOREIGN_PRIVATE, PUBLIC_KEY)
    return Tampering("a foreign signature in our name", lines_of(made, forged))


def _of_another_organization(dice: random.Random) -> Tampering:
    """Another organization's chain under this one's name, with the checkpoints of either."""
    others = records_of(40, "org_2", start=7)
    theirs = signed(others, ENDS)
    if dice.random() < 0.5:
        return Tampering("another's chain", lines_of(others, CHECKPOINTS))
    renamed = rewritten([record._replace(organization_id="org_1") for record in others], 0)
    return Tampering("another's chain renamed", lines_of(renamed, theirs))


def _one_record_of_another(dice: random.Random) -> Tampering:
    records = list(RECORDS)
    place = dice.randrange(40)
    records[place] = records_of(40, "org_2")[place]
    return Tampering(f"record {place + 1} is another's", lines_of(records, CHECKPOINTS))


def _false_head(dice: random.Random) -> Tampering:
    lines = lines_of(RECORDS, CHECKPOINTS)
    lines[-1] = {"head": {"sequence": dice.choice((39, 40, 41)), "hash": "1" * 64}}
    return Tampering("another head", lines)


WAYS: list[Callable[[random.Random], Tampering]] = [
    _changed_field, _changed_checkpoint, _left_out, _moved, _twice, _cut, _cut_below_a_checkpoint, _rehashed,
    _rehashed_without, _signed_by_another, _signature_borrowed, _of_another_organization, _one_record_of_another,
    _false_head,
]  # fmt: skip


def test_every_tampering_is_found() -> None:
    """P9: each of many, at random places; what a checkpoint in the file cannot show, one that was kept does."""
    dice = random.Random(SEED)
    found = dict.fromkeys((way.__name__ for way in WAYS), 0)
    for _ in range(ROUNDS):
        way = dice.choice(WAYS)
        tampering = way(dice)
        alone, known = check(tampering.lines), check(tampering.lines, kept_elsewhere())
        assert known.problem is not None, f"not found: {tampering.what}, ROONY_TEST_SEED={SEED}"
        assert tampering.hidden or alone.problem is not None, f"not found alone: {tampering.what}"
        assert any(word in known.problem for word in ("record", "checkpoint", "line", "chain")), known.problem
        found[way.__name__] += 1
    assert min(found.values()) > ROUNDS // 30, found


def _anew(**changes: Any) -> Callable[[], list[Line]]:
    return lambda: lines_of(rewritten(RECORDS, 19, **changes), CHECKPOINTS)


def _checkpoint(number: int, **changes: Any) -> Callable[[], list[Line]]:
    some = [one._replace(**changes) if one.number == number else one for one in CHECKPOINTS]
    return lambda: lines_of(RECORDS, some)


def _without(number: int) -> Callable[[], list[Line]]:
    return lambda: lines_of(RECORDS, [one for one in CHECKPOINTS if one.number != number])


@pytest.mark.parametrize(
    ("lines", "named"),
    [
        (_anew(actor="agt_2"), "checkpoint 3 does not fit the records before it"),
        (_checkpoint(2, at=5), "checkpoint 2 was changed: its signature does not fit"),
        (_checkpoint(2, public_key=FOREIGN_PUBLIC), "checkpoint 2 is signed with another key than the one you gave"),
        (_checkpoint(3, organization_id="org_2"), "checkpoint 3 belongs to org_2"),
        (_without(2), "checkpoint 3 follows checkpoint 1: checkpoints are missing"),
        (_without(1), "checkpoint 2 follows checkpoint 0: checkpoints are missing"),
        (lambda: lines_of(RECORDS), "no record of this file is signed"),
        (lambda: lines_of(RECORDS[:30], CHECKPOINTS)[:10], "record 8 is over"),
    ],
)
def test_the_first_that_is_not_true_is_named(lines: Callable[[], list[Line]], named: str) -> None:
    problem = check(lines()).problem
    if named == "record 8 is over":
        assert problem is None  # a file that ends early without a head: only what was kept shows it
        assert "records were cut off" in str(check(lines(), kept_elsewhere()).problem)
    else:
        assert named in str(problem)


def test_a_name_twice_is_not_true() -> None:
    """Whoever reads the file with other eyes than ours would see the other value under a good signature."""
    lines = list(text_of(lines_of(RECORDS, CHECKPOINTS)))
    actor = json.dumps(RECORDS[2].actor)
    forged = lines[2].replace(f'"actor": {actor}', f'"actor": "usr_else", "actor": {actor}')
    assert forged != lines[2]
    assert json.loads(forged) == json.loads(lines[2])
    verdict = check_lines([*lines[:2], forged, *lines[3:]], is_signed, [PUBLIC_KEY])
    assert verdict.problem == "line 3 is not JSON, or has a name twice"
    point = json.dumps({"checkpoint": CHECKPOINTS[-1]._asdict()}).replace('"sequence"', '"sequence": 1, "sequence"')
    with pytest.raises(NotTrue):
        kept_hashes([point], is_signed, [PUBLIC_KEY])


def test_what_was_kept_is_itself_looked_at() -> None:
    good = {"checkpoint": CHECKPOINTS[0]._asdict()}
    assert kept_hashes(["", json.dumps(good)], is_signed, [PUBLIC_KEY]) == {7: RECORDS[6].hash}
    for bad in (
        {"checkpoint": {**good["checkpoint"], "hash": "1" * 64}}, good["checkpoint"], {"checkpoint": 5}, [], "x",
        {"checkpoint": {**good["checkpoint"], "number": True}},
        {"checkpoint": signed(RECORDS, [3], FOREIGN_PRIVATE, FOREIGN_PUBLIC)[0]._asdict()},
    ):  # fmt: skip
        with pytest.raises(NotTrue):
            kept_hashes([json.dumps(bad)], is_signed, [PUBLIC_KEY])
    with pytest.raises(NotTrue):
        kept_hashes(["{"], is_signed)


def test_a_field_with_a_line_break_is_no_checkpoint() -> None:
    """It could pass for two fields in what is signed."""
    lines = lines_of(RECORDS, CHECKPOINTS)
    place = next(place for place, line in enumerate(lines) if "checkpoint" in line)
    lines[place]["checkpoint"]["root"] += "\n"
    assert "is no checkpoint" in str(check(lines).problem)


def test_the_text_that_is_signed_has_a_line_for_each_field() -> None:
    checkpoint: Checkpoint = CHECKPOINTS[0]
    assert checkpoint.text.split("\n") == [
        "roony audit checkpoint v1", "org_1", "1", "1", "7", checkpoint.hash, checkpoint.root, "0" * 64, "7000001",
        PUBLIC_KEY,
    ]  # fmt: skip
    assert CHECKPOINTS[1].previous == checkpoint.digest
