"""Card details over HTTP: sealed to a key that only the owner registers, behind a one-time link, or in clear."""

from __future__ import annotations

import base64
import json
import re
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from html.parser import HTMLParser
from typing import Any
from urllib.parse import urlsplit

import httpx2
import pytest
from joserfc import jwe
from joserfc.jwk import OKPKey

from roony.client.sealed import new_private_key, open_sealed
from roony.core.delivery import RevealLink
from roony.core.hashing import text_hash
from roony.core.user import User
from roony.flows.access_key import CreateAccessKey, RevokeAccessKey, new_key
from roony.store.rows import AccessKey
from roony.web import shapes
from roony.web.answers import time
from roony.web.session import COOKIE, csrf_token
from tests.support.books import everything_in
from tests.support.served import unique
from tests.support.serving import Caller, Company, ServedRoony
from tests.web.conftest import MONTH, session_of
from tests.web.test_agent_api import ADMIN, ASK, body, fits

KEY = new_private_key()
PUBLIC = json.loads(KEY.public)
PRIVATE = json.loads(KEY.jwk)


def zeros_in_front(coordinate: str) -> str:
    """The same number in more bytes."""
    raw = base64.urlsafe_b64decode(f"{coordinate}=")
    return base64.urlsafe_b64encode(bytes(4) + raw).rstrip(b"=").decode()


def otherwise_written(coordinate: str) -> str:
    """The same 32 bytes, with bits set at the end that mean nothing: the key would have two thumbprints."""
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    return coordinate[:-1] + alphabet[alphabet.index(coordinate[-1]) + 1]


class Buying:
    """A company that delivers in one way, its agent, and a purchase of it that is ready."""

    def __init__(self, roony: ServedRoony, delivery: str, **more: Any) -> None:
        self.roony = roony
        self.company = roony.company(f"Company {delivery}", delivery=delivery)
        self.owner = self.company.owner
        self.owner.send("POST", f"{ADMIN}/connections", {"kind": "direct"}, 201)
        made, self.agent = self.company.agent(budgets=[MONTH], **more)
        self.agent_id = made["id"]
        self.public_key = f"{ADMIN}/agents/{made['id']}/public_key"
        self.purchase = self.agent.send("POST", ASK, body(), 201)
        assert self.purchase["status"] == "ready", self.purchase
        self.path = f"{ASK}/{self.purchase['id']}/card"

    def number(self) -> str:
        """What Stripe says of the card, past Roony."""
        [row] = self.owner.get(f"{ADMIN}/cards")["data"]
        gateway = self.roony.context.gateway
        found = gateway.sdk.v1.issuing.cards.retrieve(row["stripe_card_id"], {"expand": ["number"]})
        return str(found.number)

    def audited(self, action: str) -> list[dict[str, Any]]:
        """The bodies of these records, oldest first."""
        return [row["body"] for row in reversed(self.owner.get(f"{ADMIN}/audit", params={"action": action})["data"])]

    def link(self, purpose: str = "pay") -> str:
        """Path and query of a fresh reveal link."""
        answer = self.agent.send("POST", self.path, {"delivery": "reveal", "purpose": purpose})
        fits(shapes.CardAnswer, answer)
        assert answer.keys() == {"delivery", "url"}
        parts = urlsplit(answer["url"])
        return f"{parts.path}?{parts.query}"

    def admin_key(self) -> str:
        """The key the owner speaks with."""
        return str(self.owner.key)

    def key_of_user(self, role: str) -> str:
        """A key of a new user with this role."""
        path = f"{ADMIN}/users/{made_user(self.company, role)}/keys"
        return str(self.owner.send("POST", path, {}, 201)["key"])


Buy = Callable[..., Buying]


def made_user(company: Company, role: str) -> str:
    """The id of a new user of this company."""
    user = {"name": role, "email": f"{role}@example.com", "role": role}
    return str(company.owner.send("POST", f"{ADMIN}/users", user, 201)["id"])


def buy_again(buying: Buying) -> Buying:
    """The same agent with another purchase."""
    buying.purchase = buying.agent.send("POST", ASK, body(4_000, unique("Shop")), 201)
    buying.path = f"{ASK}/{buying.purchase['id']}/card"
    return buying


