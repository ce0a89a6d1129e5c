"""What people type and read: amounts, limits, controls, scopes, and the private files beside the database."""

from __future__ import annotations

import stat
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from roony.cli.amounts import minor_units
from roony.cli.budget import parse_limits, scope_of
from roony.cli.commands import app
from roony.cli.control import parse_fields
from roony.cli.local_key import keep_local_key, local_key_file, read_local_key
from roony.cli.output import money
from roony.cli.remote import is_here
from roony.cli.simulation import files_of, made_secrets
from roony.config import Settings


@pytest.mark.parametrize(
    ("text", "currency", "expected"),
    [
        ("49.99", "usd", 4999), ("49.9", "usd", 4990), ("49", "usd", 4900), ("0.01", "eur", 1), ("500", "jpy", 500),
        ("1.234", "kwd", 1234), (" 5 ", "usd", 500), ("0.10", "USD", 10), ("999999999999.99", "usd", 99999999999999),
    ],
)  # fmt: skip
def test_amounts_are_exact(text: str, currency: str, expected: int) -> None:
    assert minor_units(text, currency) == expected


@pytest.mark.parametrize(
    ("text", "currency"),
    [("", "usd"), ("-1", "usd"), ("1,000", "usd"), ("1e3", "usd"), ("NaN", "usd"), ("1.999", "usd"), ("1.5", "jpy"),
     (".5", "usd"), ("5.", "usd"), ("٥", "usd"), ("1" * 13, "usd")],
)  # fmt: skip
def test_what_is_no_amount_is_refused(text: str, currency: str) -> None:
    with pytest.raises(typer.BadParameter):
        minor_units(text, currency)


def test_amounts_are_shown_in_their_currency() -> None:
    assert [money(12999, "usd"), money(5000, "jpy"), money(-5, "eur"), money(None, "usd")] == [
        "129.99 USD", "5,000 JPY", "-0.05 EUR", "no limit",
    ]  # fmt: skip


def test_limits_are_read() -> None:
    assert parse_limits(["month=500.00", "day=5:EUR", "lifetime=100:jpy"]) == [
        {"period": "month", "limit": 50000, "currency": "usd"},
        {"period": "day", "limit": 500, "currency": "eur"},
        {"period": "lifetime", "limit": 100, "currency": "jpy"},
    ]
    for wrong in ("month", "=5", "month="):
        with pytest.raises(typer.BadParameter):
            parse_limits([wrong])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("purchase_limit=50000", {"purchase_limit": 50000}),
        ("purchase-limit=0", {"purchase_limit": 0}),
        ("allowed_countries=US, CA", {"allowed_countries": ["US", "CA"]}),
        ("allowed_merchants=Figma", {"allowed_merchants": ["Figma"]}),
        ("approve_new_merchants=yes", {"approve_new_merchants": True}),
        ("approve_new_merchants=false", {"approve_new_merchants": False}),
        ("merchant_lock=strict", {"merchant_lock": "strict"}),
        ('active_hours={"days":["mon"],"from":"09:00","to":"17:00"}',
         {"active_hours": {"days": ["mon"], "from": "09:00", "to": "17:00"}}),
        ("purchase_limit=none", {}),
    ],
)  # fmt: skip
def test_controls_are_read(text: str, expected: dict[str, Any]) -> None:
    assert parse_fields([text]) == expected


@pytest.mark.parametrize("text", ["purchase_limit", "=5", "active_hours={"])
def test_what_is_no_control_is_refused(text: str) -> None:
    with pytest.raises(typer.BadParameter):
        parse_fields([text])


def test_a_scope_is_known_by_its_id() -> None:
    assert scope_of(None) == {"scope": "organization"}
    assert scope_of("agt_1") == {"scope": "agent", "scope_id": "agt_1"}
    assert scope_of("prj_1") == {"scope": "project", "scope_id": "prj_1"}
    assert scope_of("org_1") == {"scope": "organization", "scope_id": "org_1"}
    with pytest.raises(typer.BadParameter):
        scope_of("pur_1")
    with pytest.raises(typer.BadParameter, match="`roony agent list`"):
        scope_of("agt_…")


def test_the_local_key_is_sent_to_this_machine_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It opens the database it lies beside, and no Roony elsewhere has to know it."""
    url = f"sqlite:///{tmp_path / 'roony.db'}"
    keep_local_key(url, "roony_admin_1")
    monkeypatch.setenv("ROONY_DATABASE_URL", url)
    monkeypatch.delenv("ROONY_ADMIN_KEY", raising=False)
    for elsewhere in ("http://192.0.2.1:8000", "https://[2001:db8::1]", "http://[", "nonsense"):
        refused = CliRunner().invoke(app, ["approval", "list", "--url", elsewhere])
        assert (refused.exit_code, "is not this machine" in refused.stderr) == (2, True), refused.output
    for here in ("http://127.0.0.1:8000", "http://localhost:1", "http://127.0.0.2"):
        assert is_here(here)


def test_the_local_key_is_for_its_owner_only(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/roony.db"
    assert read_local_key(url) is None
    file = keep_local_key(url, "roony_admin_1")
    assert file == local_key_file(url) == tmp_path / "roony.db.admin-key"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert read_local_key(url) == "roony_admin_1"
    file.chmod(0o640)
    assert read_local_key(url) is None
    assert keep_local_key("postgresql://db/roony", "roony_admin_1") is None
    assert read_local_key("nonsense") is None


def test_made_secrets_stay_the_same(tmp_path: Path) -> None:
    file = tmp_path / "secrets"
    made = made_secrets(file)
    assert made == made_secrets(file)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert made != made_secrets(tmp_path / "others")
    for value in (made.roony_secret_keys, made.webhook_secret, made.stripe_secret_key):
        assert value not in repr(made)


def test_a_simulation_lies_beside_its_database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ROONY_DATABASE_URL", f"sqlite:///{tmp_path}/data/roony.db")
    files = files_of(Settings())
    assert files.state == tmp_path / "data" / "roony.db.simulator"
    monkeypatch.setenv("ROONY_DATABASE_URL", "postgresql://user:pw@host/roony")
    assert files_of(Settings()).state == files_of(Settings()).state
    assert "pw" not in str(files_of(Settings()).state)
    monkeypatch.delenv("ROONY_DATABASE_URL")
    first, second = files_of(Settings()), files_of(Settings())
    assert first.state.parent != second.state.parent
    for files in (first, second):
        files.state.parent.rmdir()
