"""P7 on every operation of openapi.json: an id of others is answered as one that never was, and nothing is written.

The operations are taken from the document, so a new one is tried by itself: with every mix of own and foreign ids in
its path, with a foreign id in each `…_id` of its query and of its body. Where a new one needs a word from here - a
body, or what its ids are ids of - the test fails and names it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from itertools import product
from typing import Any, NamedTuple

import httpx2
import pytest
from sqlalchemy import select

from roony.client.sealed import new_private_key
from roony.core.agent import Organization
from roony.core.alert import Alert
from roony.core.card import Card
from roony.core.connection import Connection
from roony.core.dispute import Dispute
from roony.core.json_text import to_text
from roony.core.loosening import ProposedChange
from roony.core.passkey import Passkey
from roony.core.receipt import ReceiptContent, receipt_of
from roony.core.settlement import Discrepancy, StripeTransaction
from roony.flows.access_key import key_row
from roony.flows.freeze import Unfreeze
from roony.flows.sign_in import new_session
from roony.store.rows import AccountRoute, InboxEvent
from roony.store.second_person import as_text
from roony.store.tables import metadata
from tests.support.books import NOW, holder
from tests.support.serving import Caller, Company, ServedRoony, serve
from tests.web.conftest import MONTH

API, ADMIN = "/api/v1", "/api/v1/admin"
WISH: dict[str, Any] = {"amount": 100, "currency": "usd", "description": "a thing", "merchant": {"name": "Figma"}}
PERSON = {"address": {"line1": "1 Main St", "city": "Oakland", "postal_code": "94601", "country": "US"}}

# What a name in a query or a body is the id of.
NAMED = {
    "agent_id": "agents", "connection_id": "connections", "project_id": "projects", "project_ids": "projects",
    "purchase_id": "purchases", "scope_id": "scopes", "target_id": "receivers",
}  # fmt: skip
# Words of the agent's, of Stripe's and of card networks: no ids of ours, and no way to anything.
NOT_OURS = {"task_id", "object_id", "network_id"}
# Good bodies where `{}` is none, so that what is refused is the id.
BODIES: dict[str, dict[str, Any]] = {
    "POST /api/v1/purchase_intents": WISH,
    "POST /api/v1/purchase_intents/preview": WISH,
    "POST /api/v1/purchase_intents/{id}/raise": {"amount": 200},
    "POST /api/v1/admin/agents": {"name": "New"},
    "PUT /api/v1/admin/agents/{id}/public_key": json.loads(new_private_key().public),
    "PATCH /api/v1/admin/projects/{id}": {"name": "New"},
    "POST /api/v1/admin/budgets": {"period": "day", "limit": 1, "currency": "usd"},
    "PUT /api/v1/admin/budgets": {"period": "day", "limit": 1, "currency": "usd"},
    "PUT /api/v1/admin/controls": {"controls": {}},
    "POST /api/v1/admin/connections/{id}/confirm": {"timeout_declines": True},
    "PUT /api/v1/admin/cardholders": {"cardholder": {"billing": PERSON}},
    "POST /api/v1/admin/discrepancies/{id}/resolve": {"note": "seen"},
    "POST /api/v1/admin/webhook_endpoints/{id}/replay": {"since": "1h"},
}
# These ask Stripe, which is not there: their own ids are tried nowhere here.
AT_STRIPE = (
    "/test_purchase",
    "/preflight",
    "/probe",
    "/setup_webhooks",
    "/disconnect",
    "/approve",
    "/purchase_intents/{id}/card",
)
# The sessions and passkeys of whoever calls: an owner's program has none. tests/web/test_sign_in.py and
# test_passkeys.py end a person's own.
PERSONAL = ("/me/sessions/{id}", "/me/passkeys/{id}")
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")


Ids = dict[str, list[str]]


class Operation(NamedTuple):
    """One method of one path of the document, with its ids: (collection, parameter) in the path, names elsewhere."""

    method: str
    path: str
    path_ids: list[tuple[str, str]]
    query_ids: list[str]
    body: dict[str, Any] | None
    body_ids: list[str]
    scopes: list[str]

    @property
    def name(self) -> str:
        return f"{self.method} {self.path}"

    @property
    def is_admins(self) -> bool:
        return self.path.startswith(ADMIN)

    def with_id(self, name: str, id: str) -> dict[str, Any]:
        """The good body with this id in it; a scope with its kind."""
        body = {**(self.body or {}), name: [id] if name.endswith("s") else id}
        if name == "scope_id":
            kind = "task" if ":" in id else {"agt": "agent", "prj": "project", "org": "organization"}[id[:3]]
            body["scope"] = kind if kind in self.scopes else "agent"
        return body


class Try(NamedTuple):
    """One request; `where` says where the id is that is not the caller's: `path` or the name of a field."""

    operation: Operation
    path: str
    where: str = "path"
    query: dict[str, str] | None = None
    body: dict[str, Any] | None = None

    def __str__(self) -> str:
        return f"{self.operation.method} {self.path} {self.query or ''} {self.body or ''}"

    def ask(self, caller: Caller) -> httpx2.Response:
        return caller.call(self.operation.method, self.path, self.body, params=self.query or {})

    def with_ids(self, others: dict[str, str]) -> Try:
        """The same with other ids in place of these."""
        text = json.dumps([self.path, self.query, self.body])
        for id, other in others.items():
            text = text.replace(id, other)
        path, query, body = json.loads(text)
        return self._replace(path=path, query=query, body=body)


