"""A checkpoint: the audit chain of an organization up to one record, signed with the installation's key.

Whoever has only the database can write another chain into it, but not sign it. A checkpoint holds the hash of its last
record, by which it stands for everything before it, and the root of a tree over the records since the checkpoint before
(core/merkle.py), by which a single one can be shown to belong to it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import Any, NamedTuple, get_type_hints

from roony.core.audit import GENESIS, AuditRecord
from roony.core.hashing import text_hash
from roony.core.merkle import root_of

FORMAT = "roony audit checkpoint v1"
# The most records that one checkpoint is over; so many without a signature make the next one due.
RECORDS = 1_000
# Fewer are signed once the last checkpoint is so old, in seconds.
AGE_SECONDS = 3_600

# Whether a signature, in base64, is that of a text by a public key, in base64.
IsSigned = Callable[[str, str, str], bool]


class Checkpoint(NamedTuple):
    """The records `first_sequence` to `sequence` of a chain; `hash` is that of the last one, `root` is over all.

    `previous` is the digest of the checkpoint before, 64 zeros for the first. `at` is microseconds UTC. Key and
    signature are Ed25519 in base64.
    """

    organization_id: str
    number: int
    first_sequence: int
    sequence: int
    hash: str
    root: str
    previous: str
    at: int
    public_key: str
    signature: str

    @property
    def text(self) -> str:
        """What is signed: a line for each field."""
        return "\n".join((FORMAT, *map(str, self[:-1])))

    @property
    def digest(self) -> str:
        """What the next checkpoint names it by."""
        return text_hash(self.text)

    @property
    def size(self) -> int:
        """How many records it is over."""
        return self.sequence - self.first_sequence + 1


_FIELDS = get_type_hints(Checkpoint)


def next_checkpoint(
    last: Checkpoint | None, records: Sequence[AuditRecord], at: int, public_key: str, sign: Callable[[str], str]
) -> Checkpoint:
    """The checkpoint behind `last` over records that were verified and follow it. Raises ValueError for none."""
    end = records[-1] if records else None
    if end is None:
        raise ValueError("a checkpoint is over at least one record")
    made = Checkpoint(
        end.organization_id, last.number + 1 if last else 1, records[0].sequence, end.sequence, end.hash,
        root_of([record.hash for record in records]), last.digest if last else GENESIS, at, public_key, "",
    )  # fmt: skip
    return made._replace(signature=sign(made.text))


def read_checkpoint(value: Any) -> Checkpoint | None:
    """A checkpoint out of JSON; None where fields are missing, added or of another type."""
    # `type(...) is` and not isinstance: true is no number.
    if not isinstance(value, dict) or set(value) != set(_FIELDS):
        return None
    if any(type(value[name]) is not kind for name, kind in _FIELDS.items()):
        return None
    read = Checkpoint(**value)
    # A field with a line break could pass for the end of the field.
    return read if read.text.count("\n") == len(read) - 1 else None


def seal_problem(checkpoint: Checkpoint, is_signed: IsSigned, public_keys: Collection[str]) -> str | None:
    """What is wrong with the signature of a checkpoint, by itself; None if nothing is.

    `public_keys` are those known from elsewhere; without any a signature only says that it fits the key beside it.
    """
    if public_keys and checkpoint.public_key not in public_keys:
        return "is signed with another key than the one you gave"
    if not is_signed(checkpoint.public_key, checkpoint.text, checkpoint.signature):
        return "was changed: its signature does not fit"
    return None


def place_problem(checkpoint: Checkpoint, last: Checkpoint | None) -> str | None:
    """Why a checkpoint does not follow the one before it, or cannot be the first; None if it does."""
    number, sequence, digest = (last.number, last.sequence, last.digest) if last else (0, 0, GENESIS)
    if checkpoint.number != number + 1:
        return f"follows checkpoint {number}: checkpoints are missing or out of order"
    if checkpoint.first_sequence != sequence + 1 or checkpoint.size < 1:
        return f"begins at record {checkpoint.first_sequence}, the one before it ends at {sequence}"
    if checkpoint.previous != digest:
        return "does not name the checkpoint before it"
    return None
