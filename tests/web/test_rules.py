"""Controls as code: the rules of a whole organization as one document, applied in one commit or not at all."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable
from typing import Any

import pytest

from roony.core.categories import COUNTRIES
from roony.core.control import FIELDS
from roony.core.rulebook import to_document
from roony.store.database import Database
from roony.store.queries.rulebook import read_rulebook
from tests.support.serving import Caller, Company, ServedRoony
from tests.web.conftest import MONTH

RULES, ADMIN = "/api/v1/admin/rules", "/api/v1/admin"


def apply(owner: Caller, document: dict[str, Any], **query: Any) -> Any:
    return owner.send("PUT", RULES, document, params={"dry_run": "false", **query})


def refused(owner: Caller, status: int, document: dict[str, Any], **query: Any) -> dict[str, Any]:
    """The error; and nothing at all is another than before."""
    before = (owner.get(RULES), records(owner))
    error = owner.refused(status, "PUT", RULES, document, params=query)
    assert (owner.get(RULES), records(owner)) == before
    return error


def records(owner: Caller) -> list[dict[str, Any]]:
    """The newest audit records, the newest first."""
    return list(owner.get(f"{ADMIN}/audit", params={"limit": 100})["data"])


def fields(answer: Any) -> list[tuple[str, str, Any, Any]]:
    return [(row["path"], row["field"], row["before"], row["after"]) for row in answer["changes"]]


def test_a_document_brings_every_level_to_what_it_says_in_one_commit(company: Company) -> None:
    owner, (made, _) = company.owner, company.agent(budgets=[MONTH], controls={"purchase_limit": 700})
    agent = f"agents.{made['id']}"
    owner.send("PUT", f"{ADMIN}/controls", {"scope": "organization", "controls": {"velocity_count": 9}})
    before = len(records(owner))
    document = {
        "organization": {"controls": {"blocked_countries": ["CU"]}, "budgets": {"eur": {"day": 5}}},
        "projects": {company.project_id: {"name": "Renamed", "controls": {"velocity_amount": 8}}},
        "agents": {made["id"]: {
            "controls": {}, "budgets": {"usd": {"month": None, "day": 1_000}},
            "each_task": {"budgets": {"usd": {"lifetime": 40}}}, "tasks": {"trip": {"controls": {"purchase_limit": 3}}},
        }},
    }  # fmt: skip
    dry = apply(owner, document, dry_run="true")
    assert not dry["applied"]
    assert len(records(owner)) == before
    done = apply(owner, document, plan=dry["plan"])
    assert (done["applied"], fields(done), done["stale"]) == (True, fields(dry), [])
    assert fields(done) == [
        ("organization", "controls.velocity_count", 9, None),
        ("organization", "controls.blocked_countries", None, ["CU"]),
        ("organization", "budgets.eur.day", None, 5),
        (f"projects.{company.project_id}", "name", "Default", "Renamed"),
        (f"projects.{company.project_id}", "controls.velocity_amount", None, 8),
        (agent, "controls.purchase_limit", 700, None),
        (agent, "budgets.usd.month", 500_000, None),
        (agent, "budgets.usd.day", None, 1_000),
        (f"{agent}.each_task", "budgets.usd.lifetime", None, 40),
        (f"{agent}.tasks.trip", "controls.purchase_limit", None, 3),
    ]
    new = records(owner)[: len(records(owner)) - before]
    assert [(row["action"], row["body"]["before"], row["body"]["after"]) for row in reversed(new)] == [
        ("controls.set", {"velocity_count": 9}, {"blocked_countries": ["CU"]}), ("budget.set", None, 5),
        ("project.updated", {"name": "Default"}, {"name": "Renamed"}), ("controls.set", {}, {"velocity_amount": 8}),
        ("controls.set", {"purchase_limit": 700}, {}), ("budget.set", 500_000, None), ("budget.set", None, 1_000),
        ("budget.set", None, 40), ("controls.set", {}, {"purchase_limit": 3}),
    ]  # fmt: skip
    # All of it in one commit: one `now`.
    assert len({row["at"] for row in new}) == 1
    task = owner.get(RULES)["agents"][made["id"]]["tasks"]["trip"]
    assert task["controls"] == {"purchase_limit": 3}
    assert owner.get(f"{ADMIN}/controls/{made['id']}/versions")["data"][0]["version"] == 2
    assert apply(owner, document)["changes"] == []


def test_projects_and_agents_that_are_not_there_are_made_without_a_key(company: Company) -> None:
    owner = company.owner
    document = {
        "projects": {"Travel": {"controls": {"purchase_limit": 9}, "budgets": {"usd": {"month": 70}}}},
        "agents": {
            "Booker": {"project": "Travel", "controls": {"velocity_count": 1}, "budgets": {"usd": {"day": 5}},
                       "each_task": {"controls": {"purchase_limit": 2}}},
            "Clerk": {},
        },
    }  # fmt: skip
    dry = apply(owner, document, dry_run="true")
    assert [row["scope_id"] for row in dry["changes"] if row["field"] == "new"] == [None, None, None]
    done = apply(owner, document, plan=dry["plan"])
    project, booker, clerk = (row["scope_id"] for row in done["changes"] if row["field"] == "new")
    rules = owner.get(RULES)
    assert rules["projects"][project]["controls"] == {"purchase_limit": 9}
    assert (rules["agents"][booker]["project"], rules["agents"][clerk]["project"]) == (project, company.project_id)
    assert rules["agents"][booker]["budgets"] == {"usd": {"day": 5}}
    assert rules["agents"][booker]["each_task"]["controls"] == {"purchase_limit": 2}
    assert owner.get(f"{ADMIN}/agents/{booker}/keys")["data"] == []
    assert owner.get(f"{ADMIN}/budgets", params={"scope_id": clerk})["data"][0]["limit"] is None
    # The second time they are there.
    assert apply(owner, document)["changes"] == []
    moved = apply(owner, {"agents": {"Clerk": {"project": "Travel"}}})
    assert fields(moved) == [("agents.Clerk", "project", company.project_id, project)]
    assert owner.get(f"{ADMIN}/agents/{clerk}")["project_id"] == project


def test_what_was_changed_since_the_export_is_not_overwritten(company: Company) -> None:
    owner, (made, _) = company.owner, company.agent(controls={"purchase_limit": 700})
    where, path = {"scope": "agent", "scope_id": made["id"]}, f"agents.{made['id']}"
    exported = owner.get(RULES)
    owner.send("PUT", f"{ADMIN}/controls", {**where, "controls": {"purchase_limit": 600}})
    owner.send("PUT", f"{ADMIN}/budgets", {**where, **MONTH})
    mine = exported["agents"][made["id"]]
    mine.update(controls={"purchase_limit": 800}, budgets={"usd": {"day": 1}})
    exported["organization"]["controls"] = {"velocity_count": 5}
    error = refused(owner, 409, exported)
    assert (error["code"], error["field"]) == ("rules_changed", f"{path}.version")
    assert f"controls of {path}, budgets of {path}" in error["message"]
    dry = apply(owner, exported, dry_run="true")
    assert dry["stale"] == [{"path": path, "what": "controls"}, {"path": path, "what": "budgets"}]
    # What somebody else changed and the document does not touch is no conflict.
    del mine["budgets"]
    assert apply(owner, exported, dry_run="true")["stale"] == [{"path": path, "what": "controls"}]
    mine["controls"] = {"purchase_limit": 600}
    assert fields(apply(owner, exported)) == [("organization", "controls.velocity_count", None, 5)]
    mine["controls"] = {"purchase_limit": 800}
    assert refused(owner, 409, exported)["code"] == "rules_changed"
    assert fields(apply(owner, exported, force="true"))[-1] == (path, "controls.purchase_limit", 600, 800)


def test_a_plan_that_is_not_what_was_shown_is_refused(company: Company) -> None:
    owner, (made, _) = company.owner, company.agent(controls={"purchase_limit": 700})
    document = {"agents": {made["id"]: {"controls": {"purchase_limit": 1}}}}
    plan = apply(owner, document, dry_run="true")["plan"]
    where = {"scope": "agent", "scope_id": made["id"]}
    owner.send("PUT", f"{ADMIN}/controls", {**where, "controls": {"velocity_count": 1}})
    assert refused(owner, 409, document, plan=plan, force="true")["field"] == "plan"


def test_of_two_who_apply_at_once_one_is_told(roony: ServedRoony) -> None:
    """Each begins from the same rules; whoever is second would take back what the first did."""
    company = roony.company()
    base = company.owner.get(RULES)["organization"]["version"]
    callers = [roony.caller(company.owner.key) for _ in range(4)]
    ready, codes = threading.Barrier(len(callers)), []

    def one(place: int, caller: Caller) -> None:
        document = {"organization": {"version": base, "controls": {"purchase_limit": place + 1}}}
        ready.wait()
        codes.append(caller.call("PUT", RULES, document).status_code)

    threads = [threading.Thread(target=one, args=pair) for pair in enumerate(callers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(codes) == [200, 409, 409, 409]
    assert len(company.owner.get(f"{ADMIN}/controls/{company.id}/versions")["data"]) == 1


def test_what_two_would_make_at_once_is_made_once(roony: ServedRoony) -> None:
    from roony.core.errors import Refusal
    from roony.flows.rulebook import Plan, plan_rules

    company = roony.company()
    document = {"projects": {"Travel": {}}, "agents": {"Booker": {"project": "Travel"}}}
    plans = [plan_rules(roony.context, company.id, document, "usr_1") for _ in range(2)]
    answers = [roony.context.till.submit_and_wait(plan.command) for plan in plans if isinstance(plan, Plan)]
    assert answers[0] is None
    assert isinstance(answers[1], Refusal)
    assert (answers[1].code, answers[1].status) == ("rules_changed", 409)
    rules = company.owner.get(RULES)
    names = [[row["name"] for row in rules[kind].values()] for kind in ("projects", "agents")]
    assert [sorted(found) for found in names] == [["Default", "Travel"], ["Booker"]]
    # Renamed, it makes room for another of the name.
    [booker] = rules["agents"]
    apply(company.owner, {"agents": {booker: {"name": "Old"}}})
    apply(company.owner, document)
    assert sorted(row["name"] for row in company.owner.get(RULES)["agents"].values()) == ["Booker", "Old"]


def test_a_scope_that_changes_between_plan_and_commit_stops_all_of_it(roony: ServedRoony) -> None:
    from roony.core.errors import Refusal
    from roony.flows.rulebook import Plan, plan_rules

    company = roony.company()
    owner, (made, _) = company.owner, company.agent()
    document = {
        "organization": {"controls": {"purchase_limit": 1}},
        "agents": {made["id"]: {"budgets": {"usd": {"day": 1}}}},
    }
    plan = plan_rules(roony.context, company.id, document, "usr_1")
    assert isinstance(plan, Plan)
    owner.send("PUT", f"{ADMIN}/budgets", {"scope": "agent", "scope_id": made["id"], **MONTH})
    before = owner.get(RULES)
    answer = roony.context.till.submit_and_wait(plan.command)
    assert isinstance(answer, Refusal)
    assert (answer.code, answer.field) == ("rules_changed", f"agents.{made['id']}.version")
    assert owner.get(RULES) == before


WRONG: list[tuple[dict[str, Any], int, str]] = [
    ({"people": {}}, 422, "people"),
    ({"organization": {"controls": None}}, 422, "organization.controls"),
    ({"organization": {"controls": {"nonsense": 1}}}, 422, "organization.controls.nonsense"),
    ({"organization": {"controls": {"purchase_limit": "5"}}}, 422, "organization.controls.purchase_limit"),
    ({"organization": {"name": "Mine"}}, 422, "organization.name"),
    ({"organization": {"version": "3"}}, 422, "organization.version"),
    ({"organization": {"budgets": {"usd": {"month": 1.5}}}}, 422, "organization.budgets.usd.month"),
    ({"organization": {"budgets": {"usd": {"year": 1}}}}, 422, "organization.budgets.usd.year"),
    ({"organization": {"budgets": {"zzz": {"day": 1}}}}, 422, "organization.budgets.zzz"),
    ({"organization": {"budgets": {"usd": {"day": -1}}}}, 422, "organization.budgets.usd.day"),
    ({"projects": {"p": {"each_task": {}}}}, 422, "projects.p.each_task"),
    ({"projects": {"p": {"name": "q"}}}, 422, "projects.p.name"),
    ({"projects": {"prj_none": {}}}, 404, "projects.prj_none"),
    ({"agents": {"agt_none": {}}}, 404, "agents.agt_none"),
    ({"agents": {"a": {"project": "nobody's"}}}, 422, "agents.a.project"),
    ({"agents": {"a": {"project": "prj_none"}}}, 404, "agents.a.project"),
    ({"agents": {"a": {"tasks": {"*": {}}}}}, 422, "agents.a.tasks.*"),
    ({"agents": {"a": {"tasks": {"": {}}}}}, 422, "agents.a.tasks."),
    ({"agents": {"a": {"tasks": {"t": {"controls": {"card_ttl_seconds": 1}}}}}}, 422,
     "agents.a.tasks.t.controls.card_ttl_seconds"),
    ({"agents": {"a": {"each_task": {"tasks": {}}}}}, 422, "agents.a.each_task.tasks"),
]  # fmt: skip


def test_a_document_that_cannot_be_says_where_and_changes_nothing(company: Company) -> None:
    good = {"controls": {"purchase_limit": 1}}
    for document, status, field in WRONG:
        whole = {"organization": good, "projects": {"New": good}, **document}
        error = refused(company.owner, status, whole)
        assert error.get("field") == field, document


def test_a_name_that_two_have_and_one_thing_twice_are_refused(company: Company) -> None:
    owner, (first, _), (second, _) = company.owner, company.agent("Twin"), company.agent("Twin")
    error = refused(owner, 422, {"agents": {"Twin": {}}})
    assert error["field"] == "agents.Twin"
    assert first["id"] in error["message"]
    assert second["id"] in error["message"]
    only, _ = company.agent("Only")
    error = refused(owner, 422, {"agents": {only["id"]: {}, "Only": {}}})
    assert error["message"] == f"It is the same as agents.{only['id']}."


def test_more_than_one_commit_should_hold_is_refused(company: Company) -> None:
    from roony.flows.rulebook import MAX_CHANGES

    many = {"projects": {f"P{n}": {} for n in range(MAX_CHANGES + 1)}}
    limits = {currency: {"day": 1, "week": 2, "month": 3} for currency in ("usd", "eur", "gbp", "jpy")}
    heavy = {"agents": {f"A{n}": {"budgets": limits} for n in range(MAX_CHANGES // 12)}}
    for document in (many, heavy):
        assert refused(company.owner, 422, document)["code"] == "too_many_changes"
    del many["projects"]["P0"]
    assert len(apply(company.owner, many)["changes"]) == MAX_CHANGES


def test_the_ids_of_others_are_as_unknown_as_any(roony: ServedRoony) -> None:
    company, other = roony.company(), roony.company()
    theirs, _ = other.agent()
    for document in (
        {"agents": {theirs["id"]: {"controls": {"purchase_limit": 1}}}},
        {"projects": {other.project_id: {"name": "Mine"}}},
        {"agents": {"New": {"project": other.project_id}}},
    ):
        error = refused(company.owner, 404, document)
        assert error["code"] == "not_found"
    assert other.id not in str(company.owner.get(RULES))


def some_controls(dice: random.Random) -> dict[str, Any]:
    """Some of all controls, with values an owner may write."""
    values: dict[str, Any] = {
        "approve_new_merchants": dice.random() < 0.5, "merchant_lock": dice.choice(["strict", "monitor"]),
        "foreign_currency": dice.choice(["allow", "decline"]), "delivery": dice.choice(["raw", "sealed", "reveal"]),
        "active_hours": {"days": dice.sample(["mon", "wed", "sun"], 2), "from": "22:00", "to": "06:30"},
    }  # fmt: skip
    chosen = {}
    for name in dice.sample(FIELDS, dice.randrange(0, 6)):
        if name in values:
            chosen[name] = values[name]
        elif "merchants" in name:
            chosen[name] = dice.sample(["Figma", "Notion Labs", "Žluťoučký kůň", "no: *yaml"], 2)
        elif "categories" in name:
            chosen[name] = dice.sample(["never", "software", "5734", "airlines_air_carriers"], 2)
        elif "countries" in name:
            chosen[name] = [code.lower() for code in dice.sample(sorted(COUNTRIES), 3)]
        else:
            chosen[name] = dice.randrange(60, 101)
    return chosen


def some_rules(dice: random.Random) -> dict[str, Any]:
    limits = {period: dice.randrange(0, 10**9) for period in dice.sample(["day", "week", "month", "lifetime"], 2)}
    return {"controls": some_controls(dice), "budgets": {dice.choice(["usd", "eur", "jpy"]): limits}}


@pytest.mark.parametrize("seed", range(4))
def test_what_is_exported_and_applied_changes_nothing_and_rebuilds_another_organization(
    seed: int, roony: ServedRoony
) -> None:
    dice, company, copy = random.Random(seed), roony.company(), roony.company()
    projects = {name: some_rules(dice) for name in ("Research", "2024", "yes")}
    agents = {
        f"Agent {n}": {
            "project": dice.choice(sorted(projects)), **some_rules(dice), "each_task": some_rules(dice),
            "tasks": {task: some_rules(dice) for task in dice.sample(["trip", "1", "a.b: c", "null"], 2)},
        }
        for n in range(3)
    }  # fmt: skip
    apply(company.owner, {"organization": some_rules(dice), "projects": projects, "agents": agents})
    exported = company.owner.get(RULES)
    assert apply(company.owner, exported)["changes"] == []
    assert company.owner.get(RULES) == exported
    # By names, into an organization that has none of it.
    names = {id: rules["name"] for id, rules in exported["projects"].items() if id != company.project_id}
    document = {
        "organization": exported["organization"],
        "projects": {names[id]: rules for id, rules in exported["projects"].items() if id in names},
        "agents": {r["name"]: {**r, "project": names[r["project"]]} for r in exported["agents"].values()},
    }
    apply(copy.owner, document, force="true")
    again = copy.owner.get(RULES)

    def plain(rules: Any) -> Any:
        """Without ids and versions, which are each organization's own."""
        if not isinstance(rules, dict):
            return rules
        shown = {name: plain(value) for name, value in rules.items() if name not in ("version", "project")}
        return sorted(map(str, shown.values())) if any(name[:4] in ("prj_", "agt_") for name in shown) else shown

    assert plain(again) == plain(exported)


