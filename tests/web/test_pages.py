"""What needs no key: start page, docs without foreign hosts, health, metrics; and errors that give nothing away."""

from __future__ import annotations

import json
import re
import zoneinfo
from collections.abc import Callable, Iterator
from html import unescape
from pathlib import Path
from typing import Any

import pytest

from roony.web import docs, pages
from roony.web.session import COOKIE
from tests.support.serving import Caller, Company, ServedRoony, serve
from tests.web.conftest import session_of, signed_in


@pytest.fixture
def nobody(roony: ServedRoony) -> Caller:
    return roony.caller()


@pytest.fixture
def broken(tmp_path: Path) -> Iterator[ServedRoony]:
    """A Roony that a test may break."""
    with serve(tmp_path) as served:
        yield served


@pytest.mark.parametrize("path", ["/sign-in", "/first-run", "/docs"])
def test_pages_load_nothing_from_elsewhere(nobody: Caller, path: str) -> None:
    answer = nobody.call("GET", path)
    assert answer.status_code == 200
    assert re.findall(r"<script[^>]*>(?!</script>)", answer.text) == []
    assert "style=" not in answer.text
    for address in re.findall(r'(?:href|src)="([^"]*)"', answer.text):
        assert address.startswith("/"), address
        assert nobody.call("GET", address).status_code in (200, 503)
    assert "default-src 'none'" in answer.headers["content-security-policy"]


