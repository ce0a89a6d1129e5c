"""The evidence of a purchase proves itself, whatever became of it, and shows every change that somebody made to it."""

from __future__ import annotations

import copy
import json
import os
import random
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from roony.core.audit import AuditDraft, AuditRecord, chain_record
from roony.core.dispute import Dispute
from roony.core.evidence import MOST_PARTS, MOST_RECORDS
from roony.flows.context import FlowContext
from roony.flows.dispute import BookDispute
from roony.store.rows import SigningKey
from roony.store.signing import new_pair, sign
from tests.support.books import CONNECTION, NOW, ORG, Books, open_books
from tests.support.chains import signed
from tests.support.evidence import all_proven, bundle_of, install, proven, sign_all
from tests.support.offline import offline_context
from tests.support.story import Story
from tests.support.tills import Do

SEED = int(os.environ.get("ROONY_TEST_SEED", "20261129"))
ROUNDS = 800

STORIES = {
    "declined": "ask 1000001",
    "paid and refunded": """
        ask 10000
        card
        request A 10000 -> yes
        says A pending 10000 yes
        capture A t1 10000
        says A closed 10000 yes with t1:10000
        refund r1 1000
    """,
    "captured beyond the hold": """
        ask 10000
        card
        request A 9000
        says A pending 9000 yes
        capture A t1 12000
        says A closed 9000 yes with t1:12000
    """,
    "withdrawn": """
        ask 10000
        card
        request A 10000
        withdraw A 10000
        says A closed 10000 timeout
    """,
    "wrong merchant": """
        ask 10000
        card
        request A 10000 at EVIL
    """,
    "frozen and let go": """
        ask 10000
        card
        freeze
        unfreeze
        cancel
    """,
    "canceled before a person decided": """
        ask 10000
        ask 10000 dup
        cancel
    """,
    "a mandate canceled before a person agreed to it": """
        ask 10000
        ask 10000 dup every month 3
        cancel
    """,
    "denied": """
        ask 10000
        ask 10000 dup
        deny
    """,
    "no card": """
        ask 10000
        card fail
    """,
    "expired": """
        ask 10000
        card
        expire
    """,
    "a mandate": """
        ask 1000 every month 3
        card
        request A 1000
        says A pending 1000 yes
        capture A t1 1000
        says A closed 1000 yes with t1:1000
        days 31
        request B 1000
        says B pending 1000 yes
        capture B t2 1000
        says B closed 1000 yes with t2:1000
    """,
    "approved without Roony": """
        ask 10000
        card
        says A pending 10000 active
        capture A t1 10000
    """,
}


@pytest.fixture
def context(books: Books) -> Iterator[FlowContext]:
    install(books)
    with offline_context(books) as made:
        yield made


@pytest.mark.parametrize("name", sorted(STORIES))
def test_whatever_becomes_of_a_purchase_its_evidence_holds(context: FlowContext, books: Books, name: str) -> None:
    story = Story(books)
    story.tell(STORIES[name])
    bundle = bundle_of(context, story.purchase_id)
    unsigned = proven(bundle)
    assert len(unsigned.problems) == 1, unsigned.problems
    assert "not signed yet" in unsigned.problems[0]
    all_proven(context, books)
    bundle = bundle_of(context, story.purchase_id)
    shown = proven(bundle, books.rows(SigningKey)[0].public_key)
    assert (shown.problems, shown.notes) == ([], [])
    assert shown.records == shown.signed == len(bundle["records"]) > 0
    assert "4242424242424242" not in json.dumps(bundle)


def test_a_no_is_not_taken_for_the_end_of_the_purchase(context: FlowContext, books: Books) -> None:
    """Without its person it is another story than the records tell."""
    story = Story(books)
    story.tell(STORIES["denied"])
    sign_all(context)
    bundle = bundle_of(context, story.purchase_id)
    [approval] = bundle["approvals"]
    assert (approval["decided_by"], proven(bundle).problems) == ("usr_1", [])
    approval["decided_by"] = None
    assert proven(bundle).problems == [f"approval {approval['id']}: no record tells of the end of its purchase"]