@pytest.fixture
def buy(connected: ServedRoony) -> Buy:
    return lambda delivery="reveal", **more: Buying(connected, delivery, **more)


class TestWays:
    """The organization's setting decides; what is left out never weakens it."""

    @pytest.mark.parametrize(
        ("setting", "ways"),
        [
            ("raw", {None: "number", "sealed": "jwe", "reveal": "url"}),
            ("reveal", {None: "url", "sealed": "jwe", "raw": "delivery_not_allowed"}),
            ("sealed", {None: "jwe", "reveal": "delivery_not_allowed", "raw": "delivery_not_allowed"}),
        ],
    )
    def test_what_comes(self, buy: Buy, setting: str, ways: dict[str | None, str]) -> None:
        buying = buy(setting)
        assert ("number" in buying.purchase["card"]) is (setting == "raw")
        buying.owner.send("PUT", buying.public_key, PUBLIC)
        for way, expected in ways.items():
            given = {"delivery": way}
            if expected == "delivery_not_allowed":
                error = buying.agent.refused(403, "POST", buying.path, given)
                assert (error["code"], error["field"]) == (expected, "delivery")
                assert f'PATCH /api/v1/admin/organization {{"delivery":"{way}"}}' in error["message"]
                continue
            for sent in [given] if way else [given, {}, None]:
                answer = buying.agent.send("POST", buying.path, sent)
                fits(shapes.CardAnswer, answer)
                assert {"number", "jwe", "url"} & answer.keys() == {expected}
            # Five deliveries are all there are.
            buying = buy_again(buying)

    def test_a_project_can_be_stricter_than_the_organization(self, buy: Buy) -> None:
        buying = buy("raw")
        rule = {"scope": "project", "scope_id": buying.company.project_id, "controls": {"delivery": "sealed"}}
        buying.owner.send("PUT", f"{ADMIN}/controls", rule)
        assert (
            "PUT /api/v1/admin/controls"
            in buying.agent.refused(403, "POST", buying.path, {"delivery": "raw"})["message"]
        )
        assert buying.agent.refused(409, "POST", buying.path)["code"] == "no_public_key"
        again = buying.agent.send("POST", ASK, body(5_000, "Notion"), 201, headers={"Idempotency-Key": "k"})
        assert (again["status"], {"number", "cvc"} & again["card"].keys()) == ("ready", set())

    def test_five_deliveries_of_any_kind(self, buy: Buy) -> None:
        buying = buy("raw")
        buying.owner.send("PUT", buying.public_key, PUBLIC)
        for way in ("reveal", "sealed", "reveal", None):
            buying.agent.send("POST", buying.path, {"delivery": way, "purpose": f"as {way}"})
        for way in ("reveal", "sealed", "raw", None):
            assert buying.agent.refused(409, "POST", buying.path, {"delivery": way})["code"] == "too_many_deliveries"
        told = [(row["count"], row["delivery"], row["purpose"]) for row in buying.audited("card.delivered")]
        assert told == [
            (1, "raw", "asked"), (2, "reveal", "as reveal"), (3, "sealed", "as sealed"), (4, "reveal", "as reveal"),
            (5, "raw", "as None"),
        ]  # fmt: skip

    def test_a_replayed_ask_carries_no_numbers(self, buy: Buy) -> None:
        buying = buy("raw")
        asked = [
            buying.agent.call("POST", ASK, body(4_000, "Notion"), headers={"Idempotency-Key": "k"}) for _ in range(2)
        ]
        assert [answer.status_code for answer in asked] == [201, 200]
        assert ["number" in answer.json()["card"] for answer in asked] == [True, False]

    def test_what_makes_no_sense_is_422(self, buy: Buy) -> None:
        buying = buy("raw")
        before = buying.owner.get(f"{ADMIN}/organization")["audit_head"]
        for given in (
            {"delivery": "plain"},
            {"delivery": ""},
            {"way": "raw"},
            {"purpose": "a\nb"},
            {"purpose": "x" * 201},
        ):
            buying.agent.refused(422, "POST", buying.path, given)
        assert buying.owner.get(f"{ADMIN}/organization")["audit_head"] == before


