"""What loosens rules, what does not, and that nothing which loosens is missed beside the rules of other scopes."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roony.core.agent import Agent, Organization, Project
from roony.core.budget import Budget
from roony.core.control import FIELDS, MERGED_APART, Control, Controls, parse_controls, strictest
from roony.core.loosening import SETTING, loosened, looser_controls, mark_of, values_in_words
from roony.core.user import User

ORG = Organization("org", "Acme", "usd", "UTC", None, None, "decline", "sealed", 0, "{}", "0", 0, "", 0, 0)
AGENT = Agent("org", "agt", "prj", '["prj"]', "Buyer", "", None, None, 0)
PROJECT = Project("org", "prj", "Research", None, 0)
USER = User("org", "usr", "Ann", "ann@example.com", "viewer", 0, None)
BUDGET = Budget("org", "bud", "agent", "agt", "usd", "month", "UTC", 500, 0)
WEEK = {"days": ["mon", "tue"], "from": "09:00", "to": "17:00"}


def control(**fields: Any) -> Control:
    return Control("org", "ctl", "agent", "agt", 1, json.dumps(fields), 0)


def what(before: Any, after: Any, organization: Organization = ORG, **limited: list[str]) -> list[str]:
    return [one["what"] for one in loosened([(before, after)], organization, limited)]


LOOSER: list[tuple[str, Any, Any]] = [
    ("purchase_limit", 500, 501), ("purchase_limit", 500, None), ("approval_threshold", 0, 1),
    ("second_approval_threshold", 1, None), ("velocity_count", 1, 2), ("velocity_amount", 1, 2),
    ("approve_new_merchants", True, False), ("approve_new_merchants", True, None),
    ("blocked_merchants", ["Figma", "Acme"], ["Figma"]), ("blocked_categories", ["software"], None),
    ("blocked_countries", ["US"], ["DE"]), ("approve_categories", ["software"], None),
    ("allowed_merchants", ["Figma"], ["Figma", "Acme"]), ("allowed_merchants", ["Figma"], None),
    ("allowed_countries", ["US"], ["US", "DE"]), ("allowed_categories", ["software"], None),
    ("active_hours", WEEK, None), ("active_hours", WEEK, {**WEEK, "to": "17:01"}),
    ("active_hours", WEEK, {**WEEK, "days": ["mon", "wed"]}),
    ("card_ttl_seconds", None, 3_601), ("card_ttl_seconds", 60, None), ("card_ttl_seconds", 60, 61),
    ("tolerance_amount", None, 1), ("tolerance_percent", 1, 2), ("tolerance_amount", 5, None),
    ("merchant_lock", "strict", "monitor"), ("merchant_lock", None, "monitor"),
    ("foreign_currency", None, "allow"), ("delivery", None, "raw"), ("delivery", "sealed", None),
    ("duplicate_window_seconds", None, 899), ("duplicate_window_seconds", 60, 59),
]  # fmt: skip
AS_STRICT: list[tuple[str, Any, Any]] = [
    ("purchase_limit", 500, 500), ("purchase_limit", 500, 499), ("purchase_limit", None, 500),
    ("approval_threshold", None, 0), ("velocity_count", 2, 1), ("approve_new_merchants", None, True),
    ("approve_new_merchants", False, None), ("blocked_merchants", ["Figma"], ["Figma", "Acme"]),
    ("allowed_merchants", None, ["Figma"]), ("allowed_countries", ["US", "DE"], ["DE"]),
    ("active_hours", None, WEEK), ("active_hours", WEEK, {**WEEK, "from": "10:00"}),
    ("card_ttl_seconds", None, 3_600), ("tolerance_amount", None, 0), ("tolerance_percent", 5, 4),
    ("merchant_lock", "monitor", "strict"), ("foreign_currency", None, "decline"), ("delivery", "raw", "reveal"),
    ("duplicate_window_seconds", 60, 61), ("duplicate_window_seconds", None, 900),
]  # fmt: skip


@pytest.mark.parametrize(("name", "before", "after"), LOOSER)
def test_looser_controls(name: str, before: Any, after: Any) -> None:
    old, new = control(**{name: before}), control(**{name: after})
    [found] = loosened([(old, new)], ORG, {})
    assert found == {**found, "what": name, "of": "agt", "before": before, "after": after}


@pytest.mark.parametrize(("name", "before", "after"), AS_STRICT)
def test_controls_that_are_as_strict_or_stricter(name: str, before: Any, after: Any) -> None:
    assert what(control(**{name: before}), control(**{name: after})) == []


def test_every_control_is_in_both_lists() -> None:
    """Or a new one would be forgotten. How long an approval waits allows nobody anything by itself."""
    named = {name for name, _, _ in LOOSER}
    assert set(FIELDS) - named == {"approval_expiry_seconds"}


_NUMBERS = st.one_of(st.none(), st.integers(0, 3))
_NAMES = st.one_of(st.none(), st.lists(st.sampled_from(["US", "DE", "CZ"]), min_size=1, unique=True))
_CONTROLS = st.fixed_dictionaries({
    **dict.fromkeys(("purchase_limit", "approval_threshold", "velocity_count", "velocity_amount"), _NUMBERS),
    "approve_new_merchants": st.sampled_from([None, True, False]),
    **dict.fromkeys(("allowed_countries", "blocked_countries"), _NAMES),
    "merchant_lock": st.sampled_from([None, "strict", "monitor"]),
    "tolerance_amount": _NUMBERS, "tolerance_percent": _NUMBERS,
}).map(parse_controls)  # fmt: skip


@given(_CONTROLS, _CONTROLS)
def test_what_is_not_looser_allows_nothing_that_was_forbidden(before: Controls, after: Controls) -> None:
    """Beside what was there before, the new controls forbid nothing less: the strictest of both are the new ones."""
    loose = looser_controls(before, after)
    both = strictest([before, after])
    for name in set(FIELDS) - set(MERGED_APART) - set(loose):
        new = getattr(after, name)
        if new is not None or getattr(before, name) is not None:
            assert getattr(both, name) in (new, strictest([both]).__getattribute__(name)), name
            if new is not None:
                assert getattr(strictest([before, after]), name) == getattr(strictest([after]), name), name


def test_budgets() -> None:
    higher, gone, lower = (BUDGET._replace(limit_amount=limit) for limit in (501, None, 499))
    assert [what(BUDGET, after) for after in (higher, gone, lower)] == [["budget usd month"]] * 2 + [[]]
    assert what(gone, BUDGET, org=["usd"]) == []
    assert what(None, BUDGET, org=["usd"]) == []
    assert what(None, BUDGET._replace(currency="eur")) == ["budget eur month"], "that currency was refused before"
    assert what(None, BUDGET._replace(currency="eur", limit_amount=None)) == []


def test_amounts_are_told_as_people_write_them() -> None:
    """The second person sees what the first one typed, a hundredth of what is kept."""
    yen = BUDGET._replace(currency="jpy")
    for before, after, words in (
        (BUDGET, BUDGET._replace(limit_amount=100_000), ("5.00 USD", "1,000.00 USD")),
        (BUDGET, BUDGET._replace(limit_amount=None), ("5.00 USD", "null")),
        (yen, yen._replace(limit_amount=700), ("500 JPY", "700 JPY")),
        (control(purchase_limit=20_000), control(purchase_limit=50_000), ("200.00 USD", "500.00 USD")),
        (control(velocity_count=1), control(velocity_count=2), ("1", "2")),
        (control(blocked_merchants=["Évil"]), control(), ('["Évil"]', "null")),
        (ORG._replace(frozen_at=1), ORG, ("true", "false")),
    ):
        [one] = loosened([(before, after)], ORG, {"org": ["usd"], "agt": ["usd"]})
        assert values_in_words(one) == words
    told_before = {"what": "budget usd month", "of": "agt", "before": 500, "after": 900}
    assert values_in_words(told_before) == ("500", "900"), "one of an older release"


def test_a_first_limit_where_nothing_could_be_spent_for_want_of_one() -> None:
    """Neither where the chain had no budget at all, nor where its scope had some, none in this currency."""
    tracked = BUDGET._replace(limit_amount=None)
    for before in (None, tracked):
        assert what(before, BUDGET) == ["budget usd month"]
        assert what(before, BUDGET, agt=["eur"], org=["usd"]) == ["budget usd month"]
        assert what(before, BUDGET, agt=["usd"]) == [], "one more limit beside another"
        assert what(before, BUDGET, ORG._replace(unbudgeted=1)) == [], "without any it may be spent here"
        assert what(before, BUDGET._replace(limit_amount=0)) == [], "a limit of nothing"
    task = BUDGET._replace(scope="task", scope_id="agt:t1")
    assert what(None, task) == [], "a task's own limit lets nothing through by itself"
    assert what(None, task, **{"agt:*": ["eur"]}) == ["budget usd month"]


def test_freezes_agents_and_projects() -> None:
    for row in (ORG, PROJECT, AGENT):
        frozen = row._replace(frozen_at=1)
        assert what(frozen, row) == ["frozen"]
        assert what(row, frozen) == []
    assert what(None, AGENT) == ["frozen"]
    assert what(None, AGENT._replace(frozen_at=1)) == []
    assert what(None, PROJECT) == []
    assert what(AGENT, AGENT._replace(project_id="prj_2")) == ["projects"]
    assert what(AGENT, AGENT._replace(project_ids='["prj","prj_2"]')) == ["projects"]
    assert what(AGENT, AGENT._replace(name="Other")) == []


def test_what_belongs_to_something_new_loosens_nothing_that_is_there() -> None:
    new = AGENT._replace(id="agt_2", frozen_at=1)
    rules = control(merchant_lock="monitor")._replace(scope_id="agt_2")
    assert loosened([(None, new), (None, rules)], ORG, {}) == []
    assert loosened([(None, rules)], ORG, {}) != []


def test_settings_and_people() -> None:
    for name, value in (("unbudgeted", 1), ("delivery", "raw"), ("unknown_cards", "approve_while_unfrozen")):
        assert what(ORG, ORG._replace(**{name: value})) == [name]
        assert what(ORG._replace(**{name: value}), ORG) == []
    two = ORG._replace(settings=json.dumps({SETTING: True}))
    assert what(two, ORG) == [SETTING]
    assert what(ORG, two) == []
    assert what(None, USER) == []
    approver, admin = USER._replace(role="approver"), USER._replace(role="admin")
    assert what(None, approver) == what(USER, approver) == what(approver, admin) == ["role"]
    assert what(admin, approver) == []
    assert what(None, admin) == ["role"]
    assert what(USER, admin) == ["role"]
    assert what(admin._replace(disabled_at=1), admin) == ["role"]
    assert what(admin, USER) == []
    assert what(admin, admin._replace(role="owner")) == []


def test_the_mark_is_of_what_was_there_and_not_of_the_chain_or_the_clock() -> None:
    moved = ORG._replace(audit_sequence=7, audit_hash="x", clock=9, config_version="2")
    after = ORG._replace(frozen_at=1)
    assert mark_of([(ORG, after)]) == mark_of([(moved, after)])
    assert mark_of([(BUDGET, BUDGET)]) != mark_of([(BUDGET._replace(limit_amount=1), BUDGET)])
    assert mark_of([(None, BUDGET)]) != mark_of([(BUDGET, BUDGET)])
