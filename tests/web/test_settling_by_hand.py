"""What a person settles by hand: discrepancies with a note, a name that is learned, events that failed, one or all."""

from __future__ import annotations

from typing import Any

import pytest

from roony.core.merchant import Merchant
from roony.core.settlement import DISCREPANCY_KINDS, Discrepancy
from roony.store.inbox import new_event
from roony.store.rows import InboxEvent, KnownMerchant
from roony.web import figures
from roony.web.admin_api.events import REPLAY_LIMIT
from tests.support.serving import Company, ServedRoony

ADMIN = "/api/v1/admin"


def finding(company: Company, kind: str, number: int, at: int, **more: Any) -> Discrepancy:
    """An open discrepancy."""
    found = Merchant("FGM*DESIGN").to_json() if kind == "merchant_mismatch" else "2,00"
    return Discrepancy(
        company.id, f"dis_{number}", kind, "open", None, None, f"iauth_{number}", "1,00", found, None, None, at, None
    )._replace(**more)


def kept(company: Company, number: int, at: int, status: str, **more: Any) -> InboxEvent:
    """An event of the company whose handling ended in this way."""
    event = new_event(f"evt_{company.id}_{number}", None, False, "issuing_card.updated", "ic_1", at // 1_000_000,
                      b"{}", at)  # fmt: skip
    return event._replace(organization_id=company.id, status=status, failures=12, reason="broken", **more)


def kinds(company: Company, query: str = "") -> list[str]:
    return [row["kind"] for row in company.owner.get(f"{ADMIN}/discrepancies?{query}")["data"]]


def purchases(company: Company, count: int) -> list[str]:
    """Ids of so many purchases."""
    _, agent = company.agent()
    body = {"amount": 1, "currency": "usd", "description": "a thing", "merchant": {"name": "Figma"}}
    return [agent.send("POST", "/api/v1/purchase_intents", body, 201)["id"] for _ in range(count)]


# Discrepancies


def test_every_kind_is_listed_and_found_by_its_filter(roony: ServedRoony, company: Company) -> None:
    """Newest first; all of them, or one kind, one purchase, one status."""
    now, bought = roony.context.clock(), purchases(company, 2)
    for number, kind in enumerate(DISCREPANCY_KINDS):
        roony.books.put(finding(company, kind, number, now + number, purchase_id=bought[number % 2]))
    assert kinds(company) == list(reversed(DISCREPANCY_KINDS))
    for kind in DISCREPANCY_KINDS:
        assert kinds(company, f"kind={kind}") == [kind]
    assert kinds(company, f"purchase_id={bought[1]}") == list(reversed(DISCREPANCY_KINDS[1::2]))
    assert kinds(company, f"purchase_id={bought[1]}&kind=merchant_mismatch") == []
    company.owner.send("POST", f"{ADMIN}/discrepancies/dis_3/resolve", {"note": "known"})
    assert kinds(company, "status=resolved") == [DISCREPANCY_KINDS[3]]
    assert DISCREPANCY_KINDS[3] not in kinds(company, "status=open")


def test_a_kind_that_does_not_exist_is_refused(company: Company) -> None:
    """A misspelled filter would else show an empty list, which reads as all is well."""
    error = company.owner.refused(422, "GET", f"{ADMIN}/discrepancies?kind=overcapture")
    assert error["field"] == "kind"
    assert all(kind in error["message"] for kind in DISCREPANCY_KINDS)


@pytest.mark.parametrize("note", ["", "  ", "\n"])
def test_a_note_says_something(note: str, roony: ServedRoony, company: Company) -> None:
    roony.books.put(finding(company, "over_capture", 1, roony.context.clock()))
    error = company.owner.refused(422, "POST", f"{ADMIN}/discrepancies/dis_1/resolve", {"note": note})
    assert error["field"] == "note"
    assert kinds(company, "status=open") == ["over_capture"]


