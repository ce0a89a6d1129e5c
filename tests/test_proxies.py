"""Roony behind each proxy of deploy/, with TLS: what agents, Stripe and people send comes through as it was sent."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from string import Template
from typing import Any, NamedTuple

import httpx2
import pytest

from roony.core.duration import SECOND
from tests.support.company import Company, shop_name
from tests.support.ports import hold_port
from tests.support.postgres import built_database
from tests.support.served import SOFTWARE, WEBHOOK, Installation, request_event, sign, until
from tests.support.serving import serve
from tests.test_deploy import COMPOSE, DEPLOY, certificate, program

PRICE = 5_000
PROXIES = ("caddy", "nginx")
# What a caller says of itself: an address that is not believed.
ELSEWHERE = "203.0.113.9"


class Behind(Installation):
    """An installation that believes the proxy of this machine."""

    def environment(self) -> dict[str, str]:
        return {**super().environment(), "ROONY_TRUSTED_PROXIES": "127.0.0.1"}


class Through(NamedTuple):
    """A company, the address of the proxy before it, and what that proxy told so far."""

    company: Company
    url: str
    log: Path

    def caller(self, key: str | None = None, **headers: str) -> httpx2.Client:
        """Somebody outside. The proxy's certificate is nobody's."""
        more = {"Authorization": f"Bearer {key}"} if key else {}
        return httpx2.Client(base_url=self.url, verify=False, trust_env=False, timeout=60, headers={**more, **headers})


def port() -> int:
    """One that is free for a moment: a program takes it that cannot say which one it took."""
    with hold_port() as held:
        return int(held.getsockname()[1])


def caddy(folder: Path, roony: int, door: int) -> tuple[list[str], str]:
    """The command and the address. It makes a certificate of its own, asks nobody for one, and installs none."""
    at = port()
    text = (COMPOSE / "Caddyfile").read_text()
    text = text.replace("admin off", "admin off\n\tskip_install_trust\n\tauto_https disable_redirects")
    text = text.replace("{$ROONY_DOMAIN}", f"localhost:{at}")
    text = text.replace("roony:8002", f"127.0.0.1:{door}").replace("roony:8000", f"127.0.0.1:{roony}")
    (folder / "Caddyfile").write_text(text)
    command = [program("caddy"), "run", "--config", str(folder / "Caddyfile"), "--adapter", "caddyfile"]
    return command, f"https://localhost:{at}"


def nginx(folder: Path, roony: int, _door: int) -> tuple[list[str], str]:
    """The same for the file of one Roony, which knows no doors."""
    at = port()
    text = (DEPLOY / "proxy/nginx-roony.conf").read_text()
    for old, new in zip(("fullchain", "privkey"), certificate(folder), strict=True):
        text = text.replace(f"/etc/ssl/roony/{old}.pem", str(new))
    text = text.replace("127.0.0.1:8000", f"127.0.0.1:{roony}").replace("listen 443", f"listen 127.0.0.1:{at}")
    text = "\n".join(line for line in text.splitlines() if "listen [::]" not in line)
    text = text.replace("listen 80", f"listen 127.0.0.1:{port()}")
    (folder / "roony.conf").write_text(text)
    places = " ".join(
        f"{name}_temp_path {folder}/{name};" for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    # Its workers write what they hold back into the folder.
    user = "user root;" if os.geteuid() == 0 else ""
    (folder / "nginx.conf").write_text(
        f"{user} daemon off; pid {folder}/pid; error_log stderr warn; events {{}}"
        f" http {{ {places} include {folder}/roony.conf; }}"
    )
    return [program("nginx"), "-c", str(folder / "nginx.conf")], f"https://localhost:{at}"


def answers(url: str) -> bool:
    """Whether somebody is there, whatever they say."""
    try:
        httpx2.get(url, verify=False, trust_env=False)
    except httpx2.TransportError:
        return False
    return True


def haproxy(folder: Path, roony: int, _door: int) -> tuple[list[str], str]:
    """The same for the file of several machines, of which there is one."""
    at, servers = port(), f"server one 127.0.0.1:{roony} check"
    text = Template((DEPLOY / "high-availability/haproxy-roony.cfg").read_text())
    (folder / "haproxy.cfg").write_text(text.substitute(BIND=f"127.0.0.1:{at}", SERVERS=servers))
    return [program("haproxy"), "-f", str(folder / "haproxy.cfg")], f"http://127.0.0.1:{at}"


@contextmanager
def started(folder: Path, command: list[str], url: str) -> Iterator[Path]:
    """The proxy, until the block ends; what it tells is in the file."""
    environment = {**os.environ, "XDG_DATA_HOME": str(folder), "XDG_CONFIG_HOME": str(folder)}
    told = folder / "proxy.log"
    with told.open("wb") as log:
        process = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
    try:
        until(lambda: process.poll() is not None or answers(f"{url}/"), True, 60)
        assert process.poll() is None, told.read_text()
        yield told
    finally:
        process.terminate()
        process.wait()


@pytest.mark.parametrize("proxy", [caddy, haproxy])
def test_stripe_hears_the_no_of_a_roony_whose_database_takes_nothing(
    proxy: Callable[[Path, int, int], tuple[list[str], str]], tmp_path: Path
) -> None:
    """All of one database are unready together; a proxy's own 503 is no decline, and some accounts then approve."""
    program(proxy.__name__)
    with serve(tmp_path) as roony:
        raises = "CREATE TRIGGER full BEFORE INSERT ON leases BEGIN SELECT RAISE(FAIL, 'disk is full'); END"
        roony.context.till.write_and_wait(lambda writer: writer.run(raises))
        at = int(roony.url.rpartition(":")[2])
        assert roony.caller().call("GET", "/readyz").status_code == 503
        command, url = proxy(tmp_path, at, at)
        now = roony.context.clock() // SECOND
        body = json.dumps(request_event("acct_x", "ic_x", PRICE, "SHOP", now)).encode()
        headers = {"Stripe-Signature": sign(body, "whsec_test", now), "Content-Type": "application/json"}
        with started(tmp_path, command, url) as told:
            # HAProxy says when it knows; Caddy looks before it takes anything.
            if proxy is haproxy:
                until(lambda: "stripe/one is DOWN" in told.read_text(), True, 60)
            answer = httpx2.post(f"{url}{WEBHOOK}", content=body, headers=headers, verify=False, trust_env=False)
            assert (answer.status_code, answer.json()["approved"]) == (200, False), answer.text