class Town(NamedTuple):
    """A company with one of everything, and the ids of it by collection, as they follow one another in a path."""

    company: Company
    ids: Ids
    agent: Caller
    # What its agent can name, and what belongs to another agent of the company.
    mine: Ids
    neighbours: Ids


def settle(roony: ServedRoony, name: str) -> Town:
    """Everything that has an id: by the API where it takes no Stripe, else as rows."""
    company = roony.company(name)
    org, owner, con = company.id, company.owner, roony.context.new_id("con")
    account = f"acct_{con}"
    found = roony.books.row(Organization, id=org)
    company_holder = holder("ich_1", con, org)._replace(params='{"name": "Town", "type": "company"}')
    roony.books.put(
        found._replace(connection_id=con, config_version=con), company_holder,
        AccountRoute(account, 0, org, con),
        Connection(org, con, "connect", "active", account, 0, "read_write", "usd", None, NOW, NOW),
    )  # fmt: skip
    second = owner.send("POST", f"{ADMIN}/projects", {"name": "Second"}, 201)["id"]
    (made, agent), (_, neighbour) = (
        company.agent("Buyer", project_id=project, budgets=[MONTH], controls={"approval_threshold": 0})
        for project in (company.project_id, second)
    )
    bought, theirs = (who.send("POST", f"{API}/purchase_intents", WISH, 201) for who in (agent, neighbour))
    assert bought["status"] == "awaiting_approval"
    card, refund, finding, dispute, event, alert, change = (
        roony.context.new_id(prefix) for prefix in ("crd", "ipi", "dis", "idp", "evt", "alt", "chg")
    )
    text = as_text(Unfreeze(org, "organization", org, "usr_1", "out_1"))
    looser = to_text([{"what": "frozen", "of": made["id"], "before": True, "after": False}])
    roony.books.put(
        Card(org, card, bought["id"], con, None, "creating", None, "usd", 100, None, None, None, NOW, 0, NOW, NOW),
        StripeTransaction(org, refund, con, None, None, "ic_1", "refund", 1, "usd", 1, "usd", "{}", None, NOW, NOW),
        Discrepancy(org, finding, "unmatched_refund", "open", None, None, refund, "{}", "{}", None, None, NOW, None),
        Dispute(org, dispute, con, refund, "submitted", "other", 1, "usd", 0, "none", 0, NOW, NOW, NOW),
        InboxEvent(event, account, 0, "issuing_card.updated", org, "ic_1", "dead", None, 3, NOW, 0, 1, 1, NOW, NOW,
                   b"{}"),
        Alert(org, alert, "test", "test", "open", "Look.", 1, None, NOW, NOW, None),
        ProposedChange(org, change, "waiting", "usr_1", "change", text, "", looser, None, None, 2 * NOW, NOW),
    )  # fmt: skip
    receipt = receipt_of(org, bought["id"], made["id"], "text/plain", b"paid")
    roony.books.put(receipt, ReceiptContent(org, receipt.id, b"paid"))
    user = owner.send("POST", f"{ADMIN}/users", {"name": "Ann", "email": "ann@example.com", "role": "viewer"}, 201)
    key = owner.send("POST", f"{ADMIN}/users/{user['id']}/keys", {}, 201)
    session = key_row(new_session(roony.context.new_id("key"), "test"), org, None, NOW, user["id"])
    roony.books.put(session)
    passkey = roony.context.new_id("pky")
    roony.books.put(Passkey(passkey, passkey, org, user["id"], "Laptop", b"", 0, "", NOW, None, None))
    hook = owner.send("POST", f"{ADMIN}/webhook_endpoints", {"url": "http://127.0.0.1:9/hook"}, 201)
    sent = owner.send("POST", f"{ADMIN}/webhook_endpoints/{hook['id']}/test", status=202)
    people = owner.send("POST", f"{ADMIN}/message_recipients", {"name": "Ops", "url": "mmost://127.0.0.1/a/b"}, 201)
    [run] = owner.send("POST", f"{ADMIN}/reconciliations", {}, 202)["data"]
    scopes = [made["id"], company.project_id, org, f"{made['id']}:trip", f"{made['id']}:*"]
    ids: Ids = {
        "access_keys": [key["id"], made["key_id"]], "agents": [made["id"]], "agents/keys": [made["key_id"]],
        "alerts": [alert], "approvals": [bought["approval"]["id"]], "cardholders": scopes[:3], "cards": [card],
        "changes": [change],
        "connections": [con], "controls": scopes[:3], "discrepancies": [finding], "disputes": [dispute],
        "events": [event], "projects": [company.project_id], "purchases": [bought["id"]],
        "receipts": [receipt.id], "reconciliations": [run["id"]], "scopes": scopes, "users": [user["id"]],
        "users/keys": [key["id"]], "me/sessions": [session.id], "me/passkeys": [passkey],
        "webhook_deliveries": [sent["id"]], "webhook_endpoints": [hook["id"]],
        "message_recipients": [people["id"]], "receivers": [hook["id"], people["id"]],
    }  # fmt: skip
    mine = {"purchase_intents": [bought["id"]], "projects": [company.project_id]}
    return Town(company, ids, agent, mine, {"purchase_intents": [theirs["id"]], "projects": [second]})


