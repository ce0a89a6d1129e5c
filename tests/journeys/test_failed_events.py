"""An event that cannot be handled: tried again, dead in the end, visible with its reason, taken up again by hand."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from typer.testing import CliRunner, Result

from roony.cli.commands import app
from roony.store.inbox import MAX_FAILURES
from tests.support.served import Simulation, event, until

EVENTS = "/api/v1/admin/events"
# The longest wait between two tries, in seconds.
WAIT = 300


@pytest.fixture
def command(roony: Simulation) -> Callable[..., Result]:
    """Runs a command as the owner."""
    environment = {"ROONY_URL": roony.url, "ROONY_ADMIN_KEY": roony.ready["admin_key"]}
    return lambda *words: CliRunner().invoke(app, list(words), env=environment)


def unreadable(roony: Simulation) -> str:
    """An event of Stripe's without what is needed, kept; its id."""
    told = event(roony.account, "issuing_transaction.created", {"id": "ipi_broken"}, roony.now())
    assert roony.post(told).status == 200
    return str(told["id"])


def failures(roony: Simulation, id: str) -> int:
    return int(roony.owner.get(f"{EVENTS}/{id}")["failures"])


def test_a_failed_event_dies_and_is_taken_up_again_one_or_all(
    roony: Simulation, command: Callable[..., Result]
) -> None:
    """P12: nothing is dropped; what failed says why, and how often it was tried."""
    ids = [unreadable(roony) for _ in range(3)]
    for count in range(1, MAX_FAILURES + 1):
        for id in ids:
            until(lambda id=id: failures(roony, id), count)
        if count == 1:
            assert "0 events" not in command("events", "list", "--status", "failed").stdout
        roony.advance(WAIT)
    dead = command("events", "list", "--status", "dead", "--type", "issuing_transaction.created")
    assert all(id in dead.stdout for id in ids), dead.output
    assert str(MAX_FAILURES) in dead.stdout
    shown = json.loads(command("events", "show", ids[0], "--json").stdout)
    assert (shown["status"], shown["failures"], "KeyError" in shown["reason"]) == ("dead", MAX_FAILURES, True)

    assert command("events", "replay", ids[0]).exit_code == 0
    until(lambda: failures(roony, ids[0]), 1)
    rest = command("events", "replay", "--all")
    assert (rest.exit_code, rest.stdout) == (0, "2 events are handled again.\n")
    for id in ids[1:]:
        until(lambda id=id: failures(roony, id), 1)
    assert command("events", "replay", "--all", "--status", "dead").stdout == "No event is dead.\n"
    failed = command("events", "replay", "--all", "--status", "failed", "--json")
    assert json.loads(failed.stdout) == {"replayed": 3}


@pytest.mark.parametrize("words", [[], ["evt_1", "--all"], ["--all", "--status", "applied"]])
def test_it_must_be_said_which_events(words: list[str], command: Callable[..., Result]) -> None:
    assert command("events", "replay", *words).exit_code == 2