@pytest.fixture(scope="module", params=PROXIES)
def through(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Through]:
    """Roony with a door, as the compose file starts it."""
    program(request.param)
    folder = tmp_path_factory.mktemp(request.param)
    made: Callable[[Path, int, int], tuple[list[str], str]] = {"caddy": caddy, "nginx": nginx}[request.param]
    with ExitStack() as stack:
        installation = stack.enter_context(Behind(folder, stack.enter_context(built_database())))
        door = port()
        company = Company(installation, arguments=("--workers", "1", "--doors", "1", "--door-port", str(door)))
        command, url = made(folder, installation.port, door)
        yield Through(company, url, stack.enter_context(started(folder, command, url)))


def buy(through: Through, client: httpx2.Client, key: str) -> dict[str, Any]:
    wish = {"amount": PRICE, "currency": "usd", "description": "x", "merchant": {"name": shop_name(), **SOFTWARE}}
    answer = client.post("/api/v1/purchase_intents", json=wish, headers={"Idempotency-Key": key})
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


def test_a_purchase_is_asked_for_and_paid(through: Through) -> None:
    """The body of Stripe's request arrives byte for byte, or its signature would not hold."""
    company = through.company
    with through.caller(company.agent.key) as agent, through.caller() as stripe:
        bought = buy(through, agent, "paid")
        assert bought["status"] == "ready"
        [card] = company.owner.get("/api/v1/admin/cards", params={"purchase_id": bought["id"]})["data"]
        now = int(company.stripe.v1.issuing.cards.retrieve(card["stripe_card_id"]).created)
        event = request_event("acct_x", card["stripe_card_id"], PRICE, bought["merchant"]["name"].upper(), now)
        # One of the account itself, oddly spaced, with what another program might write anew.
        event.pop("account")
        body = json.dumps(event, indent=3).replace('"city": "San Francisco"', '"city" :\t"S\\u00e3o \u2028 Paulo\\/"')
        headers = {"Content-Type": "application/json; charset=utf-8"}
        headers["Stripe-Signature"] = sign(body.encode(), Installation.WEBHOOK_SECRET, now)
        answer = stripe.post(WEBHOOK, content=body.encode(), headers=headers)
        assert answer.status_code == 200, answer.text
        assert answer.json()["approved"] is True, answer.text
        assert answer.headers["stripe-version"]


