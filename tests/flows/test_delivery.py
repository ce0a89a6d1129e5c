"""Handing out card details: counted and audited before anything is fetched, in a way that is allowed (section 11)."""

from __future__ import annotations

import json
from typing import Any

import pytest

from roony.client.sealed import new_private_key
from roony.core.agent import Agent, Organization, Project
from roony.core.audit import AuditRecord
from roony.core.card import MAX_DELIVERIES, Card
from roony.core.connection import Connection
from roony.core.control import DELIVERIES
from roony.core.delivery import LINK_LIFETIME, MAX_WRONG_KEYS, RevealLink, thumbprint
from roony.core.errors import Refusal
from roony.core.purchase import Purchase
from roony.flows.delivery import RecordDelivery
from roony.flows.public_key import SetPublicKey
from roony.flows.reveal import LINK_OVER, CountWrongKey, SpendLink
from tests.support.books import AGENT, ORG, PROJECT, Books
from tests.support.promises import money_rows
from tests.support.story import Story

KEY = new_private_key().public
OTHER_KEY = new_private_key().public


@pytest.fixture
def books(everywhere: Books) -> Books:
    return everywhere


@pytest.fixture
def story(books: Books) -> Story:
    """A purchase whose card is ready."""
    told = Story(books)
    told.tell("ask 10000\ncard")
    return told


def deliver(books: Books, purchase_id: str, delivery: str | None = "raw", link: str = "link") -> Any:
    return books.run(RecordDelivery(ORG, purchase_id, AGENT, delivery, "checkout", link))


def allow(books: Books, delivery: str) -> None:
    books.put(books.row(Organization, id=ORG)._replace(delivery=delivery))
    books.reconfigure()


def register(books: Books, key: str | None = KEY) -> Any:
    return books.run(SetPublicKey(ORG, AGENT, key, "usr_1"))


def audited(books: Books, action: str) -> list[dict[str, Any]]:
    return [json.loads(record.body) for record in books.rows(AuditRecord) if record.action == action]


def expect_refused(books: Books, code: str, purchase_id: str, delivery: str | None) -> Refusal:
    """Refused, with no trace in any row of money, link or audit record (P10)."""
    before = money_rows(books), books.rows(AuditRecord), books.rows(RevealLink)
    refused = deliver(books, purchase_id, delivery)
    assert isinstance(refused, Refusal), refused
    assert refused.code == code
    assert (money_rows(books), books.rows(AuditRecord), books.rows(RevealLink)) == before
    return refused


def test_details_are_handed_out_a_few_times_and_each_time_is_recorded(books: Books, story: Story) -> None:
    register(books)
    ways = ("raw", "sealed", "reveal", None, "raw")
    for count, way in enumerate(ways, 1):
        assert deliver(books, story.purchase_id, way, f"link {count}").card.deliveries == count
    assert expect_refused(books, "too_many_deliveries", story.purchase_id, None).status == 409
    assert len(ways) == MAX_DELIVERIES
    bodies = audited(books, "card.delivered")
    assert [(body["count"], body["purpose"], body["delivery"]) for body in bodies] == [
        (count, "checkout", way or "raw") for count, way in enumerate(ways, 1)
    ]
    assert [body.get("key") for body in bodies] == [None, thumbprint(KEY), None, None, None]


@pytest.mark.parametrize("way", DELIVERIES)
@pytest.mark.parametrize(
    "table",
    [
        "ask 10000",
        "ask 10000\ncard\ncancel",
        "ask 10000\ncard\nexpire",
        "ask 10000\ncard\nfreeze",
        "ask 10000\nfail",
    ],
)
def test_no_live_card_no_details(table: str, way: str, books: Books) -> None:
    story = Story(books)
    story.tell(table)
    register(books)
    expect_refused(books, "card_not_ready", story.purchase_id, way)


@pytest.mark.parametrize("scope", [Agent, Project, Organization])
def test_a_freeze_counts_before_its_cards_have_followed(scope: type, books: Books, story: Story) -> None:
    books.freeze(scope)
    assert books.row(Card).status == "active"
    assert "The card is frozen" in expect_refused(books, "card_not_ready", story.purchase_id, "raw").message


@pytest.mark.parametrize("status", ["restricted", "revoked", "expired"])
def test_no_details_while_the_account_is_not_ours_to_buy_with(status: str, books: Books, story: Story) -> None:
    books.put(books.row(Connection)._replace(status=status))
    books.reconfigure()
    assert "The Stripe account" in expect_refused(books, "card_not_ready", story.purchase_id, "raw").message


def test_a_card_that_stripe_has_not_switched_on_again_is_to_be_asked_for_later(books: Books, story: Story) -> None:
    books.put(books.row(Card)._replace(stripe_status="inactive"))
    assert "Try again" in expect_refused(books, "card_not_ready", story.purchase_id, "raw").message


@pytest.mark.parametrize("allowed", DELIVERIES)
def test_left_out_it_is_as_strict_as_is_allowed(allowed: str, books: Books, story: Story) -> None:
    """And naming a weaker way is refused, a stricter one is not."""
    register(books)
    allow(books, allowed)
    assert deliver(books, story.purchase_id, None, "first").delivery == allowed
    for way in DELIVERIES:
        if DELIVERIES.index(way) <= DELIVERIES.index(allowed):
            assert deliver(books, story.purchase_id, way, f"link {way}").delivery == way
        else:
            assert expect_refused(books, "delivery_not_allowed", story.purchase_id, way).status == 403