class TestSealed:
    """A JWE that the agent's private key opens, and nobody else."""

    def test_it_opens_with_the_private_key_alone(self, buy: Buy, connected: ServedRoony) -> None:
        buying = buy("sealed")
        registered = buying.owner.send("PUT", buying.public_key, PUBLIC)
        sealed = buying.agent.send("POST", buying.path, {"purpose": "pay"})["jwe"]
        details = open_sealed(KEY.jwk, sealed)
        assert details["number"] == buying.number()
        assert re.fullmatch(r"\d{3,4}", details["cvc"])
        assert details["billing_zip"]
        assert (details["purchase_id"], details["card_id"]) == (buying.purchase["id"], buying.purchase["card"]["id"])
        assert details["issued_at"] == time(connected.context.clock()).partition(".")[0] + "Z"
        assert {name: details[name] for name in ("exp_month", "exp_year")} == {
            name: buying.purchase["card"][name] for name in ("exp_month", "exp_year")
        }
        header = jwe.decrypt_compact(sealed, _imported(KEY.jwk)).headers()
        assert (header["alg"], header["enc"]) == ("ECDH-ES+A256KW", "A256GCM")
        assert header["kid"] == registered["thumbprint"] == _imported(KEY.jwk).thumbprint()
        with pytest.raises(ValueError, match="sealed to the key"):
            open_sealed(new_private_key().jwk, sealed)
        kept = everything_in(connected.context.database)
        assert details["number"].encode() not in kept
        assert sealed.encode() not in kept
        assert buying.audited("card.delivered")[0]["key"] == registered["thumbprint"]

    def test_to_an_x25519_key_too(self, buy: Buy) -> None:
        buying = buy("sealed")
        key = OKPKey.generate_key("X25519")
        registered = buying.owner.send("PUT", buying.public_key, key.as_dict(private=False))
        assert registered["thumbprint"] == key.thumbprint()
        sealed = buying.agent.send("POST", buying.path)["jwe"]
        assert open_sealed(json.dumps(key.as_dict(private=True)), sealed)["number"] == buying.number()

    def test_without_a_key_it_says_who_does_what(self, buy: Buy) -> None:
        buying = buy("sealed")
        error = buying.agent.refused(409, "POST", buying.path)
        assert error["code"] == "no_public_key"
        assert "roony agent-key new" in error["message"]
        assert f"PUT {buying.public_key}" in error["message"]
        # Nothing was counted: all five are left.
        assert buying.owner.get(f"{ADMIN}/cards")["data"][0]["deliveries"] == 0

    def test_the_newest_key_counts(self, buy: Buy) -> None:
        buying = buy("sealed")
        other = new_private_key()
        for key in (other, KEY):
            buying.owner.send("PUT", buying.public_key, json.loads(key.public))
        assert open_sealed(KEY.jwk, buying.agent.send("POST", buying.path)["jwe"])["number"]
        assert buying.owner.send("DELETE", buying.public_key)["public_key"] is None
        assert buying.agent.refused(409, "POST", buying.path)["code"] == "no_public_key"
        changes = [*buying.audited("agent.public_key_set"), *buying.audited("agent.public_key_removed")]
        assert [(change["before"] is None, change["after"] is None) for change in changes] == [
            (True, False), (False, False), (False, True),
        ]  # fmt: skip
        assert changes[0]["after"] == changes[1]["before"] != changes[1]["after"] == changes[2]["before"]


def _imported(jwk: str) -> Any:
    from joserfc.jwk import ECKey

    return ECKey.import_key(json.loads(jwk))


