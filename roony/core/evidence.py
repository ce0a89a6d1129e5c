"""What there is about one purchase, with the audit records that tell it, and the check that needs nothing else.

Each record comes with a proof that it is among those that a signed checkpoint is over (core/merkle.py), so that the
records of others need not come along. What is said of the purchase is held against what its records say.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator
from typing import Any, NamedTuple

from roony.core.audit import AuditRecord, content_problem, read_record
from roony.core.checkpoint import Checkpoint, IsSigned, read_checkpoint, seal_problem
from roony.core.hashing import text_hash
from roony.core.merkle import root_by
from roony.core.notice import STATUS_CHANGES

FORMAT = "roony.evidence"
VERSION = 1
# What a bundle holds at most: of each kind the newest, and the first records. A mandate of many years has more.
MOST_PARTS, MOST_RECORDS = 200, 2_000
_PURCHASE = re.compile(r"\bpur_[A-Za-z0-9]+")
# What lists of a bundle hold, in the words that are used of one of them.
_KINDS = {
    "approvals": "approval", "cards": "card", "authorizations": "authorization",
    "stripe_transactions": "Stripe transaction", "disputes": "dispute", "discrepancies": "discrepancy",
    "receipts": "receipt",
}  # fmt: skip
_FIELDS = {
    "format", "version", "made_at", "organization", "purchase", "decisions", *_KINDS, "complete", "records",
    "withheld", "checkpoints",
}  # fmt: skip

Json = dict[str, Any]


class Proven(NamedTuple):
    """What a bundle shows: `problems` says what does not fit, none if all does; `notes` what it does not show.

    `signed` of its `records` belong to a signed checkpoint. `withheld` counts those that also tell of other purchases,
    of which only the hash is there.
    """

    organization_id: str
    purchase_id: str
    records: int
    signed: int
    withheld: int
    public_keys: list[str]
    problems: list[str]
    notes: list[str]


def tells_of_others(record: AuditRecord, purchase_id: str) -> bool:
    """Whether a record names another purchase, as one of a command that changed several does."""
    named = {*_PURCHASE.findall(record.body), *_PURCHASE.findall(record.subject)}
    return bool(named - {purchase_id})


def check_evidence(bundle: Any, is_signed: IsSigned, public_keys: Collection[str] = ()) -> Proven:
    """Checks a bundle as it was read from JSON; `public_keys` are those known from elsewhere, none: any."""
    if not isinstance(bundle, dict) or bundle.get("format") != FORMAT:
        return _nothing("this is no evidence of a purchase")
    if bundle.get("version") != VERSION:
        return _nothing(f"it is of version {bundle.get('version')}, this Roony reads version {VERSION}")
    if set(bundle) != _FIELDS:
        return _nothing(f"fields are missing or added: {', '.join(sorted(map(str, set(bundle) ^ _FIELDS)))}")
    try:
        return _Check(bundle, is_signed, public_keys).proven()
    except (KeyError, TypeError, ValueError, AttributeError, IndexError, RecursionError) as error:
        return _nothing(f"a part of it cannot be read ({type(error).__name__}: {error})")


def _nothing(problem: str) -> Proven:
    return Proven("", "", 0, 0, 0, [], [problem], [])


class _Check:
    """One bundle: first the signatures, then the records, then what is said by the records."""

    def __init__(self, bundle: Json, is_signed: IsSigned, public_keys: Collection[str]) -> None:
        self._bundle, self._is_signed, self._public_keys = bundle, is_signed, public_keys
        self._org, self._id = str(bundle["organization"]["id"]), str(bundle["purchase"]["id"])
        self._problems: list[str] = []
        self._notes: list[str] = []
        self._checkpoints: dict[int, Checkpoint] = {}
        self._unsigned: list[int] = []
        self._records: list[tuple[AuditRecord, Json]] = []

    def proven(self) -> Proven:
        """Everything in its order."""
        self._look_at_checkpoints()
        self._look_at_records()
        self._look_at_withheld()
        cut, records_cut = self._is_cut()
        for problem in self._of_ask():
            self._problems.append(problem)
        # What a list left out at its end, or a record of which only the hash is here, may be what tells of it.
        for problem in (*self._amount(), *self._of_decisions(), *self._of_parts()):
            (self._notes if records_cut else self._problems).append(problem)
        for problem, gap in (*self._statuses(), *self._totals()):
            why = ": a record that is withheld may tell of it" if gap else ""
            (self._notes if cut or gap else self._problems).append(problem + why)
        if self._unsigned:
            numbers = ", ".join(map(str, self._unsigned[:5])) + (" …" if len(self._unsigned) > 5 else "")
            self._problems.append(f"not signed yet: record {numbers}. Get the bundle again after the next checkpoint")
        keys = list(dict.fromkeys(one.public_key for one in self._checkpoints.values()))
        withheld = len(self._bundle["withheld"])
        signed = len(self._bundle["records"]) + withheld - len(self._unsigned)
        total = len(self._records)
        return Proven(self._org, self._id, total, signed, withheld, keys, self._problems, self._notes)

    def _look_at_checkpoints(self) -> None:
        for value in self._bundle["checkpoints"]:
            read = read_checkpoint(value)
            if read is None:
                self._problems.append("a checkpoint has fields missing, added or of another type")
                continue
            problem = seal_problem(read, self._is_signed, self._public_keys)
            if problem is None and read.organization_id != self._org:
                problem = f"belongs to {read.organization_id}, not to {self._org}"
            if problem is None:
                self._checkpoints[read.number] = read
            else:
                self._problems.append(f"checkpoint {read.number} {problem}")

    def _look_at_records(self) -> None:
        last = 0
        for item in self._bundle["records"]:
            record = read_record(item["record"])
            if record is None:
                self._problems.append("a record has fields missing, added or of another type")
                continue
            problem = content_problem(record)
            if problem is None and record.organization_id != self._org:
                problem = f"belongs to {record.organization_id}, not to {self._org}"
            if problem is None and record.sequence <= last:
                problem = "is out of order, or there twice"
            if problem is None and tells_of_others(record, self._id):
                problem = "tells of another purchase"
            problem = problem or self._proof_problem(record.sequence, record.hash, item["proof"])
            if problem is not None:
                self._problems.append(f"record {record.sequence} {problem}")
            last = max(last, record.sequence)
            self._records.append((record, json.loads(record.body)))

    def _look_at_withheld(self) -> None:
        for item in self._bundle["withheld"]:
            problem = self._proof_problem(item["sequence"], item["hash"], item["proof"])
            if problem is not None:
                self._problems.append(f"withheld record {item['sequence']} {problem}")

    def _proof_problem(self, sequence: int, record_hash: str, proof: Json | None) -> str | None:
        if proof is None:
            self._unsigned.append(sequence)
            return None
        checkpoint = self._checkpoints.get(proof["checkpoint"])
        if checkpoint is None:
            return f"refers to checkpoint {proof['checkpoint']}, which is not there or not good"
        root = root_by(record_hash, sequence - checkpoint.first_sequence, checkpoint.size, proof["path"])
        return None if root == checkpoint.root else f"is not among those that checkpoint {checkpoint.number} is over"

    def _is_cut(self) -> tuple[bool, bool]:
        """Whether the bundle is only a part, and whether its records are; no excuse where nothing can be cut off."""
        if self._bundle["complete"] is True:
            return False, False
        records_cut = len(self._bundle["records"]) + len(self._bundle["withheld"]) >= MOST_RECORDS
        if not records_cut and all(len(self._bundle[name]) < MOST_PARTS for name in _KINDS):
            self._problems.append("it says that it is not complete, and nothing of it was cut off")
            return False, False
        self._notes.append("there is more of this purchase than the bundle holds")
        return True, records_cut

    def _changes(self) -> Iterator[tuple[int, Json]]:
        """Each status the purchase came into, with the number of the record."""
        for record, body in self._records:
            yield from ((record.sequence, one) for one in body.get(STATUS_CHANGES, ()) if one["purchase"] == self._id)

    def _statuses(self) -> Iterator[tuple[str, bool]]:
        """One status follows from the other, and the last one is that of the purchase; whether a record between them
        is withheld."""
        status = None
        gaps = {item["sequence"] for item in self._bundle["withheld"]}
        before = 0
        for sequence, change in self._changes():
            if change["was"] != status:
                problem = f"record {sequence} says that the purchase was {change['was']}, the record before {status}"
                yield problem, any(before <= gap <= sequence for gap in gaps)
            status, before = change["status"], sequence
        if status != self._bundle["purchase"]["status"]:
            problem = f"the purchase is said to be {self._bundle['purchase']['status']}, its records say {status}"
            yield problem, any(gap >= before for gap in gaps)

    def _of_ask(self) -> Iterator[str]:
        said = self._bundle["purchase"]
        asked = [(record, body) for record, body in self._records if record.action == "purchase.asked"]
        if len(asked) != 1 or asked[0][0].subject != self._id:
            yield "the record of the ask is missing"
            return
        [(record, body)] = asked
        told = (body["agent"], body["currency"], body["merchant"])
        if told != (said["agent_id"], said["currency"], said["merchant"]["name"]):
            yield f"agent, currency or merchant are others than in record {record.sequence}"

    def _amount(self) -> Iterator[str]:
        amounts = {change["amount"] for _, change in self._changes()}
        amounts |= {body["amount"] for record, body in self._records if record.action in _AMOUNTS}
        if self._bundle["purchase"]["amount"] not in amounts:
            yield f"no record tells of the amount {self._bundle['purchase']['amount']}"

    def _totals(self) -> Iterator[tuple[str, bool]]:
        """What was captured and refunded, as `_statuses`."""
        said, captured, refunded = self._bundle["purchase"], 0, 0
        for record, body in self._records:
            states = [one for one in body.get(STATUS_CHANGES, ()) if one["purchase"] == self._id]
            states += [body] if record.action == "purchase.booked" else []
            for state in states:
                captured, refunded = state["captured"], state["refunded"]
        totals = (said["captured_amount"], said["refunded_amount"])
        if totals != (captured, refunded):
            problem = f"captured and refunded are said to be {totals}, its records say {(captured, refunded)}"
            yield problem, bool(self._bundle["withheld"])

    def _of_decisions(self) -> Iterator[str]:
        hashes = {body["decision_hash"] for _, body in self._records if "decision_hash" in body}
        for decision in self._bundle["decisions"]:
            if not hashes:
                self._notes.append(f"an older Roony decided {decision['of']}: what it looked at is in no record")
            elif text_hash(decision["text"]) not in hashes:
                yield f"what was looked at for {decision['of']} is not what its record says"

    def _of_parts(self) -> Iterator[str]:
        """Each part is told of by a record that says the same."""
        for name, word in _KINDS.items():
            for part in self._bundle[name]:
                for told, about in _TELLS[name](part):
                    if not any(_fits(record, body, told) for record, body in self._records):
                        yield f"{word} {part['id']}: no record tells of {about}"


# Actions whose record names an amount of the purchase.
_AMOUNTS = {"purchase.asked", "purchase.raised", "purchase.raise_refused", "approval.approved"}
# Actions that end a purchase, or a mandate, while a person is asked about it.
_ENDINGS = (
    "purchase.canceled", "purchase.raise_refused", "card.revoked", "card.fraud_warning", "mandate.canceled_at_stripe",
    "mandate.completed",
)  # fmt: skip
# What a record must say: its actions, and fields of its body, or of the record where they begin with a point.
_Told = tuple[tuple[str, ...], Json]


def _fits(record: AuditRecord, body: Json, told: _Told) -> bool:
    actions, fields = told
    if actions and record.action not in actions:
        return False
    return all(
        getattr(record, name[1:]) == value if name.startswith(".") else body.get(name) == value
        for name, value in fields.items()
    )


def _of_approval(part: Json) -> Iterator[tuple[_Told, str]]:
    id = part["id"]
    yield ((), {"approval": id}), "it"
    if part["status"] == "approved":
        fields = {"approval": id, "amount": part["approved_amount"], ".actor": part["decided_by"]}
        yield (("approval.approved",), fields), f"a yes of {part['decided_by']} to {part['approved_amount']}"
    elif part["status"] == "denied" and part["decided_by"] is None:
        # Nobody said no: it ended with its purchase, and so does what tells of it.
        yield (_ENDINGS, {".subject": part["purchase_id"]}), "the end of its purchase"
    elif part["status"] == "denied":
        fields = {"approval": id, ".actor": part["decided_by"]}
        yield (("approval.denied", "approval.refused_by_rules"), fields), f"a no of {part['decided_by']}"


def _of_card(part: Json) -> Iterator[tuple[_Told, str]]:
    if part["stripe_card_id"] is not None:
        fields = {"card": part["id"], "stripe_card": part["stripe_card_id"], "last4": part["last4"]}
        yield (("card.made",), fields), f"a card {part['stripe_card_id']} that ends with {part['last4']}"


def _of_authorization(part: Json) -> Iterator[tuple[_Told, str]]:
    for answer in part["decisions"]:
        fields = {
            "decision": answer["id"], "ordinal": answer["ordinal"], "amount": answer["amount"],
            "approved": answer["approved"], "approved_amount": answer["approved_amount"],
        }  # fmt: skip
        yield (("authorization.answered",), fields), f"the answer {answer['id']} as it is here"
    if not part["decisions"]:
        yield (("authorization.stated",), {"authorization": part["id"]}), "it"


def _of_transaction(part: Json) -> Iterator[tuple[_Told, str]]:
    fields = {".subject": part["id"], "amount": part["amount"]}
    yield ((f"stripe_transaction.{part['type']}",), fields), f"a {part['type']} of {part['amount']}"


def _of_dispute(part: Json) -> Iterator[tuple[_Told, str]]:
    fields = {name: part[name] for name in ("status", "funds", "reason", "amount")}
    yield (("dispute.stated",), {".subject": part["id"], **fields}), f"its status {part['status']}"


def _of_discrepancy(part: Json) -> Iterator[tuple[_Told, str]]:
    about = {".subject": part["id"], "kind": part["kind"]}
    yield (("discrepancy.opened",), about), "it"
    if part["status"] != "open":
        note = {**about, "note": part["note"], ".actor": part["resolved_by"]}
        yield (("discrepancy.resolved", "discrepancy.explained"), note), f"{part['resolved_by']} resolving it"


def _of_receipt(part: Json) -> Iterator[tuple[_Told, str]]:
    yield (("receipt.kept",), {".subject": part["id"], "sha256": part["sha256"]}), "its content"


_TELLS = {
    "approvals": _of_approval, "cards": _of_card, "authorizations": _of_authorization,
    "stripe_transactions": _of_transaction, "disputes": _of_dispute, "discrepancies": _of_discrepancy,
    "receipts": _of_receipt,
}  # fmt: skip
