"""Server-Sent Events over HTTP: who hears what, from where on, and for how long."""

from __future__ import annotations

import asyncio
import json
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from roony.core.audit import AuditRecord
from roony.flows import change_feed
from roony.flows.change_feed import ChangeFeed
from roony.web import stream as web_stream
from roony.web.errors import refuse
from roony.web.stream import EventStream, lines
from tests.support.events import listening, parsed, told
from tests.support.served import until
from tests.support.serving import Caller, Company, ServedRoony, serve
from tests.web.conftest import MONTH, waiting

ASK = "/api/v1/purchase_intents"
STREAM, ADMIN_STREAM = "/api/v1/stream", "/api/v1/admin/stream"
HOSTILE = "Shop <script>alert(1)</script> data: x"


def ask(agent: Caller, amount: int, name: str = "Figma") -> str:
    """An ask, which is declined where no Stripe account is connected."""
    body = {"amount": amount, "currency": "usd", "description": "x", "merchant": {"name": name}}
    return str(agent.send("POST", ASK, body, 201)["id"])


def key_of(caller: Caller) -> str:
    assert caller.key is not None
    return caller.key


def test_an_agent_hears_of_its_own_purchases_alone(roony: ServedRoony, company: Company) -> None:
    """P7: another agent's and another organization's are told to their own streams and the owner's."""
    mine, other = company.agent(budgets=[MONTH])[1], company.agent(budgets=[MONTH])[1]
    stranger = roony.company().agent(budgets=[MONTH])[1]
    with (
        listening(roony.url, key_of(mine), STREAM) as own,
        listening(roony.url, key_of(company.owner), ADMIN_STREAM) as owners,
    ):
        begin = (next(own).id, next(owners).id)
        ids = [ask(caller, amount) for caller, amount in ((other, 1), (mine, 2), (stranger, 3), (other, 4), (mine, 5))]
        heard = [(event.type, event.data["subject"]) for event in told(own, 2)]
        assert heard == [("purchase.declined", ids[1]), ("purchase.declined", ids[4])]
        all_of_it = told(owners, 4)
        assert [event.data["subject"] for event in all_of_it] == [ids[0], ids[1], ids[3], ids[4]]
        assert begin[0] == begin[1] == str(int(all_of_it[0].id) - 1)
    # From the very beginning of the chain too.
    with listening(roony.url, key_of(mine), STREAM, "0") as own:
        assert [event.data["subject"] for event in told(own, 2)] == [ids[1], ids[4]]


def test_an_event_is_one_line_of_json(roony: ServedRoony, company: Company) -> None:
    """What an agent or a merchant wrote cannot end an event or begin another one."""
    made, agent = company.agent(budgets=[MONTH])
    with listening(roony.url, key_of(agent), STREAM) as events:
        next(events)
        id = ask(agent, 12_999, HOSTILE)
        [event] = told(events, 1)
    [record] = [row for row in roony.books.rows(AuditRecord, subject=id) if row.action == "purchase.asked"]
    assert event.id == str(record.sequence)
    assert {name: event.data[name] for name in ("type", "sequence", "subject", "purchase_id", "agent_id")} == {
        "type": "purchase.declined", "sequence": record.sequence, "subject": id, "purchase_id": id,
        "agent_id": made["id"],
    }  # fmt: skip
    assert event.data["created_at"].endswith("Z")
    assert event.data["data"]["merchant"] == HOSTILE
    assert (event.data["data"]["amount"], event.data["data"]["currency"]) == (12_999, "usd")


def test_a_stream_goes_on_behind_its_id(roony: ServedRoony, company: Company) -> None:
    agent = company.agent(budgets=[MONTH])[1]
    with listening(roony.url, key_of(agent), STREAM) as events:
        start = next(events).id
    ids = [ask(agent, amount) for amount in range(1, 6)]
    after = start
    for place in range(5):
        with listening(roony.url, key_of(agent), STREAM, after) as events:
            found = told(events, 5 - place)
            assert [event.data["subject"] for event in found] == ids[place:]
            after = found[0].id