def test_a_name_is_learned_from_a_merchant_mismatch_only(roony: ServedRoony, company: Company) -> None:
    roony.books.put(finding(company, "over_capture", 1, roony.context.clock()))
    body = {"note": "ours", "learn_alias": True}
    error = company.owner.refused(422, "POST", f"{ADMIN}/discrepancies/dis_1/resolve", body)
    assert (error["code"], error["field"]) == ("not_a_merchant_mismatch", "learn_alias")
    assert kinds(company, "status=open") == ["over_capture"]


def test_nobody_settles_for_another_company(roony: ServedRoony, company: Company) -> None:
    """P7 for findings and events."""
    roony.books.put(finding(company, "over_capture", 1, roony.context.clock()))
    roony.books.put(kept(company, 1, roony.context.clock(), "dead"))
    other = roony.company("Other")
    other.owner.refused(404, "POST", f"{ADMIN}/discrepancies/dis_1/resolve", {"note": "mine"})
    assert other.owner.send("POST", f"{ADMIN}/events/replay", {}) == {"replayed": 0, "next_cursor": None}
    assert kinds(company, "status=open") == ["over_capture"]
    assert [row["status"] for row in company.owner.get(f"{ADMIN}/events")["data"]] == ["dead"]


def test_a_resolution_does_one_thing(roony: ServedRoony, company: Company) -> None:
    roony.books.put(finding(company, "unmatched_refund", 1, roony.context.clock()))
    path = f"{ADMIN}/discrepancies/dis_1/resolve"
    both = {"note": "ours", "learn_alias": True, "purchase_id": "pur_1"}
    company.owner.refused(422, "POST", path, both)
    error = company.owner.refused(422, "POST", path, {"note": "ours", "purchase_id": "pur_1"})
    assert (error["code"], error["field"]) == ("not_a_refund", "purchase_id")
    assert kinds(company, "status=open") == ["unmatched_refund"]


# Merchants


def test_names_are_taught_and_taken_back(roony: ServedRoony, company: Company) -> None:
    """By name as agents write it; audited with what it was before; a page at a time."""
    owner, at = company.owner, roony.context.clock()
    for key, name, ids in (("amazon web services", "Amazon Web Services", '["4711"]'), ("figma", "Figma", "[]")):
        roony.books.put(KnownMerchant(company.id, key, name, "[]", ids, 1, at))
    first = owner.get(f"{ADMIN}/merchants?limit=1")
    assert [row["key"] for row in first["data"]] == ["amazon web services"]
    [row] = owner.get(f"{ADMIN}/merchants?limit=1&cursor={first['next_cursor']}")["data"]
    assert (row["key"], row["name"], row["aliases"], row["network_ids"], row["purchases"]) == (
        "figma", "Figma", [], [], 1,
    )  # fmt: skip

    taught = {"merchant": "AMAZON WEB SERVICES INC", "alias": "AWS EMEA 8812"}
    assert owner.send("POST", f"{ADMIN}/merchants/aliases", taught)["aliases"] == ["aws"]
    assert owner.send("POST", f"{ADMIN}/merchants/aliases", taught)["aliases"] == ["aws"]
    body = {"merchant": "Amazon Web Services", "alias": "AWS", "network_id": "4711"}
    after = owner.send("POST", f"{ADMIN}/merchants/forget", body)
    assert (after["aliases"], after["network_ids"]) == ([], [])
    [forgotten, learned] = owner.get(f"{ADMIN}/audit?subject=amazon%20web%20services")["data"]
    assert (learned["action"], learned["body"]["before"], learned["body"]["after"]) == (
        "merchant.alias_learned", [], ["aws"],
    )  # fmt: skip
    assert forgotten["action"] == "merchant.forgotten"
    assert forgotten["body"]["before"] == {"aliases": ["aws"], "network_ids": ["4711"]}


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("aliases", {"merchant": "Notion", "alias": "NTN"}, 404),
        ("aliases", {"merchant": "Figma", "alias": " "}, 422),
        ("forget", {"merchant": "Figma"}, 422),
        ("forget", {"merchant": "Figma", "alias": "FGM"}, 404),
        ("forget", {"merchant": "Figma", "network_id": "1"}, 404),
        ("forget", {"merchant": "Notion", "alias": "NTN"}, 404),
    ],
)
def test_what_is_not_known_of_a_merchant_is_refused(
    path: str, body: dict[str, Any], status: int, roony: ServedRoony, company: Company
) -> None:
    roony.books.put(KnownMerchant(company.id, "figma", "Figma", "[]", "[]", 1, roony.context.clock()))
    company.owner.refused(status, "POST", f"{ADMIN}/merchants/{path}", body)
    assert [row["aliases"] for row in company.owner.get(f"{ADMIN}/merchants")["data"]] == [[]]