@pytest.fixture(scope="module")
def roony(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServedRoony]:
    with serve(tmp_path_factory.mktemp("walls")) as served:
        yield served


@pytest.fixture(scope="module")
def towns(roony: ServedRoony) -> tuple[Town, Town]:
    return settle(roony, "Here"), settle(roony, "There")


@pytest.fixture(scope="module")
def operations(roony: ServedRoony) -> list[Operation]:
    document = roony.caller().get("/openapi.json")
    found = [
        _operation(method.upper(), path, description, document["components"]["schemas"])
        for path, methods in document["paths"].items()
        for method, description in methods.items()
    ]
    assert len(found) > 80
    return found


def _operation(method: str, path: str, description: dict[str, Any], schemas: dict[str, Any]) -> Operation:
    collections: list[str] = []
    path_ids = []
    for part in path.removeprefix(ADMIN).removeprefix(API).strip("/").split("/"):
        if part.startswith("{"):
            path_ids.append(("/".join(collections), part[1:-1]))
        else:
            collections.append(part)
    query = [one["name"] for one in description.get("parameters", []) if one["in"] == "query"]
    sent = description.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema")
    fields = _fields(sent, schemas) if sent else {}
    body = BODIES.get(f"{method} {path}", {}) if sent else None
    return Operation(
        method, path, path_ids, _ids_in(query), body, _ids_in(fields), fields.get("scope", {}).get("enum", [])
    )


def _fields(schema: dict[str, Any], schemas: dict[str, Any]) -> dict[str, Any]:
    """Every field of a body by name, inner ones too."""
    if "$ref" in schema:
        return _fields(schemas[schema["$ref"].rsplit("/", 1)[1]], schemas)
    found: dict[str, Any] = {}
    for inner in (*schema.get("anyOf", ()), *([schema["items"]] if "items" in schema else ())):
        found |= _fields(inner, schemas)
    for name, field in schema.get("properties", {}).items():
        found |= {name: field, **_fields(field, schemas)}
    return found


def _ids_in(names: Iterable[str]) -> list[str]:
    return [name for name in names if re.search(r"_ids?$", name) and name not in NOT_OURS]


def tries(operation: Operation, own: Ids, foreign: Ids) -> Iterator[Try]:
    """The operation with foreign ids in every place where an id can be, and own ones everywhere else."""
    collections = [collection for collection, _ in operation.path_ids]
    names = [param for _, param in operation.path_ids]
    for collection in collections:
        assert collection in own, f"{operation.path}: no id of {collection} is made in `settle`"
    for chosen in product(*([*own[one], *foreign.get(one, ())] for one in collections)):
        if any(id in foreign.get(one, ()) for one, id in zip(collections, chosen, strict=True)):
            yield Try(operation, operation.path.format(**dict(zip(names, chosen, strict=True))), body=operation.body)
    path = operation.path.format(**{name: own[one][0] for one, name in operation.path_ids})
    for name in operation.query_ids:
        for id in _called(name, foreign, operation):
            yield Try(operation, path, name, {name: id}, operation.body)
    for name, id in _in_body(operation, foreign):
        yield Try(operation, path, name, None, operation.with_id(name, id))


def _in_body(operation: Operation, ids: Ids) -> list[tuple[str, str]]:
    """Each field of the body that is an id with each id it could have; a task only where there may be one."""
    pairs = [(name, id) for name in operation.body_ids for id in _called(name, ids, operation)]
    return [(name, id) for name, id in pairs if ":" not in id or "task" in operation.scopes]


