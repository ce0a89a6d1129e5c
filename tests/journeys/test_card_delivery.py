"""Card details on their way to who needs them: `roony serve` on one side, an agent's own machine on the other."""

from __future__ import annotations

import json
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.support.commands import run_roony
from tests.support.served import Buyer, Simulation, unique

ADMIN = "/api/v1/admin"
ASK = "/api/v1/purchase_intents"


class Machine:
    """A machine with the command `roony` on it, and a folder in which it is called."""

    def __init__(self, folder: Path, **environment: str) -> None:
        self.folder = folder
        self._environment = environment

    def roony(self, *arguments: str, stdin: str = "", code: int = 0) -> subprocess.CompletedProcess[str]:
        """One command in a process of its own, which must end with this code."""
        done = run_roony(*arguments, typed=stdin, folder=self.folder, **self._environment)
        assert done.returncode == code, done.stderr
        return done


@pytest.fixture
def sealed(roony: Simulation) -> Iterator[Buyer]:
    """An agent of an organization that delivers sealed only."""
    roony.owner.send("PATCH", f"{ADMIN}/organization", {"delivery": "sealed"})
    yield roony.buyer()
    roony.owner.send("PATCH", f"{ADMIN}/organization", {"delivery": "raw"})


def test_a_sealed_card_is_opened_on_the_agents_machine_alone(roony: Simulation, sealed: Buyer, tmp_path: Path) -> None:
    """The owner only ever sees the public key, and Roony's side only the sealed card."""
    (theirs := tmp_path / "agent").mkdir()
    (ours := tmp_path / "owner").mkdir()
    agent = Machine(theirs, ROONY_URL=roony.url, ROONY_AGENT_KEY=sealed.key)
    owner = Machine(ours, ROONY_URL=roony.url, ROONY_ADMIN_KEY=roony.ready["admin_key"])
    bought = sealed.buy(4_900, unique("Figma"))
    assert "number" not in bought.answer["card"]
    refused = agent.roony("purchase", "card", bought.id, code=1).stderr
    assert f"roony agent public-key set {sealed.id}" in refused

    made = agent.roony("agent-key", "new")
    private = theirs / "roony-agent.key"
    assert stat.S_IMODE(private.stat().st_mode) == 0o600
    assert "roony agent public-key set" in made.stderr
    assert json.loads(private.read_text())["d"] not in made.stdout + made.stderr
    (ours / "public.json").write_text(made.stdout)
    owner.roony("agent", "public-key", "set", sealed.id, "public.json")

    answer = agent.roony("purchase", "card", bought.id, "--purpose", "checkout", "--json").stdout
    assert json.loads(answer).keys() == {"delivery", "jwe"}
    details = json.loads(agent.roony("agent-key", "open", "--json", stdin=answer).stdout)
    number = roony.stripe.v1.issuing.cards.retrieve(bought.stripe_card, {"expand": ["number"]}).number
    assert (details["number"], details["purchase_id"]) == (number, bought.id)
    assert details["number"].endswith(bought.answer["card"]["last4"])
    shown = agent.roony("agent-key", "open", json.loads(answer)["jwe"]).stdout
    assert number in shown

    # Somebody else's key opens nothing.
    owner.roony("agent-key", "new")
    assert "was sealed to the key" in owner.roony("agent-key", "open", stdin=answer, code=1).stderr
    # And the card pays.
    assert roony.charge(bought.stripe_card, 4_900, bought.answer["merchant"]["name"]).approved


def test_a_private_key_by_mistake_goes_no_further_than_the_refusal(roony: Simulation, tmp_path: Path) -> None:
    buyer = roony.buyer()
    owner = Machine(tmp_path, ROONY_URL=roony.url, ROONY_ADMIN_KEY=roony.ready["admin_key"])
    owner.roony("agent-key", "new")
    refused = owner.roony("agent", "public-key", "set", buyer.id, "roony-agent.key", code=2)
    assert "This is a private key" in refused.stderr
    assert roony.owner.get(f"{ADMIN}/agents/{buyer.id}/public_key")["public_key"] is None


def test_a_link_is_over_when_the_clock_says_so(roony: Simulation) -> None:
    """Ten minutes on the clock that Roony and Stripe share."""
    buyer = roony.buyer(controls={"card_ttl_seconds": 7_200})
    bought = buyer.buy(2_500, unique("Notion"))
    first, second = (link(buyer, bought.id) for _ in range(2))
    roony.advance(590)
    assert opened(roony, first) == 200
    roony.advance(15)
    assert opened(roony, second) == 410
    assert roony.card_of(bought.id)["deliveries"] == 3


def link(buyer: Buyer, purchase_id: str) -> str:
    """The ticket of a fresh link."""
    url = buyer.api.send("POST", f"{ASK}/{purchase_id}/card", {"delivery": "reveal", "purpose": "pay"})["url"]
    assert url.startswith(f"{buyer.roony.url}/reveal?")
    return parse_qs(urlsplit(url).query)["ticket"][0]


def opened(roony: Simulation, ticket: str) -> int:
    """A person opens it with the owner's key; the status of the page."""
    answer: Any = roony.web.post("/reveal", data={"ticket": ticket, "key": roony.ready["admin_key"]})
    return int(answer.status_code)