@pytest.fixture
def paid(context: FlowContext, books: Books) -> Any:
    """The evidence of a purchase that was paid, disputed and refunded, between others, under three checkpoints."""
    return _paid(context, books)


@pytest.fixture(scope="module")
def paid_once(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The same from a file, for tests that only read a bundle: it is the same wherever it comes from."""
    with open_books(tmp_path_factory.mktemp("paid")) as books, offline_context(books) as context:
        install(books)
        return _paid(context, books)


def _paid(context: FlowContext, books: Books) -> Any:
    others = Story(books)
    others.tell("ask 500\ncard")
    story = Story(books)
    story.tell("ask 10000 dup\ncard\nrequest A 9000\nsays A pending 9000 yes")
    sign_all(context)
    others.tell("request X 500\nsays X pending 500 yes")
    story.tell("capture A t1 12000\nsays A closed 9000 yes with t1:12000")
    sign_all(context)
    dispute = Dispute(
        ORG, "idp_1", CONNECTION, "t1", "submitted", "not_received", 12_000, "usd", 0, "none", 0, 1, NOW, NOW
    )
    books.run(BookDispute(ORG, dispute, None))
    story.tell("refund r1 1000")
    sign_all(context)
    bundle = bundle_of(context, story.purchase_id)
    assert proven(bundle).problems == []
    assert [len(bundle[name]) for name in ("stripe_transactions", "disputes", "authorizations", "checkpoints")] == [
        2, 1, 1, 3,
    ]  # fmt: skip
    assert bundle["discrepancies"]
    assert others.purchase_id not in json.dumps(bundle), "nothing of what others bought is in it"
    return bundle


def _places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Where every plain value is."""
    if isinstance(value, dict | list):
        for name, part in value.items() if isinstance(value, dict) else enumerate(value):
            yield from _places(part, (*path, name))
    else:
        yield path


def _at(bundle: Any, path: tuple[Any, ...]) -> Any:
    for name in path:
        bundle = bundle[name]
    return bundle


def _changed(bundle: Any, path: tuple[Any, ...], dice: random.Random) -> Any:
    """A copy with another value in one place."""
    made = copy.deepcopy(bundle)
    before = _at(made, path)
    if isinstance(before, bool):
        after: Any = not before
    elif isinstance(before, int):
        after = before + dice.choice((-1, 1, 10))
    elif isinstance(before, str) and before:
        place = dice.randrange(len(before))
        after = before[:place] + dice.choice([one for one in "0aZ9" if one != before[place]]) + before[place + 1 :]
        # The last letter of base64 has bits that mean nothing.
        after = before[1:] + before[:1] if path[-1] in ("signature", "public_key") else after
    else:
        after = "x"
    _at(made, path[:-1])[path[-1]] = after
    return made


def test_every_change_of_a_record_a_proof_or_a_checkpoint_is_found(paid: Any) -> None:
    dice = random.Random(SEED)
    places = [path for path in _places(paid) if path[0] in ("records", "checkpoints")]
    for _ in range(ROUNDS):
        path = dice.choice(places)
        shown = proven(_changed(paid, path, dice))
        assert shown.problems, f"{path} changed and nobody saw it, ROONY_TEST_SEED={SEED}"


# What is said of a purchase that its records say as well.
TOLD = [
    ("purchase", "id"), ("purchase", "status"), ("purchase", "amount"), ("purchase", "currency"),
    ("purchase", "agent_id"), ("purchase", "merchant", "name"), ("purchase", "captured_amount"),
    ("purchase", "refunded_amount"), ("organization", "id"), ("decisions", 0, "text"), ("cards", 0, "last4"),
    ("cards", 0, "stripe_card_id"), ("authorizations", 0, "decisions", 0, "amount"),
    ("authorizations", 0, "decisions", 0, "approved"), ("authorizations", 0, "decisions", 0, "id"),
    ("stripe_transactions", 0, "amount"), ("stripe_transactions", 1, "amount"), ("stripe_transactions", 0, "id"),
    ("stripe_transactions", 0, "type"), ("disputes", 0, "status"), ("disputes", 0, "amount"), ("disputes", 0, "funds"),
    ("discrepancies", 0, "kind"), ("discrepancies", 0, "id"), ("format",), ("version",),
]  # fmt: skip


@pytest.mark.parametrize("path", TOLD, ids=lambda path: ".".join(map(str, path)))
def test_what_its_records_do_not_say_is_named(paid_once: Any, path: tuple[Any, ...]) -> None:
    assert proven(_changed(paid_once, path, random.Random(1))).problems


@pytest.mark.parametrize("path", TOLD[:-2], ids=lambda path: ".".join(map(str, path)))
def test_to_say_that_it_is_not_complete_excuses_nothing(paid_once: Any, path: tuple[Any, ...]) -> None:
    """It is the forger's own word: nothing in it was cut off."""
    bundle = {**_changed(paid_once, path, random.Random(1)), "complete": False}
    assert len(proven(bundle).problems) > 1
    assert proven({**paid_once, "complete": False}).problems == [
        "it says that it is not complete, and nothing of it was cut off"
    ]


@pytest.mark.parametrize("path", [path for path in TOLD if path[0] == "stripe_transactions"])
def test_what_was_cut_off_excuses_what_it_may_have_told(paid_once: Any, path: tuple[Any, ...]) -> None:
    """With as many parts as there may be their records are all here; with as many records some may be missing."""
    bundle = {**_changed(paid_once, path, random.Random(1)), "complete": False}
    parts = {**bundle, "receipts": [{"id": "rcp_1", "sha256": "x"}] * MOST_PARTS}
    assert any("Stripe transaction" in problem for problem in proven(parts).problems)
    [whole] = [one for one in bundle["records"] if one["record"]["action"] == "purchase.asked"]
    hidden = {"sequence": whole["record"]["sequence"], "hash": whole["record"]["hash"], "proof": whole["proof"]}
    shown = proven({**bundle, "withheld": [hidden] * MOST_RECORDS})
    assert any("Stripe transaction" in note for note in shown.notes)
    assert shown.problems == []


@pytest.mark.parametrize("name", ["captured_amount", "refunded_amount", "status"])
def test_what_a_withheld_record_may_have_told_is_not_passed_over(paid_once: Any, name: str) -> None:
    """Whoever withholds one record, with its good proof, could say what they like of status and amounts."""
    bundle = _changed(paid_once, ("purchase", name), random.Random(1))
    last = next(one for one in reversed(bundle["records"]) if one["record"]["action"].startswith("dispute"))
    bundle["records"].remove(last)
    bundle["disputes"] = []
    bundle["withheld"] = [{**last, "sequence": last["record"]["sequence"], "hash": last["record"]["hash"]}]
    shown = proven(bundle)
    said = str(bundle["purchase"][name])
    assert any(said in text for text in (*shown.notes, *shown.problems)), shown


def _without(name: str, place: int) -> Callable[[Any], None]:
    return lambda bundle: bundle[name].pop(place)


def _unproven(bundle: Any) -> None:
    bundle["records"][0]["proof"] = None


def _of_another_place(bundle: Any) -> None:
    bundle["records"][0]["proof"] = bundle["records"][1]["proof"]


def _swapped(bundle: Any) -> None:
    records = bundle["records"]
    records[0], records[1] = records[1], records[0]


def _twice(bundle: Any) -> None:
    bundle["records"].append(bundle["records"][-1])


def _hashed_again(bundle: Any) -> None:
    record = AuditRecord(**bundle["records"][0]["record"])
    body = {**json.loads(record.body), "amount": 1}
    draft = AuditDraft(record.organization_id, record.actor, record.action, record.subject, body, record.at)
    bundle["records"][0]["record"] = chain_record(draft, record.sequence, record.previous_hash)._asdict()


def _one_more(bundle: Any) -> None:
    bundle["stripe_transactions"].append({**bundle["stripe_transactions"][0], "id": "ipi_forged"})


def _a_field_more(bundle: Any) -> None:
    bundle["note"] = "added"


def _no_field(bundle: Any) -> None:
    del bundle["records"]


def _nonsense(bundle: Any) -> None:
    bundle["records"] = [{"record": None, "proof": 5}, 7]


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (_without("checkpoints", 0), "refers to checkpoint 1, which is not there"),
        (_without("records", 0), "the record of the ask is missing"),
        (_without("records", -1), "captured and refunded are said to be"),
        (_unproven, "not signed yet: record"),
        (_of_another_place, "is not among those that checkpoint 1 is over"),
        (_swapped, "is out of order"),
        (_twice, "is out of order, or there twice"),
        (_hashed_again, "is not among those that checkpoint 1 is over"),
        (_one_more, "Stripe transaction ipi_forged: no record tells of"),
        (_a_field_more, "fields are missing or added: note"),
        (_no_field, "fields are missing or added: records"),
        (_nonsense, "cannot be read"),
    ],
)
def test_what_does_not_fit_is_named(paid_once: Any, change: Callable[[Any], None], named: str) -> None:
    bundle = copy.deepcopy(paid_once)
    change(bundle)
    problems = proven(bundle).problems
    assert any(named in problem for problem in problems), problems