def test_a_restart_loses_nothing(tmp_path_factory: pytest.TempPathFactory) -> None:
    """The id of one process is good in the next."""
    folder = tmp_path_factory.mktemp("restart")
    with serve(folder) as first:
        agent = first.company().agent(budgets=[MONTH])[1]
        key = key_of(agent)
        with listening(first.url, key, STREAM) as events:
            next(events)
            seen = ask(agent, 1)
            [last] = told(events, 1)
        assert last.data["subject"] == seen
        missed = ask(agent, 2)
    with serve(folder, build=False) as second, listening(second.url, key, STREAM, last.id) as events:
        new = ask(second.caller(key), 3)
        assert [event.data["subject"] for event in told(events, 2)] == [missed, new]


@pytest.mark.parametrize("id", ["", "x", "-1", "1.5", "²", "1e3", "9" * 19, "1 2"])
def test_an_id_that_is_none_is_refused(company: Company, id: str) -> None:
    agent = company.agent()[1]
    error = agent.refused(422, "GET", STREAM, headers={"Last-Event-ID": id.encode()})
    assert (error["code"], error["field"]) == ("invalid", "Last-Event-ID")


def test_an_id_that_does_not_exist_is_refused(roony: ServedRoony, company: Company) -> None:
    error = company.owner.refused(422, "GET", ADMIN_STREAM, headers={"Last-Event-ID": "999999999"})
    head = len(roony.books.rows(AuditRecord, organization_id=company.id))
    assert (error["code"], error["field"]) == ("unknown_event_id", "Last-Event-ID")
    assert f"the newest is {head}." in error["message"]


def test_each_key_opens_its_own_stream(roony: ServedRoony, company: Company) -> None:
    agent = company.agent()[1]
    assert agent.refused(403, "GET", ADMIN_STREAM)["code"] == "wrong_kind_of_key"
    assert company.owner.refused(403, "GET", STREAM)["code"] == "wrong_kind_of_key"
    assert roony.caller().refused(401, "GET", STREAM)["code"] == "unauthorized"