class Interrupted:
    """A database in which something is committed after so many reads."""

    def __init__(self, database: Database, reads: int, commit: Callable[[], None]) -> None:
        self._database, self._reads, self._commit = database, reads, commit

    def read(self, statement: Any) -> Any:
        rows = self._database.read(statement)
        self._reads -= 1
        if self._reads == 0:
            self._commit()
        return rows


@pytest.mark.parametrize("reads", range(1, 5))
def test_what_is_made_while_a_document_is_read(reads: int, roony: ServedRoony, company: Company) -> None:
    """Each kind of row is read by itself: what was read of one goes with what is read of the next."""
    made: list[str] = []

    def commit() -> None:
        project = company.owner.send("POST", f"{ADMIN}/projects", {"name": "New"}, 201)["id"]
        made.append(company.agent(project_id=project)[0]["id"])
        apply(company.owner, {"agents": {made[0]: {"each_task": {"controls": {"velocity_count": 3}}}}})

    book = read_rulebook(Interrupted(roony.context.database, reads, commit), company.id)  # type: ignore[arg-type]
    assert made
    assert book is not None
    # And it can be applied, whatever of it was seen; rules that are not the newest are said to be so.
    dry = apply(company.owner, to_document(book), dry_run="true")
    assert {row["path"] for row in dry["changes"]} <= {row["path"] for row in dry["stale"]}