def test_nobody_is_believed_about_their_address(through: Through) -> None:
    company = through.company
    body = {"name": "elsewhere", "allowed_addresses": [f"{ELSEWHERE}/32"]}
    key = company.owner.send("POST", "/api/v1/admin/access_keys", body, 201)["key"]
    said = {"X-Forwarded-For": ELSEWHERE, "X-Real-IP": ELSEWHERE, "Forwarded": f"for={ELSEWHERE}"}
    with through.caller(key, **said) as caller:
        refused = caller.get("/api/v1/admin/connections")
    assert (refused.status_code, refused.json()["error"]["code"]) == (403, "address_not_allowed")
    # The proxy itself is: so that it is the proxy's word above which counted, not none.
    direct = {"Authorization": f"Bearer {key}", "X-Forwarded-For": ELSEWHERE}
    url = f"{company.installation.url}/api/v1/admin/connections"
    assert httpx2.get(url, headers=direct, trust_env=False, verify=False).status_code == 200


def test_a_stream_is_told_at_once(through: Through) -> None:
    """While it is open: a proxy that kept it back would have nothing to pass on before its end."""
    key = through.company.agent.key
    with through.caller(key) as agent, agent.stream("GET", "/api/v1/stream") as stream, through.caller(key) as other:
        lines = stream.iter_lines()
        assert next(lines) == ": Roony"
        bought = buy(through, other, "streamed")
        told = next(line for line in lines if line.startswith("data: "))
        assert json.loads(told.removeprefix("data: "))["purchase_id"] == bought["id"]


def test_what_is_too_large_is_refused_by_roony(through: Through) -> None:
    """In its own words, which say what the limit is."""
    forged = {"Stripe-Signature": "t=1,v1=00"}
    with through.caller(through.company.agent.key) as agent:
        # So large that the proxy is still sending when the answer comes, and more than once, since that is a race.
        for _ in range(3):
            for path in ("/api/v1/purchase_intents", WEBHOOK):
                answer = agent.post(path, json={"description": "x" * 8_000_000}, headers=forged)
                assert (answer.status_code, answer.json()["error"]["code"]) == (413, "too_large"), answer.text


def test_no_body_rests_on_the_disk_of_the_proxy(through: Through) -> None:
    """Events name people and purchases, a receipt may name anybody. nginx warns of each body it writes down."""
    forged = {"Stripe-Signature": "t=1,v1=00"}
    with through.caller(through.company.agent.key) as agent:
        assert agent.post(WEBHOOK, content=b"x" * 1_000_000, headers=forged).status_code == 400
        bought = buy(through, agent, "received")
        receipt = b"%PDF-1.7\n" + b"x" * 4_000_000
        pdf = {"Content-Type": "application/pdf"}
        kept = agent.post(f"/api/v1/purchase_intents/{bought['id']}/receipt", content=receipt, headers=pdf)
        assert kept.status_code == 201, kept.text
        assert agent.get("/api/v1/purchase_intents?limit=100").status_code == 200
    assert "temporary file" not in through.log.read_text()


@pytest.mark.parametrize("path", ["/metrics", "/readyz", "/healthz"])
def test_what_is_for_the_inside_stays_there(through: Through, path: str) -> None:
    with through.caller() as caller:
        assert caller.get(path).status_code == 404
    assert httpx2.get(f"{through.company.installation.url}{path}", trust_env=False, verify=False).status_code == 200
