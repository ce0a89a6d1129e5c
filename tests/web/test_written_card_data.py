"""A card number that an agent or a person types, wherever a text may be typed, rests nowhere; ids stay as they are."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from roony.core.purchase import Purchase
from roony.core.settlement import Discrepancy
from tests.support.books import NOW
from tests.support.leak_scan import Secrets, cells_of, scan
from tests.support.postgres import swept_books_database
from tests.support.serving import Company, ServedRoony, serve
from tests.support.simulator import SimulatorProcess
from tests.support.tools import use
from tests.web.conftest import MONTH

API, ADMIN = "/api/v1", "/api/v1/admin"
PAN, STARS = "4000009990000278", "*" * 16
SPACED, STARRED = "4000 0099 9000 0278", "**** **** **** ****"
# It has the shape and the check digit as well, and is an id: it may stay.
ID = "5555555555554444"
KEY = "roony_agent_" + "0a" * 24
CARELESS = f"Pay with {SPACED}, cvc: 731 or {KEY}\nor {PAN}"
CAREFUL = f"Pay with {STARRED}, cvc: *** or {'*' * len(KEY)}\nor {STARS}"
MERCHANT = {"name": f"Shop e5cb{PAN}", "url": f"https://shop.example/{PAN}", "country": "US", "category": "5734"}


@pytest.fixture(scope="module")
def roony(simulator: SimulatorProcess, tmp_path_factory: pytest.TempPathFactory, backend: str) -> Iterator[ServedRoony]:
    simulator.control("reset", {})
    with swept_books_database(backend) as url, serve(tmp_path_factory.mktemp("typed"), simulator.url, url) as served:
        yield served


@pytest.fixture(scope="module")
def company(roony: ServedRoony) -> Company:
    """With an active Stripe account, handing out numbers in clear."""
    made = roony.company("Shop", delivery="raw")
    made.owner.send("POST", f"{ADMIN}/connections", {"kind": "direct"}, 201)
    return made


def at_rest(roony: ServedRoony, folder: Path) -> list[Any]:
    """What of it is found in the database."""
    (folder / "cells").write_bytes(b"\n".join(cells_of(roony.context.database.url)))
    return scan(folder, Secrets({PAN}, {"731"}, {"key": KEY}))


def test_what_an_agent_types(roony: ServedRoony, company: Company, tmp_path: Path) -> None:
    """Over the API and over MCP: description, merchant, metadata, and what a card is wanted for."""
    _, buyer = company.agent(budgets=[MONTH])
    metadata = {"note": CARELESS, "number": PAN, "cvc": "731", "order_id": "A-1", f"no. {PAN}": "x"}
    body = {"amount": 500, "currency": "usd", "description": CARELESS, "merchant": MERCHANT | {"network_id": ID},
            "metadata": metadata, "task_id": ID}  # fmt: skip
    keyed = {"headers": {"Idempotency-Key": ID}}
    bought = buyer.send("POST", f"{API}/purchase_intents", body, 201, **keyed)
    assert bought["status"] == "ready"
    again = buyer.send("POST", f"{API}/purchase_intents", body, 200, **keyed)
    assert (again["id"], again["description"]) == (bought["id"], CAREFUL)
    assert again["metadata"] == {"note": CAREFUL, "number": STARS, "cvc": "***", "order_id": "A-1", f"no. {STARS}": "x"}
    assert again["merchant"]["name"] == f"Shop e5cb{STARS}"
    assert again["merchant"]["url"] == f"https://shop.example/{STARS}"
    assert again["task_id"] == ID
    assert ID in roony.books.row(Purchase, id=bought["id"]).merchant
    for delivery in ("raw", "reveal"):
        wanted = {"delivery": delivery, "purpose": f"to type {PAN}"}
        buyer.send("POST", f"{API}/purchase_intents/{bought['id']}/card", wanted)
    asked = use(
        roony.url, str(buyer.key), "request_purchase", amount="7.00", currency="USD", description=CARELESS,
        merchant=f"Shop {SPACED}", merchant_country="US", merchant_category="5734", metadata={"note": CARELESS},
    )  # fmt: skip
    assert (asked["description"], asked["merchant"]["name"]) == (CAREFUL, f"Shop {STARRED}")
    assert at_rest(roony, tmp_path) == []


def test_what_a_person_types(roony: ServedRoony, company: Company, tmp_path: Path) -> None:
    """Notes of approvals and discrepancies, over the API and on the page behind a link; names and controls."""
    owner, nobody = company.owner, roony.caller()
    controls = {"approval_threshold": 0, "allowed_merchants": [f"Shop {SPACED}"], "blocked_merchants": [f"Bad {PAN}"]}
    agent, buyer = company.agent(f"Buyer {PAN}", description=CARELESS, budgets=[MONTH], controls=controls)
    assert (agent["name"], agent["description"]) == (f"Buyer {STARS}", CAREFUL)
    rules = owner.get(f"{ADMIN}/rules")["agents"][agent["id"]]["controls"]
    assert (rules["allowed_merchants"], rules["blocked_merchants"]) == ([f"Shop {STARRED}"], [f"Bad {STARS}"])
    owner.send("POST", f"{ADMIN}/projects", {"name": f"Project {PAN}"}, 201)
    owner.send("POST", f"{ADMIN}/agents/{agent['id']}/keys", {"name": f"for {PAN}"}, 201)
    owner.send("POST", f"{ADMIN}/users", {"name": f"Ann {PAN}", "email": f"{ID}@example.com", "role": "approver"}, 201)

    def asked(amount: int) -> str:
        merchant = {"name": f"Shop {SPACED}", "country": "US", "category": "5734"}
        body = {"amount": amount, "currency": "usd", "description": "seats", "merchant": merchant}
        made = buyer.send("POST", f"{API}/purchase_intents", body, 201)
        # The allowed name and the merchant's are the same name.
        assert made["status"] == "awaiting_approval", made["decision"]
        return str(made["approval"]["id"])

    for amount, word in ((700, "approve"), (800, "deny")):
        owner.send("POST", f"{ADMIN}/approvals/{asked(amount)}/{word}", {"note": CARELESS})
    owner.send("POST", f"{ADMIN}/merchants/aliases", {"merchant": f"Shop {PAN}", "alias": f"Other {PAN}"})
    form = {"key": str(owner.key), "do": "deny", "note": f"not with {PAN}, cvc 731"}
    answer = nobody.call("POST", f"/approve/{(by_form := asked(900))}", data=form)
    assert answer.status_code == 200
    assert owner.get(f"{ADMIN}/approvals/{by_form}")["note"] == f"not with {STARS}, cvc ***"
    found = Discrepancy(company.id, "dis_typed", "merchant_mismatch", "open", None, None, "iauth_1", "Figma", "F",
                        None, None, NOW, None)  # fmt: skip
    roony.books.put(found)
    resolved = owner.send("POST", f"{ADMIN}/discrepancies/dis_typed/resolve", {"note": CARELESS})
    assert resolved["note"] == CAREFUL
    assert at_rest(roony, tmp_path) == []