class TestRegistering:
    """A public key, by the owner."""

    def test_it_is_shown_as_it_is_kept(self, company: Company) -> None:
        made, _ = company.agent()
        path = f"{ADMIN}/agents/{made['id']}/public_key"
        assert company.owner.get(path) == {"agent_id": made["id"], "public_key": None, "thumbprint": None}
        # What browsers export beside the key is taken and not kept.
        sent = company.owner.send("PUT", path, {**PUBLIC, "key_ops": [], "ext": True, "kid": "mine", "use": "enc"})
        assert sent["public_key"] == PUBLIC
        assert company.owner.get(path) == sent

    @pytest.mark.parametrize(
        ("key", "field"),
        [
            (PRIVATE, "d"),
            ({"kty": "RSA", "n": "AQAB", "e": "AQAB", "d": "AQAB"}, "d"),
            ({"kty": "oct", "k": "AQAB"}, "k"),
            ({"kty": "RSA", "n": "AQAB", "e": "AQAB"}, "crv"),
            ({**PUBLIC, "crv": "P-384"}, "crv"),
            ({**PUBLIC, "kty": "OKP"}, "crv"),
            ({"kty": "OKP", "crv": "Ed25519", "x": PUBLIC["x"]}, "crv"),
            ({"kty": "OKP", "crv": "X25519", "x": "A" * 43}, "x"),
            ({"kty": "OKP", "crv": "X25519", "x": PUBLIC["x"], "y": PUBLIC["y"]}, "y"),
            ({**PUBLIC, "x": PUBLIC["y"]}, "x"),
            ({**PUBLIC, "x": f"{PUBLIC['x']}="}, "x"),
            ({**PUBLIC, "x": PUBLIC["x"][:-4]}, "x"),
            ({**PUBLIC, "x": otherwise_written(PUBLIC["x"])}, "x"),
            ({**PUBLIC, "x": 5}, "x"),
            ({**PUBLIC, "x": zeros_in_front(PUBLIC["x"])}, "x"),
            ({name: PUBLIC[name] for name in ("kty", "crv", "x")}, "y"),
            ({**PUBLIC, "use": "sig"}, "use"),
            ({**PUBLIC, "alg": "ECDH-ES"}, "alg"),
            ({**PUBLIC, "colour": "red"}, "colour"),
            ({}, "kty"),
            ([], None),
            ("{}", None),
        ],
    )
    def test_what_is_no_public_key_is_refused(self, company: Company, key: Any, field: str | None) -> None:
        made, _ = company.agent()
        path = f"{ADMIN}/agents/{made['id']}/public_key"
        error = company.owner.refused(422, "PUT", path, key)
        assert error.get("field") == field
        assert company.owner.get(path)["public_key"] is None
        if field in ("d", "k"):
            assert "private key" in error["message"]
            assert PRIVATE["d"] not in error["message"]

    def test_never_by_an_agent(self, company: Company) -> None:
        """P7."""
        made, agent = company.agent()
        path = f"{ADMIN}/agents/{made['id']}/public_key"
        for method, sent in (("PUT", PUBLIC), ("GET", None), ("DELETE", None)):
            assert agent.refused(403, method, path, sent)["code"] == "wrong_kind_of_key"
        assert agent.call("PUT", path.replace("/admin", ""), PUBLIC).status_code == 404
        assert company.owner.get(path)["public_key"] is None

    def test_another_organizations_agent_is_404(self, company: Company, roony: ServedRoony) -> None:
        made, _ = company.agent()
        stranger = roony.company().owner
        for method, sent in (("PUT", PUBLIC), ("GET", None), ("DELETE", None)):
            stranger.refused(404, method, f"{ADMIN}/agents/{made['id']}/public_key", sent)