def _called(name: str, ids: Ids, operation: Operation) -> list[str]:
    """The ids that a field of this name could have."""
    assert name in NAMED, f"{operation.path}: `{name}` is an id of what? Say so in NAMED, or in NOT_OURS"
    return ids.get(NAMED[name], [])


def complaint(attempt: Try, caller: Caller, foreign: Ids) -> str | None:
    """What is wrong with the answer: not refused, or not in the words for an id that never was."""
    never = {id: f"{id[:-4]}zzzz" for ids in foreign.values() for id in ids if ":" not in id}
    answers = [one.ask(caller) for one in (attempt, attempt.with_ids(never))]
    texts = [re.sub(r'"request_id":"\w+"', "", answer.text) for answer in answers]
    for id, other in never.items():
        texts[0] = texts[0].replace(id, other)
    status = answers[0].status_code
    if status == answers[1].status_code == 404 and texts[0] == texts[1]:
        return None
    return f"{attempt}: {status} {texts[0]}, never there: {answers[1].status_code} {texts[1]}"


def everything(roony: ServedRoony) -> dict[str, list[str]]:
    """Every row of every table; but when a key was last used is kept a moment after the answer."""
    return {
        name: sorted(map(repr, roony.context.database.read(select(*(c for c in table.c if c.name != "last_used_at")))))
        for name, table in metadata.tables.items()
    }


def expect_walls(roony: ServedRoony, attempts: list[tuple[Try, Caller]], foreign: Ids) -> None:
    """Every attempt is refused as it must be, and all of them together leave nothing."""
    before = everything(roony)
    found = [text for attempt, caller in attempts if (text := complaint(attempt, caller, foreign))]
    assert not found, "\n".join(found)
    assert everything(roony) == before


def test_another_companys_ids_are_as_if_they_never_were(
    roony: ServedRoony, towns: tuple[Town, Town], operations: list[Operation]
) -> None:
    here, there = towns
    admins = [one for one in operations if one.is_admins]
    attempts = [(attempt, here.company.owner) for one in admins for attempt in tries(one, here.ids, there.ids)]
    assert {attempt.operation.name for attempt, _ in attempts} == {
        one.name for one in admins if one.path_ids or one.query_ids or one.body_ids
    }
    expect_walls(roony, attempts, there.ids)


def test_another_agents_ids_are_as_if_they_never_were(
    roony: ServedRoony, towns: tuple[Town, Town], operations: list[Operation]
) -> None:
    """Those of an agent of the same company, and those of another company."""
    here, there = towns
    for foreign in (here.neighbours, there.mine):
        attempts = [
            (attempt, here.agent)
            for one in operations
            if not one.is_admins
            for attempt in tries(one, here.mine, foreign)
        ]
        assert attempts
        expect_walls(roony, attempts, foreign)


def test_no_list_names_what_is_not_the_callers(towns: tuple[Town, Town], operations: list[Operation]) -> None:
    here, there = towns
    for one in operations:
        # A stream has no end; what it sends has tests of its own.
        if one.method != "GET" or one.path_ids or one.path.endswith("/stream"):
            continue
        caller, foreign = (here.company.owner, there.ids) if one.is_admins else (here.agent, here.neighbours)
        text = Try(one, one.path).ask(caller).text
        assert not [id for ids in (*foreign.values(), *there.ids.values()) for id in ids if id in text], one.path


def test_own_ids_are_there(towns: tuple[Town, Town], operations: list[Operation]) -> None:
    """What is refused above is refused for the ids alone: the same requests with own ids find what they name."""
    here, _ = towns
    wrong = []
    for one in sorted(operations, key=lambda one: (one.is_admins, METHODS.index(one.method))):
        if one.path.endswith((*AT_STRIPE, *PERSONAL)) or not (one.path_ids or one.query_ids or one.body_ids):
            continue
        own, caller = (here.ids, here.company.owner) if one.is_admins else (here.mine, here.agent)
        path = one.path.format(**{name: own[collection][0] for collection, name in one.path_ids})
        attempts = [
            Try(one, path, name, {name: id}, one.body) for name in one.query_ids for id in _called(name, own, one)
        ]
        bodies = [one.with_id(name, id) for name, id in _in_body(one, own)]
        attempts += [Try(one, path, body=body) for body in (bodies or [one.body])]
        answers = [(attempt, attempt.ask(caller)) for attempt in attempts]
        wrong += [f"{attempt}: {answer.text}" for attempt, answer in answers if answer.status_code in (404, 422)]
    assert not wrong, "\n".join(wrong)
