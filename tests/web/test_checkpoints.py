"""Signed checkpoints and the evidence of a purchase over HTTP: made, listed, in the export, and only one's own."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from roony.core.audit_file import check_lines
from roony.core.evidence import check_evidence
from roony.store.signing import is_signed
from tests.support.postgres import books_database
from tests.support.serving import Company, ServedRoony, serve
from tests.web.conftest import MONTH, signed_in

ADMIN = "/api/v1/admin"
WISH = {"amount": 100, "currency": "usd", "description": "a thing", "merchant": {"name": "Figma"}}


@pytest.fixture
def own(tmp_path_factory: pytest.TempPathFactory, backend: str) -> Iterator[ServedRoony]:
    """A Roony with no organizations but a test's own."""
    with books_database(backend) as url, serve(tmp_path_factory.mktemp("own"), database_url=url) as served:
        yield served


def keys(company: Company) -> list[dict[str, Any]]:
    return list(company.owner.get(f"{ADMIN}/audit/keys")["data"])


def signed(company: Company) -> dict[str, Any]:
    return dict(company.owner.send("POST", f"{ADMIN}/audit/checkpoints"))


def test_the_export_holds_checkpoints_and_is_checked_with_the_key_alone(company: Company) -> None:
    first = signed(company)
    assert (first["made"], first["more"], first["checkpoint"]["sequence"]) == (1, False, 1)
    for place in range(3):
        company.owner.send("POST", f"{ADMIN}/projects", {"name": f"Project {place}"}, 201)
    second = signed(company)
    assert second["checkpoint"]["first_sequence"] == 2
    assert signed(company) == {"made": 0, "more": False, "checkpoint": second["checkpoint"]}
    company.owner.send("POST", f"{ADMIN}/projects", {"name": "Last"}, 201)

    listed = company.owner.get(f"{ADMIN}/audit/checkpoints", params={"limit": 1})
    assert listed["data"] == [second["checkpoint"]]
    rest = company.owner.get(f"{ADMIN}/audit/checkpoints", params={"cursor": listed["next_cursor"]})
    assert rest == {"data": [first["checkpoint"]], "next_cursor": None}

    answer = company.owner.call("GET", f"{ADMIN}/audit/export")
    assert answer.headers["content-type"].startswith("application/x-ndjson")
    lines = answer.text.splitlines()
    [key] = [one for one in keys(company) if one["signs"]]
    verdict = check_lines(lines, is_signed, [key["public_key"]])
    head = company.owner.get(f"{ADMIN}/organization")["audit_head"]
    assert (verdict.problem, verdict.records, verdict.signed) == (None, head["sequence"], head["sequence"] - 1)
    assert (verdict.organization_id, verdict.hash) == (company.id, head["hash"])
    assert json.loads(lines[1])["checkpoint"] == first["checkpoint"]


def test_a_long_export_comes_in_pieces_with_every_checkpoint_in_its_place(company: Company, monkeypatch: Any) -> None:
    from roony.flows import checkpoint
    from roony.web.admin_api import checkpoints

    monkeypatch.setattr(checkpoint, "RECORDS", 2)
    monkeypatch.setattr(checkpoints, "EXPORT_PAGE", 3)
    for place in range(9):
        company.owner.send("POST", f"{ADMIN}/projects", {"name": f"Project {place}"}, 201)
    assert signed(company)["made"] == 5
    lines = company.owner.call("GET", f"{ADMIN}/audit/export").text.splitlines()
    verdict = check_lines(lines, is_signed)
    assert (verdict.problem, verdict.records, verdict.checkpoints, verdict.signed) == (None, 10, 5, 10)


def test_the_dashboard_gives_the_same_file_and_shows_the_key(roony: ServedRoony, company: Company) -> None:
    newest = signed(company)["checkpoint"]
    with signed_in(roony, company) as browser:
        file = browser.get("/audit/export")
        page = browser.get("/audit").text
    assert file.text == company.owner.call("GET", f"{ADMIN}/audit/export").text
    assert keys(company)[0]["public_key"] in page
    assert f"record {newest['sequence']}" in page


