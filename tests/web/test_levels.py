"""Every control set over the API at every level: explained, kept in versions, and audited with before and after."""

from __future__ import annotations

from typing import Any

from roony.core.control import FIELDS, dump, parse_controls
from tests.support.levels import STRICT_AND_LOOSE
from tests.support.serving import Caller, Company, ServedRoony

ADMIN = "/api/v1/admin"
# As GET /controls calls them, from the narrowest.
NAMES = ("this task", "each task", "this agent", "the project", "the organization")
STRICT = {name: strict for name, (strict, _) in STRICT_AND_LOOSE.items()}
LOOSE = {name: loose for name, (_, loose) in STRICT_AND_LOOSE.items()}


class Chain:
    """An agent with all that stands above it."""

    def __init__(self, company: Company) -> None:
        made, self.agent = company.agent()
        self.owner: Caller = company.owner
        self.scopes = [
            ("task", f"{made['id']}:trip"), ("task", f"{made['id']}:*"), ("agent", made["id"]),
            ("project", company.project_id), ("organization", company.id),
        ]  # fmt: skip

    def set(self, place: int, controls: dict[str, Any]) -> dict[str, Any]:
        scope, scope_id = self.scopes[place]
        body = {"scope": scope, "scope_id": scope_id, "controls": controls}
        return dict(self.owner.send("PUT", f"{ADMIN}/controls", body))

    def rules(self) -> dict[str, list[dict[str, Any]]]:
        found: dict[str, list[dict[str, Any]]] = {name: [] for name in FIELDS}
        for rule in self.agent.get("/api/v1/controls", params={"task_id": "trip"})["merged"]:
            found[rule["control"]].append(rule)
        return found


def test_every_control_is_explained_with_the_level_it_comes_from(roony: ServedRoony) -> None:
    chain = Chain(roony.company(delivery="raw"))
    for place, level in enumerate(NAMES):
        for other in range(len(NAMES)):
            chain.set(other, STRICT if other == place else {})
        for name, rules in chain.rules().items():
            [rule] = rules
            assert rule["value"] == dump(parse_controls({name: STRICT[name]}))[name]
            assert rule["set_by"] == [dict(zip(("scope", "scope_id"), chain.scopes[place], strict=True))]
            assert rule["sentence"].endswith(f" (set for {level}).")


def test_the_strictest_level_is_the_one_that_is_named(roony: ServedRoony) -> None:
    chain = Chain(roony.company(delivery="raw"))
    for place, level in enumerate(NAMES):
        for other in range(len(NAMES)):
            chain.set(other, STRICT if other == place else LOOSE)
        for name, rules in chain.rules().items():
            said = [rule["sentence"] for rule in rules]
            if isinstance(STRICT[name], int | str):
                assert [rule["value"] for rule in rules] == [STRICT[name]]
                assert said[0].endswith(f" (set for {level}).")
            else:
                # Lists of all levels are one, or stand level by level.
                assert any(level in sentence for sentence in said), (name, said)
        # No category is on both lists.
        assert "to be named in the ask: none (set for" in chain.rules()["allowed_categories"][0]["sentence"]


def test_every_change_is_a_version_and_a_record_at_every_level(company: Company) -> None:
    chain = Chain(company)
    for place, (scope, scope_id) in enumerate(chain.scopes):
        for version, controls in enumerate((STRICT, LOOSE, {}), 1):
            assert chain.set(place, controls)["version"] == version
        id, _, task = scope_id.partition(":")
        path, params = f"{ADMIN}/controls/{id}/versions", {"task_id": task} if task else {}
        kept = chain.owner.get(path, params=params)["data"]
        assert [(row["version"], row["scope"], row["controls"]) for row in kept] == [
            (3, scope, {}), (2, scope, LOOSE), (1, scope, STRICT),
        ]  # fmt: skip
        records = chain.owner.get(f"{ADMIN}/audit", params={"limit": 3})["data"]
        assert [(row["action"], row["body"]["scope_id"], row["body"]["version"]) for row in records] == [
            ("controls.set", scope_id, 3), ("controls.set", scope_id, 2), ("controls.set", scope_id, 1),
        ]  # fmt: skip
        assert [(row["body"]["before"], row["body"]["after"]) for row in records] == [
            (LOOSE, {}), (STRICT, LOOSE), ({}, STRICT),
        ]  # fmt: skip


def test_of_two_who_edit_one_level_the_second_is_told(company: Company) -> None:
    chain = Chain(company)
    for scope, scope_id in chain.scopes:
        body = {"scope": scope, "scope_id": scope_id, "controls": {"purchase_limit": 1}, "expected_version": 0}
        assert chain.owner.send("PUT", f"{ADMIN}/controls", body)["version"] == 1
        error = chain.owner.refused(409, "PUT", f"{ADMIN}/controls", {**body, "controls": {"purchase_limit": 2}})
        assert (error["code"], error["field"]) == ("version_conflict", "expected_version")
        assert "at version 1, not 0" in error["message"]
        [row] = chain.owner.get(f"{ADMIN}/controls", params={"scope": scope, "scope_id": scope_id})["data"]
        assert (row["version"], row["controls"]) == (1, {"purchase_limit": 1})
        assert chain.owner.send("PUT", f"{ADMIN}/controls", {**body, "expected_version": 1})["version"] == 2
