"""The pages and the code name the same things, in both directions: settings, codes, calls, commands, steps."""

from __future__ import annotations

import re
from typing import get_args

import pytest

from roony.cli.output import Code
from roony.config import NAMES, Settings
from roony.core import approval, card, connection, purchase
from roony.core.authorization import CODES as ANSWERS
from roony.core.authorization import FINAL_STATUSES
from roony.core.decision import RETRY_CAN_HELP
from roony.core.settlement import DISCREPANCY_KINDS
from roony.outbound import guard, messenger
from roony.web.errors import _CODES
from tests.docs.blocks import ROOT
from tests.docs.diagrams import DRAWINGS
from tests.docs.made import all_made
from tests.docs.surface import (
    alert_kinds,
    blocked_codes,
    failures,
    openapi,
    refusal_codes,
    refusal_statuses,
    unlisted_routes,
)

# Codes that are put together where they are made: the expression as it stands, and what becomes of it.
COMPOSED = {
    "=code or _CODES[status]": set(_CODES.values()),
    "=_CODES[status]": set(_CODES.values()),
    # `not_found` or `invalid`, of rules that name something wrong; host or origin of MCP; a failure of Stripe's.
    "=code": {"not_found", "invalid", "host_not_allowed", "origin_not_allowed"},
    "=f'url_{blocked.code}'": {f"url_{code}" for code in blocked_codes(guard, messenger)},
    "=f'{what}_disabled'": {"endpoint_disabled", "recipient_disabled"},
    "=why.code": set(),  # one of those under "Why there is no card"
}


def section(page: str, heading: str) -> str:
    """The text below a heading of the second level, without what comes after it."""
    text = (ROOT / "docs" / page).read_text(encoding="utf-8")
    _, found, rest = text.partition(f"\n## {heading}\n")
    assert found, f"{page} has no section {heading}"
    return rest.partition("\n## ")[0]


def first_cells(text: str) -> list[str]:
    """What the rows of all tables of a text begin with."""
    return re.findall(r"^\| `([^`]+)` \|", text, re.MULTILINE)


def expect_same(listed: list[str], there: set[str], what: str) -> None:
    assert sorted(set(listed)) == sorted(listed), f"{what}: listed twice"
    assert set(listed) - there == set(), f"{what}: on the page and not in the code"
    assert there - set(listed) == set(), f"{what}: in the code and not on the page"


def test_what_is_made_from_the_code_is_current() -> None:
    stale = [str(path) for path, text in all_made().items() if not path.is_file() or path.read_text("utf-8") != text]
    assert stale == [], "run `make docs WRITE=1`"


def test_every_setting_is_told() -> None:
    page = (ROOT / "docs" / "settings.md").read_text(encoding="utf-8")
    server, _, _ = page.partition("## Of commands")
    expect_same(first_cells(server), set(NAMES), "settings")
    for name, field in Settings.model_fields.items():
        row = next(line for line in server.splitlines() if line.startswith(f"| `{name.upper()}` |"))
        default = row.split("|")[2].strip()
        if field.default:
            assert default == f"`{field.default}`", row
        else:
            assert not default.startswith("`"), row


def test_every_error_code_is_told() -> None:
    there: set[str] = set()
    for code, places in refusal_codes().items():
        if code.startswith("="):
            assert code in COMPOSED, f"{code} at {sorted(places)}: say in COMPOSED what becomes of it"
            there |= COMPOSED[code]
        else:
            there.add(code)
    expect_same(first_cells(section("codes.md", "Errors")), there, "error codes")


def test_every_error_code_has_its_status() -> None:
    rows = re.findall(r"^\| `([^`]+)` \| ([\d, ]+) \|", section("codes.md", "Errors"), re.MULTILINE)
    told = {code: {int(each) for each in statuses.split(",")} for code, statuses in rows}
    wrong = {code: (statuses, told[code]) for code, statuses in refusal_statuses().items() if statuses != told[code]}
    assert wrong == {}


def test_every_reason_of_a_decision_is_told() -> None:
    told = section("codes.md", "Why a purchase is declined, or waits")
    expect_same(first_cells(told), set(RETRY_CAN_HELP), "reasons")
    for code, later in RETRY_CAN_HELP.items():
        row = next(line for line in told.splitlines() if line.startswith(f"| `{code}` |"))
        assert row.endswith(f"| {'yes' if later else 'no'} |"), row


@pytest.mark.parametrize(
    ("heading", "there"),
    [
        ("What the card network is answered", set(ANSWERS)),
        ("Discrepancies", set(DISCREPANCY_KINDS)),
        ("Alerts", alert_kinds()),
        ("Why there is no card", set(failures())),
        ("Why a connection is restricted", set(connection.NEXT)),
        ("Errors of commands", set(get_args(Code))),
    ],
)
def test_every_other_code_is_told(heading: str, there: set[str]) -> None:
    expect_same(first_cells(section("codes.md", heading)), there, heading)


def test_every_call_is_told() -> None:
    there = {f"{method.upper()} {path}" for path, calls in openapi()["paths"].items() for method in calls}
    expect_same(first_cells(section("api.md", "Calls")), there, "calls")


def test_every_address_beside_the_api_is_told() -> None:
    """Those of the dashboard are in docs/dashboard.md as a whole; the others one by one."""
    told = section("api.md", "Beside the API")
    named = {
        (method, path)
        for row in re.findall(r"^\| (.+?) \| ", told, re.MULTILINE)
        for methods, path in re.findall(r"((?:GET|POST)(?:`, `(?:GET|POST))*) (/[^`]*)", row)
        for method in re.findall(r"GET|POST", methods)
    }
    assert named <= unlisted_routes(), sorted(named - unlisted_routes())
    machines = {(method, path) for method, path in unlisted_routes() if path.startswith(("/api/", "/connect/stripe"))}
    machines |= {("GET", path) for path in ("/healthz", "/readyz", "/metrics", "/openapi.json", "/docs", "/reveal")}
    assert machines <= named, sorted(machines - named)


@pytest.mark.parametrize(
    ("name", "statuses"),
    [
        ("purchase", purchase.STATUSES), ("card", card.STATUSES), ("authorization", [*FINAL_STATUSES, "pending"]),
        ("approval", approval.STATUSES), ("connection", connection.STATUSES),
    ],
)  # fmt: skip
def test_every_status_has_its_box_and_every_step_its_place(name: str, statuses: list[str]) -> None:
    drawing, steps = DRAWINGS[name]
    assert sorted(drawing.boxes) == sorted(statuses)
    pairs = {(before, after) for before, after, _ in steps()}
    assert set(drawing.ways) | drawing.beside <= pairs, "a step that is drawn is none any more"
    # Each status but those that end can be left, and each can be reached.
    assert {after for _, after in pairs} == set(statuses)
