"""An exported audit chain, line by line: records, the checkpoints over them and its head, checked by themselves."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any, NamedTuple

from roony.core.audit import GENESIS, AuditRecord, read_record, record_problem
from roony.core.checkpoint import Checkpoint, IsSigned, place_problem, read_checkpoint, seal_problem
from roony.core.json_text import read_once
from roony.core.merkle import Tree


class Verdict(NamedTuple):
    """What a file holds. `problem` is None when all of it is true, from its first record to the head it names.

    `signed` is the number of the last record that a checkpoint is over, 0 for none; `public_keys` are those that the
    checkpoints are signed with.
    """

    organization_id: str
    records: int
    sequence: int
    hash: str
    head_known: bool
    checkpoints: int
    signed: int
    public_keys: list[str]
    problem: str | None


class NotTrue(Exception):
    """The first thing in a file that is not true; the message says which and why."""


class ChainCheck:
    """Takes the lines of an export one after the other; of what was read it keeps the last record and checkpoint."""

    def __init__(
        self, is_signed: IsSigned, public_keys: Collection[str] = (), kept: Mapping[int, str] | None = None
    ) -> None:
        """`public_keys` are those known from elsewhere; none: any. `kept` says of numbers which hash their record has.

        It is what somebody noted down before: heads and checkpoints.
        """
        self._is_signed, self._public_keys = is_signed, public_keys
        self._kept = dict(kept or {})
        self._organization_id = ""
        self._count, self._sequence, self._hash = 0, 0, GENESIS
        self._last: Checkpoint | None = None
        self._tree = Tree()
        self._keys: dict[str, None] = {}
        self._head: tuple[int, str] | None = None
        self._lines = 0

    def take(self, line: str) -> None:
        """The next line. Raises NotTrue."""
        self._lines += 1
        if not line.strip():
            return
        value = self._parsed(line)
        if self._head is not None:
            raise NotTrue(f"line {self._lines} stands behind the head: the head must come last")
        if set(value) == {"head"}:
            self._head = self._read_head(value["head"])
        elif set(value) == {"checkpoint"}:
            self._checkpoint(value["checkpoint"])
        else:
            self._record(value)

    def verdict(self, problem: str | None = None) -> Verdict:
        """What was found in all lines, or up to this problem."""
        return Verdict(
            self._organization_id, self._count, self._sequence, self._hash, self._head is not None,
            self._last.number if self._last else 0, self._last.sequence if self._last else 0, list(self._keys),
            problem or self._end_problem(),
        )  # fmt: skip

    def _parsed(self, line: str) -> dict[str, Any]:
        try:
            value = read_once(line)
        except (ValueError, RecursionError):
            raise NotTrue(f"line {self._lines} is not JSON, or has a name twice") from None
        if not isinstance(value, dict):
            raise NotTrue(f"line {self._lines} is no audit record")
        return value

    def _record(self, value: dict[str, Any]) -> None:
        record = read_record(value)
        if record is None:
            raise NotTrue(f"line {self._lines} is no audit record: fields are missing, added or of another type")
        organization_id = self._organization_id or record.organization_id
        problem = record_problem(record, self._sequence, self._hash, organization_id)
        problem = problem or self._against_kept(record)
        if problem is not None:
            raise NotTrue(f"record {record.sequence} {problem}")
        self._organization_id = organization_id
        self._count += 1
        self._sequence, self._hash = record.sequence, record.hash
        self._tree.add(record.hash)

    def _against_kept(self, record: AuditRecord) -> str | None:
        known = self._kept.pop(record.sequence, None)
        if known is None or known == record.hash:
            return None
        return "is another one than you noted down: it or one before it was written anew"

    def _checkpoint(self, value: Any) -> None:
        read = read_checkpoint(value)
        if read is None:
            raise NotTrue(f"line {self._lines} is no checkpoint: fields are missing, added or of another type")
        problem = self._checkpoint_problem(read)
        if problem is not None:
            raise NotTrue(f"checkpoint {read.number} {problem}")
        self._last, self._tree = read, Tree()
        self._keys[read.public_key] = None

    def _checkpoint_problem(self, read: Checkpoint) -> str | None:
        if read.organization_id != self._organization_id:
            return f"belongs to {read.organization_id}, not to {self._organization_id or 'this file'}"
        problem = place_problem(read, self._last)
        if problem is not None:
            return problem
        # Before what it says of records: an unsigned word about them is worth nothing.
        problem = seal_problem(read, self._is_signed, self._public_keys)
        if problem is not None:
            return problem
        if read.sequence != self._sequence:
            return f"is over record {read.sequence}, here it follows record {self._sequence}: records are missing"
        if read.hash != self._hash or read.root != self._tree.root():
            return "does not fit the records before it: they were written anew after it was signed"
        return None

    def _read_head(self, value: Any) -> tuple[int, str]:
        if not isinstance(value, dict) or set(value) != {"sequence", "hash"}:
            raise NotTrue(f"line {self._lines} is no head")
        return value["sequence"], value["hash"]

    def _end_problem(self) -> str | None:
        if self._head is not None and self._head != (self._sequence, self._hash):
            return self._cut(f"the head in its last line is record {self._head[0]}")
        if self._kept:
            return self._cut(f"you noted down record {max(self._kept)}")
        if not self._count:
            return "there is no record in this file"
        if self._public_keys and self._last is None:
            return "no record of this file is signed"
        return None

    def _cut(self, known: str) -> str:
        return f"the chain ends at record {self._sequence}, but {known}: records were cut off or changed"


def check_lines(
    lines: Iterable[str],
    is_signed: IsSigned,
    public_keys: Collection[str] = (),
    kept: Mapping[int, str] | None = None,
) -> Verdict:
    """Reads an export line by line and stops at the first thing that is not true."""
    check = ChainCheck(is_signed, public_keys, kept)
    try:
        for line in lines:
            check.take(line)
    except NotTrue as wrong:
        return check.verdict(str(wrong))
    return check.verdict()


def kept_hashes(lines: Iterable[str], is_signed: IsSigned, public_keys: Collection[str] = ()) -> dict[int, str]:
    """What checkpoints that somebody kept say of their last records. Raises NotTrue for what is none of them."""
    found: dict[int, str] = {}
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            value = read_once(line)
        except (ValueError, RecursionError):
            value = None
        named = isinstance(value, dict) and set(value) == {"checkpoint"}
        read = read_checkpoint(value["checkpoint"]) if named else None
        if read is None:
            raise NotTrue(f"line {number} is no checkpoint")
        problem = seal_problem(read, is_signed, public_keys)
        if problem is not None:
            raise NotTrue(f"checkpoint {read.number} {problem}")
        found[read.sequence] = read.hash
    return found
