"""What every answer says to browsers, and that no other site may read one or send anything in somebody's name."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

import httpx2
import pytest

from roony.web.app import AppOptions, create_app
from tests.support.serving import Company, ServedRoony, Server
from tests.web.conftest import session_of

PAGES = ("/", "/sign-in", "/docs", "/welcome?ticket=x", "/reveal?ticket=x", "/connect/stripe?ticket=x",
         "/approve/apr_1", "/connect/stripe/callback?state=x&code=y", "/healthz", "/openapi.json",
         "/nowhere")  # fmt: skip
EVIL = "https://evil.example"


@pytest.fixture(scope="module")
def backend() -> str:
    """One is enough: no header comes from where the books are."""
    return "sqlite"


@pytest.fixture(scope="module")
def paths(roony: ServedRoony) -> list[tuple[str, str]]:
    """Every operation there is, with ids that are none, and the pages."""
    document = roony.caller().get("/openapi.json")
    found = [(method.upper(), path.replace("{", "").replace("}", "")) for path, methods in document["paths"].items()
             for method in methods]  # fmt: skip
    assert len(found) > 100
    return [*found, *(("GET", page) for page in PAGES), ("POST", "/sign-in"), ("POST", "/api/mcp")]


@pytest.fixture
def by_https(roony: ServedRoony) -> Iterator[httpx2.Client]:
    """The same Roony, where people come by https."""
    context = dataclasses.replace(roony.context, public_url=lambda: "https://roony.example.com")
    with (
        Server(create_app(context, AppOptions())) as server,
        httpx2.Client(base_url=server.url, timeout=30, trust_env=False, verify=False) as http,
    ):
        yield http


def test_every_answer_has_them(paths: list[tuple[str, str]], by_https: httpx2.Client) -> None:
    """Whatever is asked, refused or not there; also on the pages, which may show what they need and nothing else."""
    for method, path in paths:
        headers = by_https.request(method, path).headers
        assert headers["x-content-type-options"] == "nosniff", path
        assert headers["cache-control"] == "no-store", path
        assert headers["referrer-policy"] == "no-referrer", path
        assert headers["cross-origin-opener-policy"] == "same-origin", path
        assert headers["cross-origin-resource-policy"] == "same-origin", path
        assert headers["strict-transport-security"] == "max-age=31536000", path
        policy = dict(part.strip().partition(" ")[::2] for part in headers["content-security-policy"].split(";"))
        assert policy["default-src"] == "'none'", path
        assert policy["frame-ancestors"] == "'none'", path
        assert policy["base-uri"] == "'none'", path
        assert set(policy.values()) <= {"'none'", "'self'"}, (path, policy)
        assert "x-powered-by" not in headers, path


def test_https_is_told_only_where_it_is(roony: ServedRoony) -> None:
    assert "strict-transport-security" not in roony.caller().call("GET", "/sign-in").headers


def test_no_other_site_may_read_or_send(
    roony: ServedRoony, company: Company, paths: list[tuple[str, str]], by_https: httpx2.Client
) -> None:
    """No address answers a preflight or allows an origin; a session that the browser sends along changes nothing."""
    person = {"name": "Ann Owner", "email": f"{company.id}@example.com", "role": "owner"}
    user = company.owner.send("POST", "/api/v1/admin/users", person, 201)
    cookie = {"Cookie": f"__Host-roony_session={session_of(roony, company, user['id'])}"}
    assert by_https.get("/api/v1/admin/agents", headers=cookie).status_code == 200
    before = company.owner.get("/api/v1/admin/organization")
    for method, path in paths:
        asked = {
            "Origin": EVIL,
            "Access-Control-Request-Method": method,
            "Access-Control-Request-Headers": "x-roony-csrf",
        }
        preflight = by_https.request("OPTIONS", path, headers=asked)
        if path.endswith("/stream"):
            # With the session it would not end.
            continue
        sent = by_https.request(method, path, headers={**cookie, "Origin": EVIL, "Sec-Fetch-Site": "cross-site"})
        assert preflight.status_code in (401, 404, 405), path
        for answer in (preflight, sent):
            assert not [name for name in answer.headers if name.startswith("access-control-")], path
        if method != "GET":
            assert sent.status_code in (401, 403, 404, 405, 400, 422), (method, path, sent.text)
    assert company.owner.get("/api/v1/admin/organization") == before