def test_a_bundle_signed_by_somebody_else_is_none(paid: Any, books: Books) -> None:
    """Everything fits, but the key is not the one that was kept."""
    private_key, public_key = new_pair()
    ours = books.rows(SigningKey)[0].public_key
    records = sorted(books.rows(AuditRecord, organization_id=ORG), key=lambda row: row.sequence)
    ends = [one["sequence"] for one in paid["checkpoints"]]
    paid["checkpoints"] = [one._asdict() for one in signed(records, ends, private_key, public_key)]
    assert proven(paid).problems == []
    assert proven(paid).public_keys == [public_key]
    assert any("another key than the one you gave" in problem for problem in proven(paid, ours).problems)
    forged = {**paid["checkpoints"][0], "public_key": ours, "signature": sign(private_key, "something else")}
    paid["checkpoints"][0] = forged
    assert any("its signature does not fit" in problem for problem in proven(paid, ours).problems)


def test_a_record_that_tells_of_others_comes_as_its_hash_only(context: FlowContext, books: Books) -> None:
    other, story = Story(books), Story(books)
    other.tell("ask 500\ncard")
    story.tell("ask 10000 dup\ncard")

    def tell(book: Any, now: int) -> None:
        body = {"before": other.purchase_id, "purchase": story.purchase_id}
        book.record(ORG, "roony", "refund.matched", story.purchase_id, body, now)

    books.run(Do(tell))
    sign_all(context)
    bundle = bundle_of(context, story.purchase_id)
    assert other.purchase_id not in json.dumps(bundle)
    [withheld] = bundle["withheld"]
    assert set(withheld) == {"sequence", "hash", "proof"}
    shown = proven(bundle)
    assert (shown.problems, shown.withheld) == ([], 1)
    withheld["hash"] = "1" * 64
    assert any("withheld record" in problem for problem in proven(bundle).problems)


@pytest.mark.parametrize(
    "value", [None, 5, [], {}, {"format": "roony.evidence"}, {"format": "roony.evidence", "version": 2}]
)
def test_what_is_no_evidence_is_said_so(value: Any) -> None:
    assert proven(value).problems
