"""A dry run over a random company's past: rules that change nothing change no decision, and stricter ones only some."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from roony.core.errors import Refusal
from roony.core.replay.report import Report
from roony.flows.replay import prepare_replay, run_replay
from tests.random.ground import AGENTS, LIMITS, START, TOLERANCE, DatabaseGround, Ground
from tests.random.watch import Counts
from tests.support.books import AGENT, ORG, PROJECT


def as_document() -> dict[str, Any]:
    """The rules that `ground.company` writes, as `roony control export` would print them."""
    budgets: dict[str, dict[str, dict[str, int]]] = defaultdict(lambda: {"usd": {}})
    for (scope_id, period), limit in LIMITS.items():
        budgets[scope_id]["usd"][period] = limit
    controls: dict[str, dict[str, Any]] = {AGENT: {"approval_threshold": 8_000, "velocity_count": 200}}
    controls["prj_2"] = {"tolerance_amount": TOLERANCE}

    def rules(scope_id: str) -> dict[str, Any]:
        return {"controls": controls.get(scope_id, {}), "budgets": budgets[scope_id]}

    return {
        "organization": rules(ORG),
        "projects": {id: rules(id) for id in (PROJECT, "prj_2")},
        "agents": {id: rules(id) for id in AGENTS},
    }


def replayed(ground: DatabaseGround, document: dict[str, Any], since: int, page: int) -> Report:
    """What a dry run since then says."""
    replay = prepare_replay(ground.database, ORG, document, since, ground.clock(), ground.books.new_id)
    assert not isinstance(replay, Refusal), replay
    report = Report()
    for _ in run_replay(replay, report, page):
        pass
    return report


def check_replay(ground: Ground, counts: Counts) -> None:
    """The same rules, said or not, change nothing; a limit of nothing leaves nothing approved."""
    if not isinstance(ground, DatabaseGround):
        return
    for document, since, page in (
        ({}, START, 3),
        (as_document(), START + 1, 500),
        ({}, (START + ground.clock()) // 2, 7),
    ):
        report = replayed(ground, document, since, page)
        assert (report.changed, report.untold) == (0, {}), [str(one) for one in report.shown]
        counts.words["decisions replayed"] += report.decisions
    nothing = replayed(ground, {"organization": {"controls": {"purchase_limit": 0}}}, START, 500)
    assert {row.after for row in nothing.sums} <= {"declined"}
    asked = [one for one in nothing.shown if one.step == "ask"]
    assert all(one.after_reasons for one in asked)