# Events


def test_all_dead_events_are_handled_again_in_portions(roony: ServedRoony, company: Company) -> None:
    """Each is audited, none twice, and what is in order stays as it is."""
    now, count = roony.context.clock(), REPLAY_LIMIT + 5
    roony.books.put(*(kept(company, number, now + number, "dead") for number in range(count)))
    roony.books.put(kept(company, 1_001, now, "applied"), kept(company, 1_002, now, "failed"))
    owner = company.owner
    first = owner.send("POST", f"{ADMIN}/events/replay", {})
    assert first["replayed"] == REPLAY_LIMIT
    assert first["next_cursor"]
    second = owner.send("POST", f"{ADMIN}/events/replay", {"status": "dead", "cursor": first["next_cursor"]})
    assert second == {"replayed": 5, "next_cursor": None}
    rows = roony.books.rows(InboxEvent, organization_id=company.id)
    statuses = {
        status: sum(row.status == status for row in rows) for status in ("received", "applied", "failed", "dead")
    }
    assert statuses == {"received": count, "applied": 1, "failed": 1, "dead": 0}
    assert {(row.failures, row.reason) for row in rows if row.status == "received"} == {(0, "replayed")}
    assert owner.send("POST", f"{ADMIN}/events/replay", {"status": "failed"})["replayed"] == 1
    records = owner.get(f"{ADMIN}/audit?limit=200")["data"]
    replayed = [record["subject"] for record in records if record["action"] == "event.replayed"]
    assert len(replayed) == len(set(replayed)) == count + 1


def test_a_dead_event_says_why_and_how_often_it_failed(roony: ServedRoony, company: Company) -> None:
    roony.books.put(kept(company, 1, roony.context.clock(), "dead"))
    [row] = company.owner.get(f"{ADMIN}/events?status=dead&type=issuing_card.updated")["data"]
    assert (row["status"], row["reason"], row["failures"]) == ("dead", "broken", 12)
    assert company.owner.get(f"{ADMIN}/events/{row['id']}") == row
    assert company.owner.get(f"{ADMIN}/events?status=dead&type=issuing_card.created")["data"] == []


@pytest.mark.parametrize(
    ("body", "field"),
    [({"status": "applied"}, "status"), ({"cursor": "no cursor of ours"}, "cursor"), ({"event": "evt_1"}, "event")],
)
def test_what_cannot_be_replayed_is_refused(body: dict[str, Any], field: str, company: Company) -> None:
    assert company.owner.refused(422, "POST", f"{ADMIN}/events/replay", body)["field"] == field


def test_events_of_nobodys_account_are_counted(
    roony: ServedRoony, company: Company, monkeypatch: pytest.MonkeyPatch
) -> None:
    """P12: no list shows them to anybody, so at least their number is seen."""
    monkeypatch.setattr(figures, "FRESH_SECONDS", 0.0)

    def count() -> int:
        text = company.owner.call("GET", "/metrics").text
        [line] = [line for line in text.splitlines() if line.startswith("roony_events_of_unknown_accounts ")]
        return int(line.split()[1])

    before = count()
    strange = kept(company, 1, roony.context.clock(), "ignored")._replace(organization_id=None, account="acct_strange")
    roony.books.put(strange)
    assert count() == before + 1
    assert company.owner.get(f"{ADMIN}/events")["data"] == []
