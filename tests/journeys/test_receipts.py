"""Receipts over HTTP: handed in by the agent, looked at and fetched by the owner, missed where there is none."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from roony.cli.commands import app
from roony.client import Roony, RoonyError
from roony.core.receipt import MAX_RECEIPT, MAX_RECEIPTS
from roony.web import shapes
from tests.support.served import Bought, Buyer, Simulation, unique

RECEIPTS = "/api/v1/admin/receipts"
PDF = b"%PDF-1.7\n1 0 obj\n"


def path(purchase_id: str) -> str:
    return f"/api/v1/purchase_intents/{purchase_id}/receipt"


def hand_in(buyer: Buyer, purchase_id: str, content: bytes | Iterator[bytes], kind: str = "text/plain") -> Any:
    return buyer.api.call("POST", path(purchase_id), content=content, headers={"Content-Type": kind})


def run(roony: Simulation, *words: str) -> Result:
    """A command of the owner's."""
    environment = {"ROONY_URL": roony.url, "ROONY_ADMIN_KEY": roony.ready["admin_key"]}
    return CliRunner().invoke(app, ["receipt", *words], env=environment)


@pytest.fixture
def bought(buyer: Buyer) -> Bought:
    return buyer.buy(5_000, unique("Figma"))


def test_it_is_kept_once_and_fetched_as_it_came(
    roony: Simulation, buyer: Buyer, bought: Bought, tmp_path: Path
) -> None:
    """As a body, and as a form; audited with its hash, and never served as a page."""
    first = hand_in(buyer, bought.id, PDF, "application/pdf")
    assert first.status_code == 201, first.text
    receipt = first.json()
    shapes.ReceiptAnswer.model_validate(receipt)
    digest = hashlib.sha256(PDF).hexdigest()
    assert (receipt["purchase_id"], receipt["size"], receipt["sha256"]) == (bought.id, len(PDF), digest)
    form = buyer.api.call("POST", path(bought.id), files={"file": ("a.pdf", PDF, "application/pdf")})
    assert (form.status_code, form.json()) == (200, receipt)

    assert roony.owner.get(RECEIPTS, params={"purchase_id": bought.id})["data"] == [receipt]
    assert roony.owner.get(f"{RECEIPTS}/{receipt['id']}") == receipt
    file = roony.owner.call("GET", f"{RECEIPTS}/{receipt['id']}/content")
    assert (file.content, file.headers["content-type"]) == (PDF, "application/pdf")
    assert file.headers["content-disposition"] == f'attachment; filename="{receipt["id"]}.pdf"'
    assert (file.headers["x-content-type-options"], "sandbox" in file.headers["content-security-policy"]) == (
        "nosniff", True,
    )  # fmt: skip
    records = roony.owner.get("/api/v1/admin/audit", params={"subject": receipt["id"]})["data"]
    assert [(row["action"], row["actor"], row["body"]["sha256"]) for row in records] == [
        ("receipt.kept", buyer.id, digest)
    ]

    assert receipt["id"] in run(roony, "list", "--purchase", bought.id).stdout
    out = tmp_path / "receipt.pdf"
    saved = run(roony, "get", receipt["id"], "--out", str(out))
    assert (saved.exit_code, out.read_bytes()) == (0, PDF), saved.output
    assert run(roony, "get", receipt["id"], "--out", str(out)).exit_code == 1
    assert run(roony, "get", "rcp_none", "--out", str(tmp_path / "none")).exit_code == 1
    assert not (tmp_path / "none").exists()


def test_the_client_hands_one_in(roony: Simulation, buyer: Buyer, bought: Bought) -> None:
    with Roony(roony.url, buyer.key) as client:
        receipt = client.upload_receipt(bought.id, b"Paid 50.00", media_type="text/plain")
        assert client.upload_receipt(bought.id, b"Paid 50.00", media_type="text/plain") == receipt
        with pytest.raises(RoonyError) as refused:
            client.upload_receipt(bought.id, b"4242 4242 4242 4242", media_type="text/plain")
    assert (refused.value.code, refused.value.field) == ("card_number", "file")
    assert receipt["media_type"] == "text/plain"


BAD: list[tuple[str, bytes, int, str]] = [
    ("text/html", b"<script>", 415, "unsupported_media_type"),
    ("application/json", b"{}", 415, "unsupported_media_type"),
    ("text/plain; charset=latin-1", b"x", 415, "unsupported_media_type"),
    ("", b"x", 415, "unsupported_media_type"),
    ("image/png", PDF, 422, "invalid"),
    ("text/plain", b"", 422, "invalid"),
    ("text/plain", b"\xff", 422, "invalid"),
    ("text/plain", b"Paid with 4242-4242-4242-4242", 422, "card_number"),
    ("multipart/form-data", b"x", 422, "invalid"),
    ("multipart/form-data; boundary=x", b"--x\r\nnonsense", 422, "invalid"),
    ("text/plain", b"x" * (MAX_RECEIPT + 1), 413, "too_large"),
]