def test_what_is_the_same_for_everybody_is_made_once(nobody: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody needs a key for these: made for each who asks, a few dozen a second kept Stripe's requests waiting."""
    nobody.call("GET", "/first-run")
    made: list[str] = []
    really, written, zones = docs.render, docs.JSONResponse, zoneinfo.available_timezones
    monkeypatch.setattr(docs, "render", lambda *given, **more: made.append("page") or really(*given, **more))
    monkeypatch.setattr(docs, "JSONResponse", lambda *given: made.append("json") or written(*given))
    monkeypatch.setattr(zoneinfo, "available_timezones", lambda: made.append("zones") or zones())
    for path in ("/docs", "/openapi.json", "/first-run"):
        answers = [nobody.call("GET", path) for _ in range(3)]
        assert {answer.status_code for answer in answers} == {200}
        assert len({answer.content for answer in answers}) == 1
    assert len(made) == len(set(made)) <= 2
    assert "zones" not in made


def test_no_form_leaves_what_was_typed_in_an_address() -> None:
    """A browser whose script did not run sends a form by itself: only filters may go where everybody can read them."""
    templates = Path(pages.HERE, "templates").rglob("*.html")
    forms = [tag for file in templates for tag in re.findall(r"<form\b.*?(?=>\n|>[^\"]|>$)", file.read_text())]
    assert len(forms) > 60
    asking = [tag for tag in forms if re.search(r'\bmethod="(post|dialog)"', tag) is None]
    assert [tag for tag in asking if re.search(r'\bmethod="get"', tag) is None or "data-" in tag] == []


def test_a_form_that_its_browser_sends_by_itself_changes_nothing_and_says_why(nobody: Caller) -> None:
    typed = {"current": "correct horse battery staple", "password": "another"}
    answer = nobody.call("POST", "/account", data=typed)
    assert (answer.status_code, answer.headers["allow"], answer.headers["cache-control"]) == (405, "GET", "no-store")
    assert "had not run yet" in answer.text
    assert not any(text in answer.text for text in typed.values())
    assert nobody.call("POST", "/account", typed).json()["error"]["code"] == "method_not_allowed"


def test_a_browser_without_scripts_is_told_so_before_it_signs_in(nobody: Caller) -> None:
    text = nobody.call("GET", "/sign-in").text
    assert "need scripts" in text.partition("<noscript>")[2].partition("</noscript>")[0]


def test_the_docs_list_every_operation(nobody: Caller) -> None:
    document = nobody.get("/openapi.json")
    assert document["openapi"].startswith("3.1")
    page = nobody.call("GET", "/docs").text
    for path, methods in document["paths"].items():
        assert page.count(f"<code>{path}</code>") == len(methods), path
    ask = document["paths"]["/api/v1/purchase_intents"]["post"]
    assert ask["parameters"][0]["name"] == "Idempotency-Key"
    assert "$ref" in ask["requestBody"]["content"]["application/json"]["schema"]
    assert {"201", "200", "401", "409", "413", "415", "422", "503"} <= set(ask["responses"])
    assert ask["security"] == [{"AgentKey": []}]
    for methods in document["paths"].values():
        for operation in methods.values():
            assert operation["description"], operation


def test_the_docs_show_an_example_of_everything_sent_and_answered(nobody: Caller) -> None:
    """The same as in openapi.json, escaped; an error once for all."""
    page = nobody.call("GET", "/docs").text
    shown = [unescape(text) for text in re.findall(r"<pre[^>]*>(.*?)</pre>", page, re.DOTALL)]
    assert json.loads(shown.pop(0))["error"]["request_id"].startswith("req_")
    wanted = []
    for methods in nobody.get("/openapi.json")["paths"].values():
        for operation in methods.values():
            bodies = [operation.get("requestBody", {})]
            bodies += [answer for status, answer in operation["responses"].items() if status < "4"]
            wanted += [content["example"] for body in bodies for content in body.get("content", {}).values()]
    texts = [one.strip() if isinstance(one, str) else json.dumps(one, indent=2, ensure_ascii=False) for one in wanted]
    assert len(texts) > 100
    assert sorted(shown) == sorted(texts)


def test_only_what_this_installation_is_set_up_for_can_be_pressed_to_connect_stripe(tmp_path: Path) -> None:
    """With the key of an own account alone that one is first; the others say which setting they need."""
    with serve(tmp_path, client_id=None) as served, signed_in(served, served.company()) as browser:
        for path in ("/start", "/connections"):
            page = browser.get(path).text
            assert re.findall(r'name="kind" value="(\w+)"', page) == ["direct"]
            assert re.findall(r"it needs <code>(\w+)</code>", page) == [
                "STRIPE_CONNECT_CLIENT_ID",
                "STRIPE_APP_CLIENT_ID",
            ]
            assert page.index("Use the key") < page.index("Connect with Stripe")


def test_alive_and_ready(nobody: Caller) -> None:
    assert nobody.get("/healthz") == {"status": "ok"}
    assert nobody.get("/readyz") == {"status": "ok", "database": "ok", "till": "ok"}


def test_not_ready_when_the_till_has_stopped(broken: ServedRoony) -> None:
    nobody = broken.caller()
    broken.context.till.stop()
    answer = nobody.call("GET", "/readyz")
    assert answer.status_code == 503
    assert answer.json() == {"status": "unavailable", "database": "ok", "till": "unavailable"}
    assert nobody.get("/healthz") == {"status": "ok"}


def test_a_stopped_till_is_a_503(broken: ServedRoony) -> None:
    company = broken.company()
    _, agent = company.agent()
    broken.context.till.stop()
    body = {"amount": 1, "currency": "usd", "description": "x", "merchant": {"name": "Figma"}}
    answer = agent.call("POST", "/api/v1/purchase_intents", body)
    assert answer.status_code == 503
    assert answer.headers["retry-after"]
    assert company.owner.refused(503, "POST", "/api/v1/admin/projects", {"name": "x"})["code"] == "closing"


def test_an_unreachable_database_is_a_503(broken: ServedRoony, monkeypatch: pytest.MonkeyPatch) -> None:
    from sqlalchemy.exc import OperationalError

    def gone(*_: Any) -> Any:
        raise OperationalError("SELECT secret", {}, Exception("disk on fire"))

    company = broken.company()
    monkeypatch.setattr(broken.context.database, "read", gone)
    error = company.owner.refused(503, "GET", "/api/v1/admin/agents")
    assert error["code"] == "unavailable"
    assert "SELECT" not in str(error)


def test_what_breaks_inside_stays_inside(broken: ServedRoony, monkeypatch: pytest.MonkeyPatch) -> None:
    """No traceback and no internal text in an answer."""

    def bug(*_: Any) -> Any:
        raise RuntimeError("secret detail")

    company = broken.company()
    monkeypatch.setattr(broken.context.database, "read", bug)
    answer = company.owner.call("GET", "/api/v1/admin/agents")
    assert answer.status_code == 500
    assert answer.json()["error"]["code"] == "internal"
    assert "secret" not in answer.text
    assert "Traceback" not in answer.text


LOOKED_AT = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}