class _Texts(HTMLParser):
    """The texts of a page, and the values of its hidden fields."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.texts: list[str] = []
        self.hidden: dict[str, str] = {}
        self.feed(page)

    def handle_data(self, data: str) -> None:
        self.texts.append(data.strip())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if tag == "input" and given.get("type") == "hidden":
            self.hidden[str(given["name"])] = str(given["value"])


class Person:
    """Somebody with a browser, who follows a link and types a key into the form behind it."""

    def __init__(self, roony: ServedRoony) -> None:
        self._caller = roony.caller()

    def look(self, link: str, method: str = "GET") -> httpx2.Response:
        answer = self._caller.call(method, link)
        _is_private(answer)
        return answer

    def open(self, link: str, key: str, **more: str) -> httpx2.Response:
        """Sends the form as the page has it."""
        page = self.look(link)
        fields = {**_Texts(page.text).hidden, "key": key, **more}
        return self.send(fields)

    def send(self, fields: dict[str, str]) -> httpx2.Response:
        answer = self._caller.call("POST", "/reveal", data=fields)
        _is_private(answer)
        return answer


def _is_private(answer: httpx2.Response) -> None:
    headers = answer.headers
    assert headers["cache-control"] == "no-store"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["x-content-type-options"] == "nosniff"
    policy = dict(part.strip().partition(" ")[::2] for part in headers["content-security-policy"].split(";"))
    assert (policy["default-src"], policy["frame-ancestors"], policy["base-uri"]) == ("'none'",) * 3
    assert policy["style-src"] == "'self'"
    # A script that may speak to nobody hides what is shown, and nothing else has one.
    assert policy.get("script-src") == ("'self'" if shown_number(answer) else None)
    assert "connect-src" not in policy
    assert policy.get("form-action", "'none'") in ("'none'", "'self'")
    assert "set-cookie" not in headers


@pytest.fixture
def person(connected: ServedRoony) -> Person:
    return Person(connected)


def shown_number(answer: httpx2.Response) -> str:
    """The card number on the page, or nothing."""
    return "".join(re.findall(r"<span>(\d{1,4})</span>", answer.text))


class TestReveal:
    """Looked at freely, shown once, to a person with the right, whose name is kept."""

    def test_the_card_is_shown_once(self, buy: Buy, person: Person, connected: ServedRoony) -> None:
        buying = buy()
        link = buying.link("the yearly <b>plan</b>")
        key = buying.admin_key()
        first, second = person.open(link, key), person.send({"ticket": link.partition("=")[2], "key": key})
        assert (first.status_code, second.status_code) == (200, 410)
        assert shown_number(first) == buying.number()
        texts = _Texts(first.text).texts
        assert "the yearly <b>plan</b>" in texts
        assert "<b>" not in first.text
        assert {"Figma", "129.99 USD", buying.purchase["id"], "Buyer"} <= set(texts)
        for name in ("exp_month", "exp_year"):
            assert str(buying.purchase["card"][name]) in first.text
        assert shown_number(second) == ""
        assert "no longer works" in second.text
        [record] = buying.owner.get(f"{ADMIN}/audit", params={"action": "card.revealed"})["data"]
        assert record["actor"].startswith("key_")
        assert record["body"]["purpose"] == "the yearly <b>plan</b>"
        assert record["body"]["requested_by"] == buying.agent_id
        assert buying.owner.get(f"{ADMIN}/cards")["data"][0]["deliveries"] == 1
        kept = everything_in(connected.context.database)
        assert shown_number(first).encode() not in kept
        assert link.partition("=")[2].encode() not in kept

    def test_looking_spends_nothing_and_says_nothing(self, buy: Buy, person: Person) -> None:
        buying = buy()
        link = buying.link("for the board")
        head = buying.owner.get(f"{ADMIN}/organization")["audit_head"]
        looks = [person.look(link) for _ in range(3)]
        assert [answer.status_code for answer in looks] == [200, 200, 200]
        for answer in looks:
            assert buying.purchase["id"] not in answer.text
            assert "board" not in answer.text
            assert "Figma" not in answer.text
            assert "<script" not in answer.text
            assert "style=" not in answer.text
        assert person.look(link, "HEAD").status_code == 405
        assert buying.owner.get(f"{ADMIN}/organization")["audit_head"] == head
        assert shown_number(person.open(link, buying.admin_key())) == buying.number()
        assert person.look(link).status_code == 410

    def test_it_is_over_after_ten_minutes(self, buy: Buy, person: Person, connected: ServedRoony) -> None:
        buying = buy()
        link = buying.link()
        connected.context.clock.advance(599)  # type: ignore[attr-defined]
        page = person.look(link)
        assert page.status_code == 200
        connected.context.clock.advance(1)  # type: ignore[attr-defined]
        assert person.look(link).status_code == 410
        late = person.send({**_Texts(page.text).hidden, "key": buying.admin_key()})
        assert (late.status_code, shown_number(late)) == (410, "")

    def test_keys_that_do_not_open_it(self, buy: Buy, person: Person, connected: ServedRoony) -> None:
        """Another organization's, the agent's, a revoked one, a viewer's: counted, and all answered alike."""
        buying = buy()
        link = buying.link()
        stranger = connected.company("Stranger").owner
        revoked = new_key("admin", connected.context.new_id("key"), "somebody who left")
        row = connected.books.run(CreateAccessKey(buying.company.id, revoked, "test"))
        connected.books.run(RevokeAccessKey(buying.company.id, row, "test"))
        viewer = buying.key_of_user("viewer")
        wrong = [str(stranger.key), str(buying.agent.key), revoked.text, viewer]
        answers = [person.open(link, key) for key in wrong]
        assert [answer.status_code for answer in answers] == [403] * 4
        for left, answer in zip((4, 3, 2, 1), answers, strict=True):
            assert re.search(rf"It can be tried\s+{left} more time", answer.text)
            assert not any(key in answer.text for key in wrong)
        refused = buying.audited("card.reveal_refused")
        assert [row["wrong_keys"] for row in refused] == [1, 2, 3, 4]
        assert not any(key in json.dumps(refused) for key in wrong)
        # One try is left, and the right key needs no more: an approver's, under that user's name.
        approver = buying.key_of_user("approver")
        assert shown_number(person.open(link, approver)) == buying.number()
        # Whoever looks which keys are in use sees it. What waits at the till before this is written with it.
        connected.books.till.write_and_wait(lambda _writer: None)
        used = [connected.books.row(AccessKey, hash=text_hash(key)).last_used_at for key in (approver, viewer)]
        assert used == [connected.context.clock(), None]
        assert connected.books.row(User, role="approver").id == connected.books.row(RevealLink).used_by

    def test_after_five_wrong_keys_it_is_dead(self, buy: Buy, person: Person) -> None:
        buying = buy()
        link = buying.link()
        answers = [person.send({"ticket": link.partition("=")[2], "key": f"roony_admin_{n}"}) for n in range(6)]
        assert [answer.status_code for answer in answers] == [403, 403, 403, 403, 410, 410]
        dead = person.send({"ticket": link.partition("=")[2], "key": buying.admin_key()})
        assert (dead.status_code, shown_number(dead)) == (410, "")
        assert len(buying.audited("card.reveal_refused")) == 5

    def test_whoever_is_signed_in_needs_no_key(self, buy: Buy, person: Person, connected: ServedRoony) -> None:
        """But the token of their session, the right, and to belong here; what is not let in spends nothing."""
        buying = buy()
        link = buying.link()
        ticket = link.partition("=")[2]
        stranger = connected.company("Stranger")
        sessions = {
            role: session_of(connected, company, made_user(company, role))
            for role, company in (("owner", stranger), ("viewer", buying.company), ("approver", buying.company))
        }
        caller = connected.caller()
        head = buying.owner.get(f"{ADMIN}/organization")["audit_head"]

        def send(role: str, token: str, **more: str) -> httpx2.Response:
            cookie = {"Cookie": f"{COOKIE}={sessions[role]}", **more}
            return caller.call("POST", "/reveal", data={"ticket": ticket, "csrf": token}, headers=cookie)

        for role in ("owner", "viewer"):
            page = caller.call("GET", link, headers={"Cookie": f"{COOKIE}={sessions[role]}"})
            assert 'name="key"' in page.text
            refused = send(role, csrf_token(sessions[role]))
            assert (refused.status_code, shown_number(refused), 'name="key"' in refused.text) == (403, "", True)
        own = csrf_token(sessions["approver"])
        assert send("approver", csrf_token(sessions["viewer"])).status_code == 403
        assert send("approver", own, **{"Sec-Fetch-Site": "cross-site"}).status_code == 403
        assert person.send({"ticket": ticket, "csrf": own}).status_code == 403
        assert buying.owner.get(f"{ADMIN}/organization")["audit_head"] == head
        page = caller.call("GET", link, headers={"Cookie": f"{COOKIE}={sessions['approver']}"})
        assert ('name="key"' in page.text, _Texts(page.text).hidden["csrf"]) == (False, own)
        shown = send("approver", own)
        assert (shown.status_code, shown_number(shown)) == (200, buying.number())
        assert connected.books.row(User, role="approver").id == connected.books.row(RevealLink).used_by
        assert send("approver", own).status_code == 410

    def test_many_wrong_keys_at_once_are_all_counted(self, buy: Buy, connected: ServedRoony) -> None:
        """No more than five of them are judged, whatever they hurry."""
        buying = buy()
        ticket = buying.link().partition("=")[2]
        people = [Person(connected) for _ in range(8)]
        together = threading.Barrier(len(people))

        def send(place: int) -> int:
            together.wait(60)
            return people[place].send({"ticket": ticket, "key": f"roony_admin_{place}"}).status_code

        with ThreadPoolExecutor(len(people)) as threads:
            assert sorted(threads.map(send, range(len(people)))) == [403] * 4 + [410] * 4
        assert sorted(row["wrong_keys"] for row in buying.audited("card.reveal_refused")) == [1, 2, 3, 4, 5]

    def test_many_at_once_get_it_once(self, buy: Buy, connected: ServedRoony) -> None:
        buying = buy()
        link, key = buying.link(), buying.admin_key()
        people = [Person(connected) for _ in range(8)]
        together = threading.Barrier(len(people))

        def send(person: Person) -> httpx2.Response:
            together.wait(60)
            fields = {"ticket": link.partition("=")[2], "key": key}
            answer = person.send(fields)
            # A till that is busy says so. Whoever spent the link and got nothing for it would get nothing now either.
            return person.send(fields) if answer.status_code == 503 else answer

        with ThreadPoolExecutor(len(people)) as threads:
            answers = list(threads.map(send, people))
        assert sorted(answer.status_code for answer in answers) == [200] + [410] * 7
        assert sorted(shown_number(answer) for answer in answers) == [""] * 7 + [buying.number()]
        assert len(buying.audited("card.revealed")) == 1

    def test_a_frozen_card_is_not_shown_and_the_link_stays(self, buy: Buy, person: Person) -> None:
        buying = buy()
        link = buying.link()
        where = {"scope": "agent", "scope_id": buying.agent_id}
        buying.owner.send("POST", f"{ADMIN}/freeze", where)
        frozen = person.open(link, buying.admin_key())
        assert (frozen.status_code, shown_number(frozen)) == (409, "")
        assert person.look(link).status_code == 200

    def test_when_stripe_does_not_answer_the_link_is_used_up(self, buy: Buy, person: Person, simulator: Any) -> None:
        buying = buy()
        link = buying.link()
        fault = {"endpoint": "GET /v1/issuing/cards/{card}", "kind": "error_before", "count": 5}
        simulator.control("faults", [fault])
        failed = person.open(link, buying.admin_key())
        simulator.control("faults", [])
        assert (failed.status_code, shown_number(failed)) == (503, "")
        assert person.look(link).status_code == 410

    @pytest.mark.parametrize(
        "query", ["", "?ticket=", "?ticket=a&ticket=b", f"?ticket={'a' * 200}", "?ticket=%00", "?other=1"]
    )
    def test_addresses_that_make_no_sense(self, roony: ServedRoony, query: str) -> None:
        assert Person(roony).look(f"/reveal{query}").status_code == 400

    def test_a_link_nobody_made(self, roony: ServedRoony) -> None:
        person = Person(roony)
        assert person.look("/reveal?ticket=nobody").status_code == 410
        assert person.send({"ticket": "nobody", "key": "roony_admin_x"}).status_code == 410

    def test_forms_that_make_no_sense(self, buy: Buy, person: Person, connected: ServedRoony) -> None:
        buying = buy()
        link = buying.link()
        ticket, key = link.partition("=")[2], buying.admin_key()
        for fields in ({"ticket": ticket}, {"key": key}, {"ticket": ticket, "key": ""}):
            assert person.send(fields).status_code == 400
        caller: Caller = connected.caller()
        assert caller.call("POST", "/reveal", {"ticket": ticket, "key": key}).status_code == 400
        assert caller.call("POST", "/reveal", data={"ticket": ticket, "key": "x" * 2_000}).status_code == 413
        # An address is no place for a key, so nothing there counts.
        assert caller.call("POST", f"{link}&key={key}", data={}).status_code == 400
        assert shown_number(person.open(link, key)) == buying.number()