@pytest.mark.parametrize(("scope", "scope_id"), [("agent", AGENT), ("project", PROJECT), ("organization", ORG)])
def test_a_control_can_only_be_stricter(scope: str, scope_id: str, books: Books, story: Story) -> None:
    register(books)
    books.controls(scope_id, scope, delivery="sealed")
    assert deliver(books, story.purchase_id, None).delivery == "sealed"
    for way in ("reveal", "raw"):
        expect_refused(books, "delivery_not_allowed", story.purchase_id, way)
    allow(books, "sealed")
    books.controls(scope_id, scope, delivery="raw")
    assert deliver(books, story.purchase_id, None).delivery == "sealed"
    expect_refused(books, "delivery_not_allowed", story.purchase_id, "raw")


def test_without_a_key_nothing_is_sealed_and_nothing_counted(books: Books, story: Story) -> None:
    allow(books, "sealed")
    refused = expect_refused(books, "no_public_key", story.purchase_id, None)
    assert refused.status == 409
    assert f"roony agent public-key set {AGENT}" in refused.message
    register(books)
    assert deliver(books, story.purchase_id, None).public_key == KEY
    register(books, None)
    expect_refused(books, "no_public_key", story.purchase_id, "sealed")


def test_no_purchase_no_details(books: Books) -> None:
    assert deliver(books, "pur_none").code == "not_found"
    assert books.rows(Purchase) == []


class TestPublicKey:
    """Set and removed by the owner, with both thumbprints on record."""

    def test_each_change_is_audited_with_before_and_after(self, books: Books) -> None:
        for key in (KEY, KEY, OTHER_KEY, None, None):
            assert register(books, key).public_key == key
        one, two = thumbprint(KEY), thumbprint(OTHER_KEY)
        assert audited(books, "agent.public_key_set") == [{"before": None, "after": one}, {"before": one, "after": two}]
        assert audited(books, "agent.public_key_removed") == [{"before": two, "after": None}]
        assert books.row(Agent, id=AGENT).public_key is None

    def test_an_agent_of_nobody(self, books: Books) -> None:
        assert books.run(SetPublicKey(ORG, "agt_none", KEY, "usr_1")).code == "not_found"


class TestLinks:
    """Good once, for ten minutes, and for a few wrong keys."""

    @pytest.fixture(autouse=True)
    def linked(self, books: Books, story: Story) -> None:
        self.books, self.purchase_id = books, story.purchase_id
        deliver(books, story.purchase_id, "reveal")

    def spend(self, link: str = "link", person: str = "usr_1") -> Any:
        return self.books.run(SpendLink(ORG, link, self.purchase_id, person))

    def count_wrong(self) -> Any:
        return self.books.run(CountWrongKey(ORG, "link", self.purchase_id))

    def link(self) -> RevealLink:
        return self.books.row(RevealLink)

    def test_it_is_kept_with_what_was_asked(self) -> None:
        link = self.link()
        assert (link.purchase_id, link.requested_by, link.purpose) == (self.purchase_id, AGENT, "checkout")
        assert (link.delivery, link.expires_at - link.created_at) == (1, LINK_LIFETIME)

    def test_it_is_spent_once_and_says_by_whom(self) -> None:
        spent = self.spend()
        assert spent.card == self.books.row(Card)
        assert (self.link().used_by, self.link().used_at) == ("usr_1", spent.link.used_at)
        assert self.spend(person="usr_2") == LINK_OVER
        [body] = audited(self.books, "card.revealed")
        assert (body["purpose"], body["requested_by"], body["count"]) == ("checkout", AGENT, 1)
        [record] = [record for record in self.books.rows(AuditRecord) if record.action == "card.revealed"]
        assert record.actor == "usr_1"

    def test_spending_it_is_no_delivery_of_its_own(self) -> None:
        self.spend()
        assert self.books.row(Card).deliveries == 1

    def test_it_is_over_after_ten_minutes(self) -> None:
        self.books.clock.advance(LINK_LIFETIME / 1_000_000)
        assert self.spend() == LINK_OVER
        assert self.count_wrong() == LINK_OVER
        assert self.link().used_at is None

    def test_a_few_wrong_keys_and_it_is_dead_for_a_right_one_too(self) -> None:
        for left in range(MAX_WRONG_KEYS - 1, -1, -1):
            assert self.count_wrong().tries_left == left
        assert self.count_wrong() == LINK_OVER
        assert self.spend() == LINK_OVER
        bodies = audited(self.books, "card.reveal_refused")
        assert [body["wrong_keys"] for body in bodies] == list(range(1, MAX_WRONG_KEYS + 1))

    def test_a_wrong_key_does_not_spend_it(self) -> None:
        self.count_wrong()
        assert self.spend().link.wrong_keys == 1

    def test_it_is_good_for_all_of_them(self) -> None:
        self.books.clock.advance(LINK_LIFETIME / 1_000_000 - 0.001)
        assert self.spend().link.used_by == "usr_1"

    @pytest.mark.parametrize("what", ["freeze", "cancel", "request A 10000 -> yes"])
    def test_a_card_that_cannot_pay_is_not_shown_and_the_link_not_spent(self, story: Story, what: str) -> None:
        story.tell(what)
        refused = self.spend()
        assert refused.code == "card_not_ready"
        assert self.link().used_at is None

    def test_a_link_is_worth_nothing_once_only_sealed_is_allowed(self) -> None:
        allow(self.books, "sealed")
        assert self.spend().code == "delivery_not_allowed"
        assert self.link().used_at is None
        allow(self.books, "reveal")
        assert self.spend().link.used_by == "usr_1"