def test_a_new_key_signs_from_then_on(own: ServedRoony) -> None:
    company = own.company()
    before = signed(company)["checkpoint"]["public_key"]
    made = company.owner.send("POST", f"{ADMIN}/audit/keys", status=201)
    assert (made["signs"], made["algorithm"]) == (True, "ed25519")
    assert keys(company)[0] == made
    assert [one["public_key"] for one in keys(company) if one["signs"]] == [made["public_key"]]
    assert before in [one["public_key"] for one in keys(company)]
    assert signed(company)["checkpoint"]["public_key"] == made["public_key"]
    [record] = company.owner.get(f"{ADMIN}/audit", params={"action": "audit.key_made"})["data"]
    assert (record["subject"], record["body"]) == (made["id"], {"public_key": made["public_key"]})


def test_no_owner_of_several_organizations_changes_what_signs_for_all(own: ServedRoony) -> None:
    """They know nothing of each other; whoever operates the installation does it on its machine."""
    first, second = own.company("First"), own.company("Second")
    before = signed(first)["checkpoint"]["public_key"]
    for each in (first, second):
        refused = each.owner.refused(409, "POST", f"{ADMIN}/audit/keys")
        assert (refused["code"], "roony init --new-signing-key" in refused["message"]) == ("operator_only", True)
    assert [one["public_key"] for one in keys(second)] == [before]
    assert first.owner.get(f"{ADMIN}/audit", params={"action": "audit.key_made"})["data"] == []


def test_who_may_look_may_not_make_keys_or_sign(roony: ServedRoony, company: Company) -> None:
    user = company.owner.send(
        "POST", f"{ADMIN}/users", {"name": "Vi", "email": "vi@example.com", "role": "viewer"}, 201
    )
    viewer = roony.caller(company.owner.send("POST", f"{ADMIN}/users/{user['id']}/keys", {}, 201)["key"])
    assert viewer.get(f"{ADMIN}/audit/checkpoints")["data"] == []
    assert viewer.call("GET", f"{ADMIN}/audit/export").status_code == 200
    for path in ("audit/checkpoints", "audit/keys"):
        assert viewer.refused(403, "POST", f"{ADMIN}/{path}")["code"] == "role_too_low"


def test_evidence_of_a_purchase(roony: ServedRoony, company: Company) -> None:
    """Everything of it, nothing of the neighbour's, and provable once it is signed."""
    _, agent = company.agent("Buyer", budgets=[MONTH], controls={"approval_threshold": 0})
    _, neighbour = company.agent("Neighbour", budgets=[MONTH], controls={"approval_threshold": 0})
    # Without a connection both are declined, which is a purchase with records as any other.
    bought, other = (who.send("POST", "/api/v1/purchase_intents", WISH, 201) for who in (agent, neighbour))
    path = f"{ADMIN}/purchases/{bought['id']}/evidence"
    bundle = company.owner.get(path)
    assert all(item["proof"] is None for item in bundle["records"])
    assert check_evidence(bundle, is_signed).problems

    signed(company)
    bundle = company.owner.get(path)
    shown = check_evidence(bundle, is_signed, [keys(company)[0]["public_key"]])
    assert (shown.problems, shown.purchase_id, shown.organization_id) == ([], bought["id"], company.id)
    assert other["id"] not in json.dumps(bundle)
    [decision] = bundle["decisions"]
    assert json.loads(decision["text"])["inputs"]["ask"]["amount"] == WISH["amount"]
    assert roony.company("Other").owner.refused(404, "GET", path)["code"] == "not_found"
    with signed_in(roony, company) as browser:
        page = browser.get(f"/purchases/{bought['id']}").text
        assert path in page
        assert browser.get(path).json()["records"] == bundle["records"]
