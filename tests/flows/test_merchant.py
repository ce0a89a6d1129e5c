"""What is learned of merchants: names a person confirms, network ids that Stripe confirms, and what neither loosens."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from roony.core.audit import AuditRecord
from roony.core.errors import Refusal
from roony.core.merchant import Merchant, alias_of
from roony.core.purchase import Purchase
from roony.core.settlement import Discrepancy
from roony.flows.merchant import MAX_ALIASES, MAX_NETWORK_IDS, ForgetLearned, TeachAlias
from roony.flows.resolution import ResolveDiscrepancy
from roony.flows.settlement import BookAuthorization
from roony.store.rows import KnownMerchant
from tests.support.books import AGENT, CONNECTION, ORG, Books, open_books
from tests.support.promises import all_is_well
from tests.support.story import FIGMA, Story, history, kept_event, statement

ANOTHER = FIGMA._replace(name="FGM*DESIGN 4411", network_id="net_9")


@pytest.fixture
def books(tmp_path: Path, database_url: str | None) -> Iterator[Books]:
    with open_books(tmp_path, database_url) as books:
        books.controls(AGENT, "agent", merchant_lock="monitor")
        yield books
        all_is_well(books)


def bought(books: Books, **ask: Any) -> Story:
    """A purchase at Figma with its card, each for another amount; without other words only Figma may be paid."""
    asked = books.ask(10_000 + len(books.rows(Purchase)), **{"merchant_lock": "strict", **ask})
    story = Story(books)
    story.purchase_id, story.promise = asked.purchase.id, asked.promise
    story.tell("card")
    return story


def pay(story: Story, name: str, merchant: Merchant, words: str = "yes") -> str:
    """The network asks at a merchant, and Stripe says how it ended; the code of our answer."""
    books, id, amount = story.books, f"iauth_{name}", story.purchase.amount
    answer = books.authorize(story.stripe_card, amount, authorization_id=id, merchant=merchant)
    entries = history(words if answer.approved else "no", amount)
    status = "pending" if entries[0].approved else "closed"
    said = statement(id, story.stripe_card, status, amount, entries, books.clock() // 1_000_000, merchant=merchant)
    event = kept_event(books, "issuing_authorization.created", id)
    assert books.run(BookAuthorization(ORG, CONNECTION, said, event)) == "applied"
    return answer.code


def pinned(books: Books) -> list[str]:
    """The network ids learned of Figma."""
    return list(json.loads(books.row(KnownMerchant).network_ids))


def resolve(books: Books, row: Discrepancy, **more: Any) -> Any:
    return books.run(ResolveDiscrepancy(ORG, row.id, "usr_1", "It is Figma's design shop.", **more))


def mismatch(books: Books, merchant: Merchant = ANOTHER, name: str = "A") -> Discrepancy:
    """A payment at another name, let by and flagged."""
    story = bought(books, merchant_lock="monitor")
    assert pay(story, name, merchant) == "APPROVED"
    [row] = [row for row in books.rows(Discrepancy) if row.subject == f"iauth_{name}"]
    assert (row.kind, row.status) == ("merchant_mismatch", "open")
    return row


# Aliases


def test_a_confirmed_name_is_accepted_from_then_on(books: Books) -> None:
    """The next payment has another number, and another network id."""
    again = ANOTHER._replace(name="FGM*DESIGN 7733 DUBLIN", network_id="net_8")
    assert pay(bought(books), "S", again) == "MERCHANT_MISMATCH"
    assert resolve(books, mismatch(books), learn_alias=True).status == "resolved"
    assert json.loads(books.row(KnownMerchant).aliases) == ["fgm design"]
    assert pay(bought(books), "B", again) == "APPROVED"
    assert [row.subject for row in books.rows(Discrepancy)] == ["iauth_A"]
    [record] = books.rows(AuditRecord, action="merchant.alias_learned")
    body = json.loads(record.body)
    assert (record.actor, record.subject) == ("usr_1", "figma")
    assert (body["before"], body["after"]) == ([], ["fgm design"])


def test_a_note_alone_teaches_nothing(books: Books) -> None:
    assert resolve(books, mismatch(books)).note == "It is Figma's design shop."
    assert books.row(KnownMerchant).aliases == "[]"
    assert pay(bought(books), "B", ANOTHER) == "MERCHANT_MISMATCH"


def test_an_alias_is_learned_once_and_is_of_one_merchant(books: Books) -> None:
    resolve(books, mismatch(books), learn_alias=True)
    story = bought(books, merchant="Notion", merchant_lock="monitor")
    assert pay(story, "N", ANOTHER) == "APPROVED"
    [notion] = [row for row in books.rows(Discrepancy) if row.subject == "iauth_N"]
    resolve(books, notion, learn_alias=True)
    assert [(row.merchant_key, row.aliases) for row in books.rows(KnownMerchant)] == [
        ("figma", '["fgm design"]'),
        ("notion", '["fgm design"]'),
    ]


def test_a_blocked_merchant_stays_blocked_under_any_alias(books: Books) -> None:
    resolve(books, mismatch(books), learn_alias=True)
    books.controls(AGENT, "agent", merchant_lock="monitor", blocked_merchants=["FGM"])
    assert pay(bought(books), "B", ANOTHER) == "MERCHANT_MISMATCH"


def test_only_a_merchant_mismatch_teaches_a_name(books: Books) -> None:
    """The refusal leaves the discrepancy open."""
    story = bought(books)
    story.tell("request A 10000\nsays A closed 10000 yes with t1:12000")
    row = books.row(Discrepancy)
    answer = resolve(books, row, learn_alias=True)
    assert isinstance(answer, Refusal)
    assert (answer.code, answer.status, answer.field) == ("not_a_merchant_mismatch", 422, "learn_alias")
    assert books.row(Discrepancy).status == "open"


def test_what_has_no_name_is_not_learned(books: Books) -> None:
    answer = resolve(books, mismatch(books, ANOTHER._replace(name="")), learn_alias=True)
    assert (answer.code, answer.status) == ("no_name", 422)
    assert books.row(Discrepancy).status == "open"


def test_names_are_bounded(books: Books) -> None:
    row = mismatch(books)
    known = books.row(KnownMerchant)
    books.put(known._replace(aliases=json.dumps([f"name {n}" for n in range(MAX_ALIASES)])))
    assert resolve(books, row, learn_alias=True).code == "too_many_aliases"
    assert resolve(books, row).status == "resolved"


# Network ids


def test_the_id_of_a_payment_that_stripe_confirmed_is_pinned(books: Books) -> None:
    """From then on the merchant is known by it under another descriptor, at the answer and at the comparison."""
    assert pay(bought(books), "A", FIGMA) == "APPROVED"
    assert pinned(books) == ["net_1"]
    assert pay(bought(books), "B", FIGMA._replace(name="DESIGN TOOLS")) == "APPROVED"
    assert pay(bought(books), "C", ANOTHER) == "MERCHANT_MISMATCH"
    assert books.rows(Discrepancy) == []
    [record] = books.rows(AuditRecord, action="merchant.network_id_pinned")
    assert json.loads(record.body)["after"] == ["net_1"]


def test_one_merchant_has_several_ids(books: Books) -> None:
    """Another network, another id: the name still counts, and the set grows up to its bound."""
    pay(bought(books), "A", FIGMA)
    pay(bought(books), "B", FIGMA._replace(network_id="net_0"))
    assert pinned(books) == ["net_0", "net_1"]
    full = sorted(f"net_{n:02}" for n in range(MAX_NETWORK_IDS))
    books.put(books.row(KnownMerchant)._replace(network_ids=json.dumps(full)))
    assert pay(bought(books), "C", FIGMA._replace(network_id="net_99")) == "APPROVED"
    assert pinned(books) == full


def test_our_answer_alone_pins_nothing(books: Books) -> None:
    story = bought(books)
    assert books.authorize(story.stripe_card, 10_000, merchant=FIGMA).approved
    assert pinned(books) == []


@pytest.mark.parametrize(
    ("merchant", "words"),
    [
        pytest.param(FIGMA, "timeout", id="stripe did not hear our yes"),
        pytest.param(FIGMA._replace(name="SQ *FIGMA"), "yes", id="a processor's id"),
        pytest.param(FIGMA._replace(name="FIGMA *PRO"), "yes", id="behind any star"),
        pytest.param(FIGMA._replace(network_id=None), "yes", id="no id"),
        pytest.param(ANOTHER._replace(name="DESIGN TOOLS"), "yes", id="let by under a monitoring lock"),
    ],
)
def test_what_is_in_doubt_pins_nothing(merchant: Merchant, words: str, books: Books) -> None:
    story = bought(books, merchant_lock="monitor")
    assert pay(story, "A", merchant, words) == "APPROVED"
    assert pinned(books) == []


def test_a_payment_by_an_alias_pins_nothing(books: Books) -> None:
    """So that an alias that was a mistake is gone when it is taken back."""
    resolve(books, mismatch(books), learn_alias=True)
    beside = ANOTHER._replace(name="FGM DESIGN")
    assert pay(bought(books), "B", beside) == "APPROVED"
    assert pinned(books) == []
    assert books.run(ForgetLearned(ORG, "Figma", "usr_1", alias="FGM*DESIGN")).aliases == "[]"
    assert pay(bought(books), "C", beside) == "MERCHANT_MISMATCH"


def test_an_alias_is_forgotten_as_the_list_shows_it(books: Books) -> None:
    """Looked at a second time, it would be shorter still, and nothing that is known."""
    bought(books)
    learned = alias_of("FOO STORE GMBH DE COM")
    assert alias_of(learned) != learned
    books.run(TeachAlias(ORG, "Figma", "FOO STORE GMBH DE COM", "usr_1"))
    assert json.loads(books.row(KnownMerchant, merchant_key="figma").aliases) == [learned]
    assert books.run(ForgetLearned(ORG, "Figma", "usr_1", alias=learned)).aliases == "[]"


def test_what_nobody_asked_us_pins_nothing(books: Books) -> None:
    story = bought(books)
    entries = history("active", 10_000)
    said = statement("iauth_A", story.stripe_card, "pending", 10_000, entries, 5)
    books.run(BookAuthorization(ORG, CONNECTION, said, kept_event(books, "issuing_authorization.created", "iauth_A")))
    assert pinned(books) == []


def test_the_id_an_agent_names_is_one_condition_more(books: Books) -> None:
    """P7: whose words it is cannot make another merchant pass for the approved one."""
    named = Merchant("Figma", None, "5734", "US", "net_9")
    gifts = FIGMA._replace(name="GIFT CARDS", network_id="net_9")
    assert pay(bought(books, about=named), "A", gifts) == "MERCHANT_MISMATCH"
    assert pay(bought(books, about=named), "B", FIGMA) == "MERCHANT_MISMATCH"
    assert pay(bought(books, about=named), "C", FIGMA._replace(network_id="net_9")) == "APPROVED"
    assert pinned(books) == ["net_9"]
    assert {row.merchant_key for row in books.rows(Purchase)} == {"figma"}


def test_what_a_person_resolved_is_not_opened_again_by_the_next_request(books: Books) -> None:
    """The answer does not read findings, so as to stay quick; it must not write over one either."""
    story = bought(books, merchant_lock="monitor")
    assert "-> yes" in story.tell("request A 9000 at EVIL")
    assert resolve(books, books.row(Discrepancy)).status == "resolved"
    told = story.tell("withdraw A 9000\nrequest A 9000 #1 at EVIL")
    assert "-> yes" in told
    assert books.row(Discrepancy).note == "It is Figma's design shop."
