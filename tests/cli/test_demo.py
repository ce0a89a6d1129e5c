"""`roony demo`: plays to its end, and ends loudly when a fact is not as expected."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

import roony.cli.demo.checks
import roony.cli.demo.story
from roony.cli.commands import app
from roony.cli.demo.checks import NotAsExpected, Teller
from roony.cli.demo.child import ServedRoony
from tests.docs.blocks import ROOT, blocks
from tests.docs.reader import plain
from tests.support.commands import run_roony

STEPS = 12


def test_the_demo_plays_to_its_end(tmp_path: Path) -> None:
    """With settings of a real installation around, which it must not touch."""
    played = run_roony(
        "demo", TMPDIR=str(tmp_path), STRIPE_SECRET_KEY="sk_live_must_not_be_used", ROONY_DATABASE_URL="sqlite:///x.db"
    )
    assert played.returncode == 0, played.stdout + played.stderr
    for step in range(1, STEPS + 1):
        assert f"\n{step}. " in played.stdout
    for fact in ("webhook_approved", "BUDGET_EXCEEDED", "MERCHANT_MISMATCH", "card_canceled", "AGENT_SUSPENDED",
                 "purchase: expired", "verified", "129.99 USD", "iauth_", "pur_", "crd_", "ic_"):  # fmt: skip
        assert fact in played.stdout
    assert "✗" not in played.stdout
    shown = next(block.text for block in blocks(ROOT / "README.md") if block.what == "tests/cli/test_demo.py")
    assert set(plain(shown)) - {"…"} <= set(plain(played.stdout))
    assert "\x1b[" not in played.stdout
    assert list(tmp_path.iterdir()) == []


def test_a_fact_that_is_not_so_ends_the_demo_with_1(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))

    def broken(roony: ServedRoony, teller: Teller, folder: Path) -> None:
        teller.step("A step")
        teller.check_money("held", 100, 200)

    monkeypatch.setattr(roony.cli.demo.story, "play", broken)
    result = CliRunner().invoke(app, ["demo"])
    assert result.exit_code == 1
    assert "held: expected 200, found 100" in result.stdout
    assert "FAILED in step 1" in result.stdout


def test_waiting_ends_with_what_was_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(roony.cli.demo.checks, "WAIT_SECONDS", 0.05)
    found = iter(["ready", "ready", "authorized"])
    Teller().until("purchase", lambda: next(found), "authorized")
    with pytest.raises(NotAsExpected, match="expected 'settled', found 'ready'"):
        Teller().until("purchase", lambda: "ready", "settled")