def test_too_many_streams_are_refused_and_given_back(
    roony: ServedRoony, company: Company, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(change_feed, "MAX_STREAMS_EACH", 1)
    # Nothing is sent to the reader by which its leaving would be noticed.
    monkeypatch.setattr(web_stream, "HEARTBEAT_SECONDS", 3_600.0)
    one, two = company.agent()[1], company.agent()[1]
    with listening(roony.url, key_of(one), STREAM) as events:
        next(events)
        answer = one.call("GET", STREAM)
        assert (answer.status_code, answer.json()["error"]["code"]) == (429, "too_many_streams")
        assert answer.headers["retry-after"] == "5"
        with listening(roony.url, key_of(two), STREAM) as beside:
            next(beside)

    def opened() -> int:
        with one._http.stream("GET", STREAM) as again:
            return int(again.status_code)

    # The server learns in its own time that the reader has gone.
    until(opened, 200)


def one_stream(roony: ServedRoony, company: Company, work: Any) -> Any:
    """Runs work(feed, stream) on a feed of its own."""

    async def with_stream() -> Any:
        feed = ChangeFeed(roony.context.database)
        return await work(feed, await feed.stream(company.id, None, "key_1", None))

    return asyncio.run(with_stream())


async def fine() -> None:
    """A key that is still good."""


def test_nothing_to_tell_is_told_by_a_comment(roony: ServedRoony, company: Company) -> None:
    async def two_comments(feed: ChangeFeed, stream: Any) -> list[str]:
        text = lines(stream, fine, 0.01)
        return [await anext(text) for _ in range(3)]

    start, *alive = one_stream(roony, company, two_comments)
    assert start.startswith(": Roony\nretry: 1000\nid: ")
    id = start.split("id: ")[1]
    assert alive == [f": alive\nid: {id}"] * 2
    assert all(event.type is None for event in parsed(iter("".join(alive).split("\n"))))


def test_a_key_that_is_no_longer_good_ends_its_stream(roony: ServedRoony, company: Company) -> None:
    checks = []

    async def revoked_later() -> None:
        checks.append(len(checks))
        if len(checks) == 3:
            raise refuse(401, "This key was revoked.")

    async def to_the_end(feed: ChangeFeed, stream: Any) -> int:
        return len([block async for block in lines(stream, revoked_later, 0.001)])

    assert one_stream(roony, company, to_the_end) == 3
    assert checks == [0, 1, 2]


def test_a_key_that_is_no_longer_good_ends_what_it_had_missed(roony: ServedRoony, company: Company) -> None:
    async def revoked() -> None:
        raise refuse(401, "This key was revoked.")

    async def from_the_beginning(feed: ChangeFeed, _stream: Any) -> int:
        stream = await feed.stream(company.id, None, "key_2", 0)
        assert stream.position < stream.tail.position
        return len([block async for block in lines(stream, revoked, 0.0)])

    assert one_stream(roony, company, from_the_beginning) == 1


def test_a_user_who_is_disabled_hears_no_more_however_often_their_key_calls(
    roony: ServedRoony, company: Company, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The look at the key is no call of its own: it neither uses the limit up nor is stopped by it."""
    monkeypatch.setattr(web_stream, "HEARTBEAT_SECONDS", 0.02)
    users = "/api/v1/admin/users"
    user = company.owner.send(
        "POST", users, {"name": "Ann", "email": "ann@example.com", "role": "viewer"}, 201
    )  # fmt: skip
    key = company.owner.send("POST", f"{users}/{user['id']}/keys", {"requests_per_minute": 3}, 201)["key"]
    ann = roony.caller(key)
    with listening(roony.url, key, ADMIN_STREAM) as events:
        for _ in range(5):
            assert next(events).type is None
        for _ in range(2):
            ann.get("/api/v1/admin/organization")
        assert ann.refused(429, "GET", "/api/v1/admin/organization")["code"] == "rate_limited"
        next(events)
        company.owner.send("PATCH", f"{users}/{user['id']}", {"disabled": True})
        assert told(events, 1) == []


def test_a_revoked_key_ends_its_stream(roony: ServedRoony, company: Company, monkeypatch: pytest.MonkeyPatch) -> None:
    """As the server does it, with the key looked up again; the owner's own stream goes on."""
    monkeypatch.setattr(web_stream, "HEARTBEAT_SECONDS", 0.02)
    made, agent = company.agent()
    keys = f"/api/v1/admin/agents/{made['id']}/keys"
    [key] = company.owner.get(keys)["data"]
    with (
        listening(roony.url, key_of(agent), STREAM) as own,
        listening(roony.url, key_of(company.owner), ADMIN_STREAM) as owners,
    ):
        next(own)
        assert company.owner.call("DELETE", f"{keys}/{key['id']}").status_code < 300
        assert told(own, 1) == []
        assert next(owners).type is None


def test_nothing_that_happened_after_a_key_ended_is_told(roony: ServedRoony, company: Company) -> None:
    """However long it is until the next sign of life: the next event ends the stream instead."""
    made, agent = company.agent()
    keys = f"/api/v1/admin/agents/{made['id']}/keys"
    [key] = company.owner.get(keys)["data"]
    beside = roony.caller(company.owner.send("POST", keys, {}, 201)["key"])
    user = company.owner.send(
        "POST", "/api/v1/admin/users", {"name": "Ann", "email": "ann@example.com", "role": "viewer"}, 201
    )  # fmt: skip
    ann = company.owner.send("POST", f"/api/v1/admin/users/{user['id']}/keys", {}, 201)["key"]
    with (
        listening(roony.url, key_of(agent), STREAM) as own,
        listening(roony.url, key_of(beside), STREAM) as others,
        listening(roony.url, ann, ADMIN_STREAM) as people,
    ):
        for events in (own, others, people):
            next(events)
        before = ask(beside, 10)
        assert [event.data["purchase_id"] for events in (own, people) for event in told(events, 1)] == [before, before]
        company.owner.send("DELETE", f"{keys}/{key['id']}")
        company.owner.send("PATCH", f"/api/v1/admin/users/{user['id']}", {"disabled": True})
        after = ask(beside, 20)
        assert [event.data["purchase_id"] for event in told(others, 2)] == [before, after]
        assert (told(own, 1), told(people, 1)) == ([], [])


@pytest.fixture
def begun(monkeypatch: pytest.MonkeyPatch) -> threading.Semaphore:
    """Counts the waits that have begun."""
    count, changed = threading.Semaphore(0), change_feed.Watch.changed

    async def counted(watch: change_feed.Watch, seconds: float) -> bool:
        count.release()
        return await changed(watch, seconds)

    monkeypatch.setattr(change_feed.Watch, "changed", counted)
    return count


def test_a_key_that_ended_while_its_request_waited_gets_no_answer(
    roony: ServedRoony, company: Company, begun: threading.Semaphore
) -> None:
    agent, purchase = waiting(roony, company)
    keys = f"/api/v1/admin/agents/{purchase['agent_id']}/keys"
    [key] = company.owner.get(keys)["data"]
    beside = roony.caller(company.owner.send("POST", keys, {}, 201)["key"])
    with ThreadPoolExecutor(2) as threads:
        waits = [threads.submit(who.call, "GET", f"{ASK}/{purchase['id']}?wait=30") for who in (agent, beside)]
        for _ in waits:
            assert begun.acquire(timeout=30)
        company.owner.send("DELETE", f"{keys}/{key['id']}")
        company.owner.send("POST", f"/api/v1/admin/approvals/{purchase['approval']['id']}/deny", {})
        ended, good = (wait.result() for wait in waits)
    assert (ended.status_code, ended.json()["error"]["code"]) == (401, "key_revoked")
    assert (good.status_code, good.json()["status"]) == (200, "declined")


def test_waiting_requests_of_a_key_are_limited(
    roony: ServedRoony, company: Company, begun: threading.Semaphore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(change_feed, "MAX_WATCHES_EACH", 1)
    agent, purchase = waiting(roony, company)
    keys, path = f"/api/v1/admin/agents/{purchase['agent_id']}/keys", f"{ASK}/{purchase['id']}?wait="
    beside = roony.caller(company.owner.send("POST", keys, {}, 201)["key"])
    with ThreadPoolExecutor(1) as threads:
        wait = threads.submit(agent.call, "GET", f"{path}30")
        assert begun.acquire(timeout=30)
        more = roony.caller(key_of(agent)).call("GET", f"{path}30")
        assert (more.status_code, more.json()["error"]["code"]) == (429, "too_many_waiting")
        assert more.headers["retry-after"] == "1"
        assert beside.get(f"{path}1")["status"] == agent_status(agent, purchase) == "awaiting_approval"
        company.owner.send("POST", f"/api/v1/admin/approvals/{purchase['approval']['id']}/deny", {})
        assert wait.result().json()["status"] == "declined"


def agent_status(agent: Caller, purchase: dict[str, Any]) -> str:
    """Without a wait nothing is limited."""
    return str(agent.get(f"{ASK}/{purchase['id']}")["status"])


def test_a_reader_that_takes_nothing_is_given_up(
    roony: ServedRoony, company: Company, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(web_stream, "SEND_SECONDS", 0.01)

    async def stuck(feed: ChangeFeed, stream: Any) -> int:
        async def receive() -> Any:
            await asyncio.Event().wait()

        async def send(_message: Any) -> None:
            await asyncio.Event().wait()

        await EventStream(stream, fine)({"type": "http"}, receive, send)
        return feed.waiting

    assert one_stream(roony, company, stuck) == 0


def test_the_document_says_what_a_stream_is(roony: ServedRoony) -> None:
    document = roony.caller().get("/openapi.json")
    for path in (STREAM, ADMIN_STREAM):
        operation = document["paths"][path]["get"]
        content = operation["responses"]["200"]["content"]
        assert list(content) == ["text/event-stream"]
        [event] = parsed(iter(content["text/event-stream"]["example"].split("\n")[:-1]))
        assert event.type == event.data["type"] == "purchase.ready"
        assert json.dumps(event.data)
        assert [parameter["name"] for parameter in operation["parameters"]] == ["Last-Event-ID"]