def test_what_goes_wrong_is_a_page_where_a_person_looks(
    broken: ServedRoony, monkeypatch: pytest.MonkeyPatch
) -> None:  # fmt: skip
    """And JSON for programs, and for everybody below /api."""
    from sqlalchemy.exc import OperationalError

    company, nobody = broken.company(), broken.caller()
    person = {"name": "Ann", "email": "ann@example.com", "role": "owner"}
    user = company.owner.send("POST", "/api/v1/admin/users", person, 201)
    cookie = {"Cookie": f"{COOKIE}={session_of(broken, company, user['id'])}"}

    def look(path: str, status: int) -> str:
        page = nobody.call("GET", path, headers={**LOOKED_AT, **cookie})
        call = nobody.call("GET", path, headers=cookie)
        assert (page.status_code, call.status_code) == (status, status)
        assert page.headers["content-type"].startswith("text/html")
        assert "default-src 'none'" in page.headers["content-security-policy"]
        assert page.headers["cache-control"] == "no-store"
        assert page.headers["request-id"] in page.text
        assert page.headers.get("retry-after") == call.headers.get("retry-after")
        assert unescape(page.text).count(call.json()["error"]["message"]) == 1
        return page.text

    assert "There is nothing at this address." in look("/nowhere", 404)
    look("/sign-out", 405)
    assert nobody.call("GET", "/api/v1/nowhere", headers=LOOKED_AT).json()["error"]["code"] == "not_found"

    def fails(error: Exception) -> Callable[..., Any]:
        def read(*_: Any) -> Any:
            raise error

        return read

    monkeypatch.setattr(broken.context.database, "read", fails(OperationalError("SELECT", {}, Exception("on fire"))))
    assert "cannot reach its database now" in look("/account", 503)
    monkeypatch.setattr(broken.context.database, "read", fails(RuntimeError("secret detail")))
    assert "secret" not in look("/account", 500)


def test_what_breaks_in_an_ask_stays_inside_too(broken: ServedRoony, monkeypatch: pytest.MonkeyPatch) -> None:
    """Asks do not come through the layers of other calls."""

    async def bug(*_: Any, **_more: Any) -> Any:
        raise RuntimeError("secret detail")

    _, agent = broken.company().agent()
    monkeypatch.setattr(broken.context.till, "submit", bug)
    body = {"amount": 1, "currency": "usd", "description": "seats", "merchant": {"name": "Figma"}}
    answer = agent.call("POST", "/api/v1/purchase_intents", body)
    assert answer.status_code == 500
    assert answer.json()["error"]["code"] == "internal"
    assert "secret" not in answer.text


def test_metrics_count_without_naming_anybody(roony: ServedRoony, company: Company) -> None:
    company.agent()
    text = company.owner.call("GET", "/metrics").text
    assert re.search(r"^roony_till_commits_total [1-9]", text, re.MULTILINE)
    assert re.search(r'^roony_http_requests_total\{method="POST",status="201"\} [1-9]', text, re.MULTILINE)
    assert company.id not in text
    for line in text.splitlines():
        assert re.fullmatch(r"# TYPE \w+ (counter|gauge|histogram)|# HELP \w+ .+\.|\w+(\{[^}]*\})? [0-9.e+-]+", line), (
            line
        )


def test_every_answer_forbids_sniffing_and_caching(nobody: Caller) -> None:
    for path in ("/", "/api/v1/purchase_intents", "/healthz", "/nowhere", "/openapi.json"):
        headers = nobody.call("GET", path).headers
        assert headers["x-content-type-options"] == "nosniff", path
        assert headers["cache-control"] == "no-store", path
        assert len(headers.get_list("request-id")) == 1


def test_an_id_of_the_caller_s_is_not_taken_over(nobody: Caller) -> None:
    answer = nobody.call("GET", "/healthz", headers={"Request-Id": "req_mine"})
    assert answer.headers["request-id"] != "req_mine"