@pytest.mark.parametrize(("kind", "content", "status", "code"), BAD, ids=[f"{row[0]}-{row[2]}" for row in BAD])
def test_what_is_no_receipt_leaves_nothing(
    roony: Simulation, buyer: Buyer, bought: Bought, kind: str, content: bytes, status: int, code: str
) -> None:
    answer = hand_in(buyer, bought.id, content, kind)
    assert (answer.status_code, answer.json()["error"]["code"]) == (status, code), answer.text
    assert roony.owner.get(RECEIPTS, params={"purchase_id": bought.id})["data"] == []


def test_forms_of_another_shape_are_refused(roony: Simulation, buyer: Buyer, bought: Bought) -> None:
    """Another name, two files, a field beside the file, a text in its place."""
    file = ("a.pdf", PDF, "application/pdf")
    shapes_of_forms: list[dict[str, Any]] = [
        {"files": {"other": file}},
        {"files": [("file", file), ("file", file)]},
        {"files": {"file": file}, "data": {"note": "x"}},
        {"files": {"file": (None, "text")}},
    ]
    for form in shapes_of_forms:
        error = buyer.api.refused(422, "POST", path(bought.id), **form)
        assert (error["code"], error["field"]) == ("invalid", "file"), form
    assert roony.owner.get(RECEIPTS, params={"purchase_id": bought.id})["data"] == []


def test_the_largest_is_kept_and_a_larger_one_is_not(roony: Simulation, buyer: Buyer, bought: Bought) -> None:
    """Also where its length is not said before; the other doors keep their own limit."""
    largest = PDF + b"x" * (MAX_RECEIPT - len(PDF))
    assert hand_in(buyer, bought.id, largest, "application/pdf").status_code == 201
    id = roony.owner.get(RECEIPTS, params={"purchase_id": bought.id})["data"][0]["id"]
    assert roony.owner.call("GET", f"{RECEIPTS}/{id}/content").content == largest
    form = buyer.api.call("POST", path(bought.id), files={"file": ("a.pdf", largest, "application/pdf")})
    assert form.status_code == 200

    def parts() -> Iterator[bytes]:
        yield largest
        yield b"x"

    assert hand_in(buyer, bought.id, parts(), "application/pdf").status_code == 413
    assert len(roony.owner.get(RECEIPTS, params={"purchase_id": bought.id})["data"]) == 1
    other = buyer.api.call("POST", f"/api/v1/purchase_intents/{bought.id}/cancel", content=b"x" * 300_000)
    assert other.status_code == 413


def test_a_purchase_has_ten_at_most(buyer: Buyer, bought: Bought) -> None:
    """One that is there is found all the same."""
    for number in range(MAX_RECEIPTS):
        assert hand_in(buyer, bought.id, f"Page {number}".encode()).status_code == 201
    more = hand_in(buyer, bought.id, b"one more")
    assert (more.status_code, more.json()["error"]["code"]) == (409, "too_many_receipts")
    assert hand_in(buyer, bought.id, b"Page 0").status_code == 200


def test_only_for_the_agents_own_purchases_that_got_a_card(roony: Simulation, buyer: Buyer, bought: Bought) -> None:
    """P7: another agent's is not there."""
    other = roony.buyer()
    foreign, missing = hand_in(other, bought.id, b"x"), hand_in(other, "pur_missing", b"x")
    assert (foreign.status_code, missing.status_code) == (404, 404)
    assert foreign.json()["error"]["message"].replace(bought.id, "pur_missing") == missing.json()["error"]["message"]
    assert hand_in(other, bought.id, b"no receipt", "image/png").status_code == 404
    strict = roony.buyer(controls={"purchase_limit": 100})
    declined = strict.ask(5_000, unique("Figma"))
    assert declined["status"] == "declined"
    refused = hand_in(strict, declined["id"], b"x")
    assert (refused.status_code, refused.json()["error"]["code"]) == (409, "nothing_bought")
    assert roony.owner.refused(404, "GET", f"{RECEIPTS}/rcp_none/content")["code"] == "not_found"


def test_what_is_missing_is_listed_until_it_is_handed_in(roony: Simulation, buyer: Buyer) -> None:
    """Settled purchases alone, the oldest first, a page at a time."""
    settled = []
    for _ in range(2):
        merchant = unique("Figma")
        bought = buyer.buy(5_000, merchant)
        paid = roony.charge(bought.stripe_card, 5_000, merchant)
        roony.stripe.v1.test_helpers.issuing.authorizations.capture(paid.id)
        settled.append(bought.id)
    buyer.buy(6_000, unique("Figma"))
    roony.settle()

    def missing(**more: Any) -> list[str]:
        listed = roony.owner.get(f"{RECEIPTS}/missing", params={"agent_id": buyer.id, **more})
        return [row["purchase_id"] for row in listed["data"]]

    assert missing() == settled
    assert missing(project_id=buyer.project_id) == settled
    assert missing(project_id=roony.buyer().project_id) == []
    first = roony.owner.get(f"{RECEIPTS}/missing", params={"agent_id": buyer.id, "limit": 1})
    assert [row["purchase_id"] for row in first["data"]] == settled[:1]
    assert missing(cursor=first["next_cursor"]) == settled[1:]
    shown = json.loads(run(roony, "missing", "--agent", buyer.id, "--json").stdout)
    assert [(row["purchase_id"], row["amount"]) for row in shown["data"]] == [(id, 5_000) for id in settled]
    hand_in(buyer, settled[0], b"Paid")
    assert missing() == settled[1:]
