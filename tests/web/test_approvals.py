"""Who decides over HTTP and on the page behind a link: people with the role and keys of their own, never an agent."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from typing import Any

import httpx2
import pytest

from roony.core.approval import Approval
from roony.core.audit import AuditRecord
from roony.web.dashboard.view import ROWS
from roony.web.session import COOKIE
from tests.support.postgres import swept_books_database
from tests.support.served import unique
from tests.support.serving import Caller, Company, ServedRoony, serve
from tests.support.simulator import SimulatorProcess
from tests.support.walking import other_pages
from tests.web.conftest import MONTH, session_of
from tests.web.test_users import person

ADMIN = "/api/v1/admin"
ASK = "/api/v1/purchase_intents"
TWO, PRICE = 100_000, 150_000
EVIL = '"><script>alert(1)</script> <b>approve me</b>\nDecide until: never & ever'


class Shop:
    """One company with a Stripe account and its people, for all tests of this file."""

    def __init__(self, roony: ServedRoony) -> None:
        self.roony = roony
        self.company = roony.company("Shop", delivery="raw")
        self.owner = self.company.owner
        self.owner.send("POST", f"{ADMIN}/connections", {"kind": "direct"}, 201)
        (self.ann_user, self.ann), (self.ben_user, self.ben), (_, self.viewer) = (
            person(roony, self.company, role, name)
            for role, name in (("approver", "Ann"), ("admin", "Ben"), ("viewer", "Vic"))
        )
        self.nobody = roony.caller()

    def ask(self, amount: int = PRICE, **more: Any) -> tuple[Caller, dict[str, Any]]:
        """An agent of its own, and its purchase that waits for people."""
        controls = {"approval_threshold": 0, "second_approval_threshold": TWO}
        _, agent = self.company.agent("Ada", budgets=[MONTH], controls=controls)
        body = {
            "amount": amount, "currency": "usd", "description": "seats",
            "merchant": {"name": unique("Figma"), "country": "US", "url": "https://figma.example"}, **more,
        }  # fmt: skip
        purchase: dict[str, Any] = agent.send("POST", ASK, body, 201)
        assert purchase["status"] == "awaiting_approval", purchase
        return agent, purchase

    def decide(self, who: Caller, purchase: dict[str, Any], word: str = "approve", **body: Any) -> dict[str, Any]:
        """Somebody's yes or no that must be taken."""
        answer: dict[str, Any] = who.send("POST", f"{_approval(purchase)}/{word}", body)
        return answer

    def head(self) -> Any:
        return self.owner.get(f"{ADMIN}/organization")["audit_head"]

    def fill(self, purchase: dict[str, Any], key: str | None, do: str, **fields: str) -> httpx2.Response:
        """Sends the form of the page behind the link."""
        path = f"/approve/{purchase['approval']['id']}"
        return self.nobody.call("POST", path, data={"key": str(key), "do": do, **fields})

    def look(self, user: dict[str, Any], path: str, company: Company | None = None) -> httpx2.Response:
        """A page as somebody sees it who is signed in."""
        session = session_of(self.roony, company or self.company, user["id"])
        return self.nobody.call("GET", path, headers={"Cookie": f"{COOKIE}={session}"})


def _approval(purchase: dict[str, Any]) -> str:
    return f"{ADMIN}/approvals/{purchase['approval']['id']}"


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory, simulator: SimulatorProcess, backend: str) -> Iterator[Shop]:
    simulator.control("reset", {})
    folder = tmp_path_factory.mktemp("approvals")
    with swept_books_database(backend) as url, serve(folder, simulator.url, url) as served:
        yield Shop(served)


def test_two_people_and_who_is_told_what(shop: Shop) -> None:
    agent, purchase = shop.ask()
    first = shop.decide(shop.ann, purchase, note="for the launch")
    assert (first["status"], first["card"], first["outcome"]["status"]) == (
        "awaiting_approval",
        None,
        "partly_approved",
    )
    # Who else may: everybody with the role but Ann, and not the viewer.
    assert first["outcome"]["message"] == (
        "Your yes is written down. Another person must agree to the same amount: Ben."
    )
    seen = shop.ben.get(_approval(purchase))
    assert (seen["status"], seen["first_approved_by"], seen["approved_amount"], seen["note"]) == (
        "partly_approved", shop.ann_user["id"], PRICE, "for the launch",
    )  # fmt: skip
    for status, there in (("waiting", True), ("partly_approved", True), ("pending", False), ("approved", False)):
        listed = shop.ben.get(f"{ADMIN}/approvals?status={status}&limit=100")["data"]
        assert (seen["id"] in {row["id"] for row in listed}) is there, status
    again = shop.ann.refused(409, "POST", f"{_approval(purchase)}/approve")
    assert (again["code"], again["id"]) == ("second_person_needed", seen["id"])
    program = shop.owner.refused(403, "POST", f"{_approval(purchase)}/approve")
    assert (program["code"], "roony user key" in program["message"]) == ("user_key_needed", True)
    last = shop.decide(shop.ben, purchase)
    assert (last["status"], last["outcome"]["status"], last["outcome"]["message"]) == ("ready", "approved", "Approved.")
    assert agent.get(f"{ASK}/{purchase['id']}?wait=10")["status"] == "ready"
    late = shop.ann.refused(409, "POST", f"{_approval(purchase)}/deny")
    assert (late["code"], f"already approved by {shop.ben_user['id']}, since 20" in late["message"]) == (
        "approval_closed", True,
    )  # fmt: skip


def test_a_first_yes_that_counts_no_more_is_not_shown(shop: Shop) -> None:
    """Its giver was disabled: what is shown is what the next yes meets, in lists, on pages and in the timeline."""
    cyn_user, cyn = person(shop.roony, shop.company, "approver", "Cyn")
    _, purchase = shop.ask()
    shop.decide(cyn, purchase)
    pages = ("/approvals", f"/approvals/{purchase['approval']['id']}", f"/purchases/{purchase['id']}")
    before = [html.unescape(shop.look(shop.ben_user, path).text) for path in pages]
    assert ["Cyn" in text for text in before] == [True, True, True]
    assert "Cyn said yes; a second person must agree" in before[2]
    shop.owner.send("PATCH", f"{ADMIN}/users/{cyn_user['id']}", {"disabled": True})
    seen = shop.ben.get(_approval(purchase))
    assert (seen["status"], seen["first_approved_by"], seen["approved_amount"], seen["decision"]) == (
        "pending", None, None, None,
    )  # fmt: skip
    for status, there in (("waiting", True), ("pending", True), ("partly_approved", False)):
        listed = shop.ben.get(f"{ADMIN}/approvals?status={status}&limit=100")["data"]
        assert (seen in listed) is there, status
    after = [html.unescape(shop.look(shop.ben_user, path).text) for path in pages]
    assert ["1 of 2 said yes: Cyn" in text for text in after] == [False, False, False]
    assert "Cyn said yes; a second person must agree" not in after[2]
    assert "1 of 2 said yes" not in shop.fill(purchase, shop.ben.key, "look").text
    assert shop.decide(shop.ben, purchase)["outcome"]["status"] == "partly_approved"


def test_a_key_of_nobody_is_called_by_its_name(shop: Shop) -> None:
    _, purchase = shop.ask(TWO)
    shop.decide(shop.owner, purchase, "deny")
    page = html.unescape(shop.look(shop.ben_user, f"/purchases/{purchase['id']}").text)
    [key] = re.findall("Denied by the key “(.+?)”", page)
    assert key in {row["name"] for row in shop.owner.get(f"{ADMIN}/access_keys?limit=200")["data"]}


def test_a_yes_that_the_rules_refuse_says_so(shop: Shop) -> None:
    _, purchase = shop.ask(TWO)
    answer = shop.decide(shop.ann, purchase, amount=TWO - 1)
    assert answer["outcome"]["status"] == "approved"
    _, purchase = shop.ask(TWO - 1)
    controls = {"approval_threshold": 0, "purchase_limit": 1}
    body = {"scope": "agent", "scope_id": purchase["agent_id"], "controls": controls}
    shop.owner.send("PUT", f"{ADMIN}/controls", body)
    answer = shop.decide(shop.ann, purchase)
    assert (answer["status"], answer["outcome"]["status"]) == ("declined", "denied")
    assert answer["outcome"]["message"] == "Not approved: The rules no longer allow it."


def test_another_amount_that_the_rules_refuse_leaves_it_waiting(shop: Shop) -> None:
    """Over the API and on the page, which says why and asks again; then the rules' words to the yes are shown."""
    _, purchase = shop.ask(TWO)
    controls = {"approval_threshold": 0, "purchase_limit": TWO}
    body = {"scope": "agent", "scope_id": purchase["agent_id"], "controls": controls}
    shop.owner.send("PUT", f"{ADMIN}/controls", body)
    head = shop.head()
    error = shop.ann.refused(409, "POST", f"{_approval(purchase)}/approve", {"amount": TWO + 1})
    assert (error["code"], error["field"], error["id"], [reason["code"] for reason in error["reasons"]]) == (
        "amount_not_allowed", "amount", purchase["approval"]["id"], ["OVER_PURCHASE_LIMIT"],
    )  # fmt: skip
    page = shop.fill(purchase, shop.ann.key, "approve", amount="1000.01")
    assert (page.status_code, "The approval still waits." in page.text, 'value="approve"' in page.text) == (
        409, True, True,
    )  # fmt: skip
    assert (shop.head(), shop.ann.get(_approval(purchase))["decision"]) == (head, None)
    assert shop.decide(shop.ann, purchase)["outcome"]["status"] == "approved"
    seen = shop.ann.get(_approval(purchase))["decision"]
    assert (seen["verdict"], [reason["code"] for reason in seen["reasons"]]) == (
        "needs_approval", ["APPROVAL_OVER_THRESHOLD"],
    )  # fmt: skip
    assert seen["control_versions"][purchase["agent_id"]] == 2


def test_agents_and_viewers_never_decide(shop: Shop) -> None:
    """P7: over the API and on the page, and a refusal leaves nothing behind."""
    agent, purchase = shop.ask()
    stranger = shop.roony.company("Stranger").owner
    head = shop.head()
    for word in ("approve", "deny"):
        assert agent.refused(403, "POST", f"{_approval(purchase)}/{word}")["code"] == "wrong_kind_of_key"
        assert shop.viewer.refused(403, "POST", f"{_approval(purchase)}/{word}")["code"] == "role_too_low"
        stranger.refused(404, "POST", f"{_approval(purchase)}/{word}")
        shop.nobody.refused(401, "POST", f"{_approval(purchase)}/{word}")
        assert "Agents never decide" in _refused_page(shop.fill(purchase, agent.key, word, amount="1500.00"), 403)
        assert "needs the role approver" in _refused_page(shop.fill(purchase, shop.viewer.key, word), 403)
        assert "not known" in _refused_page(shop.fill(purchase, "roony_admin_" + "0" * 48, word), 401)
        assert "not a key of Roony" in _refused_page(shop.fill(purchase, "hunter2", word), 401)
        assert "No approval" in _refused_page(shop.fill(purchase, stranger.key, word, amount="1500.00"), 404)
    assert shop.head() == head
    assert agent.get(f"{ASK}/{purchase['id']}")["status"] == "awaiting_approval"


def _refused_page(answer: httpx2.Response, status: int) -> str:
    """The text of a page that refuses and shows nothing of the purchase."""
    assert answer.status_code == status, answer.text
    assert not {"Figma", "seats", "Ada", "1,500.00"} & set(re.findall(r"Figma|seats|Ada|1,500\.00", answer.text))
    return html.unescape(answer.text)


def test_the_link_shows_nothing_by_itself(shop: Shop) -> None:
    """The same page for an approval that is there and one that is not; nothing is loaded, kept or run."""
    _, purchase = shop.ask()
    head = shop.head()
    pages = [shop.nobody.call("GET", f"/approve/{id}") for id in (purchase["approval"]["id"], "apr_none")]
    # But for the id, which came in the address.
    assert pages[0].text.replace(purchase["approval"]["id"], "apr_none") == pages[1].text
    for page in pages:
        assert (page.status_code, page.headers["cache-control"]) == (200, "no-store")
        policy = page.headers["content-security-policy"]
        assert ("default-src 'none'" in policy, "script-src" in policy, "form-action 'self'" in policy) == (
            True, False, True,
        )  # fmt: skip
        assert ("frame-ancestors 'none'" in policy, "set-cookie" in page.headers) == (True, False)
        assert "<script" not in page.text
        assert "style=" not in page.text
    assert shop.nobody.call("HEAD", "/approve/apr_none").status_code == 405
    assert shop.nobody.call("GET", "/static/approve.css").status_code == 200
    assert shop.head() == head


def test_what_the_page_shows_and_decides(shop: Shop) -> None:
    """By two people, each with their own key; what the agent wrote is escaped and marked as its own words."""
    body = {"description": EVIL, "metadata": {"order": EVIL.replace("\n", " ")}, "task_id": "task-7"}
    agent, purchase = shop.ask(**body)
    page = shop.fill(purchase, shop.ann.key, "look")
    assert page.status_code == 200
    assert "<script" not in page.text
    assert "<b>" not in page.text
    assert str(shop.ann.key) not in page.text
    before, _, words = page.text.partition("own words, which nobody has checked")
    assert ("alert(1)" in before, html.escape(EVIL, quote=False)[:20] in html.unescape(words)) == (False, False)
    assert EVIL in html.unescape(words)
    text = html.unescape(page.text)
    for shown in ("1,500.00 USD", "Ada", "task-7", purchase["merchant"]["name"], "https://figma.example",
                  "nothing was bought there before", "above that two different people decide",
                  "3,500.00 USD of 5,000.00 USD", purchase["id"]):  # fmt: skip
        assert shown in text, shown
    # An address is shown and never a link.
    assert 'href="https://figma' not in page.text
    first = shop.fill(purchase, shop.ann.key, "approve", amount="1500.00", note="für den Start")
    assert (first.status_code, "Your yes is written down" in first.text) == (200, True)
    second = shop.fill(purchase, shop.ben.key, "look")
    assert "1 of 2 said yes: Ann agreed to 1,500.00 USD." in second.text
    done = shop.fill(purchase, shop.ben.key, "approve", amount="1500.00", note="")
    assert (done.status_code, "<h1>Approved</h1>" in done.text) == (200, True)
    assert agent.get(f"{ASK}/{purchase['id']}?wait=10")["status"] == "ready"
    again = shop.fill(purchase, shop.ann.key, "deny")
    assert (again.status_code, f"already approved by {shop.ben_user['id']}" in again.text) == (409, True)
    assert 'value="approve"' not in again.text
    [record] = [
        row for row in shop.roony.books.rows(AuditRecord, action="approval.partly_approved")
        if purchase["approval"]["id"] in row.body
    ]  # fmt: skip
    assert (record.actor, "f\\u00fcr den Start" in record.body or "für den Start" in record.body) == (
        shop.ann_user["id"], True,
    )  # fmt: skip


def test_a_no_on_the_page(shop: Shop) -> None:
    agent, purchase = shop.ask()
    assert "Note, which the agent reads too" in shop.fill(purchase, shop.ann.key, "look").text
    page = shop.fill(purchase, shop.ann.key, "deny", note="too dear")
    assert (page.status_code, "<h1>Not approved</h1>" in page.text) == (200, True)
    seen = agent.get(f"{ASK}/{purchase['id']}")
    assert (seen["status"], seen["approval"]["status"], seen["approval"]["note"]) == ("declined", "denied", "too dear")


def test_another_amount_on_the_page(shop: Shop) -> None:
    agent, purchase = shop.ask()
    for amount in ("", "0", "12,50", "1e3", "1.001", "-5", "9" * 13):
        wrong = shop.fill(purchase, shop.ann.key, "approve", amount=amount)
        assert wrong.status_code == (400 if not amount else 422), amount
    assert shop.fill(purchase, shop.ann.key, "approve", amount="999.50").status_code == 200
    assert agent.get(f"{ASK}/{purchase['id']}?wait=10")["amount"] == 99_950


def test_what_is_no_form_of_ours(shop: Shop) -> None:
    _, purchase = shop.ask()
    head, path, key = shop.head(), f"/approve/{purchase['approval']['id']}", str(shop.ann.key)
    for sent in (
        {"json": {"key": key, "do": "approve", "amount": "1500.00"}},
        {"data": {"key": key}},
        {"data": {"key": key, "do": "buy"}},
        {"data": {"do": "approve", "amount": "1500.00"}},
        {"data": {"key": key, "do": "deny", "note": "a\nb"}},
        {"data": {"key": key, "do": "deny", "note": "x" * 501}},
        {"params": {"key": key, "do": "deny"}},
        {"content": f"key={key}&do=deny&do=approve", "headers": {"content-type": "application/x-www-form-urlencoded"}},
    ):
        assert shop.nobody.call("POST", path, **sent).status_code == 400, sent  # type: ignore[arg-type]
    assert shop.head() == head


def test_pages_of_the_queue_and_of_the_history(shop: Shop) -> None:
    """By cursor, each once: what waits by its end, the soonest first, what was denied by its beginning."""
    _, purchase = shop.ask()
    stranger = shop.roony.company("Stranger of pages")
    user, _ = person(shop.roony, stranger, "owner", "Sam")
    row = shop.roony.books.row(Approval, id=purchase["approval"]["id"])
    # Of another company, so that nothing else is in its lists.
    waits = [
        row._replace(organization_id=stranger.id, id=f"apr_waits{n:03}", expires_at=row.expires_at - n)
        for n in range(ROWS + 10)
    ]
    denied = [
        row._replace(
            organization_id=stranger.id, id=f"apr_denied{n:03}", created_at=row.created_at + n, status="denied",
            decided_by=user["id"], decided_at=row.created_at + n, note="no",
        )
        for n in range(ROWS + 10)
    ]  # fmt: skip
    shop.roony.books.put(*waits, *denied)
    for path, tag, rows in (
        ("/approvals", r'<article [^>]*id="(apr_\w+)"', waits),
        ("/approvals?status=denied", r'href="/approvals/(apr_\w+)"', denied),
    ):
        first = shop.look(user, path, stranger)
        second = shop.look(user, other_pages(first.text)["Next"], stranger)
        back = shop.look(user, other_pages(second.text)["Previous"], stranger)
        ids = [row.id for row in reversed(rows)]
        found = [re.findall(tag, page.text) for page in (first, second, back)]
        assert found == [ids[:ROWS], ids[ROWS:], ids[:ROWS]]
        assert (list(other_pages(second.text)), other_pages(second.text)["First"]) == (["First", "Previous"], path)
    assert "Sam" in shop.look(user, "/approvals?status=denied", stranger).text
    assert shop.look(user, "/approvals?cursor=none", stranger).status_code == 404


def test_who_is_signed_in_sees_their_own_and_decides_with_the_role(shop: Shop) -> None:
    """The link leads approvers on; a viewer sees no form, and nobody sees another organization's."""
    _, purchase = shop.ask()
    id = purchase["approval"]["id"]
    led = shop.look(shop.ann_user, f"/approve/{id}")
    assert (led.status_code, led.headers["location"]) == (303, f"/approvals/{id}")
    stranger = shop.roony.company("Stranger signed in")
    user, _ = person(shop.roony, stranger, "owner", "Sue")
    viewer, _ = person(shop.roony, shop.company, "viewer", "Vera")
    for who, company in ((user, stranger), (viewer, shop.company)):
        asked = shop.look(who, f"/approve/{id}", company)
        assert (asked.status_code, 'name="key"' in asked.text, "Figma" in asked.text) == (200, True, False)
    other = shop.look(user, f"/approvals/{id}", stranger)
    assert (other.status_code, "Figma" in other.text) == (404, False)
    seen, form = shop.look(viewer, f"/approvals/{id}").text, shop.look(shop.ann_user, f"/approvals/{id}").text
    assert (purchase["merchant"]["name"] in seen, 'class="decide"' in seen, 'class="decide"' in form) == (
        True, False, True,
    )  # fmt: skip
    # A session decides on the dashboard alone: this form is for a key.
    cookie = {"Cookie": f"{COOKIE}={session_of(shop.roony, shop.company, shop.ann_user['id'])}"}
    sent = shop.nobody.call("POST", f"/approve/{id}", data={"do": "approve", "amount": "1500.00"}, headers=cookie)
    assert (sent.status_code, shop.ann.get(_approval(purchase))["status"]) == (400, "pending")


def test_after_its_time_nobody_decides(shop: Shop) -> None:
    """Last in this file: it moves the clock of all of them."""
    _, purchase = shop.ask()
    shop.roony.context.clock.advance(1_800)  # type: ignore[attr-defined]
    late = shop.ann.refused(409, "POST", f"{_approval(purchase)}/approve")
    assert (late["code"], "already expired, since" in late["message"]) == ("approval_closed", True)
    page = shop.fill(purchase, shop.ann.key, "look")
    assert (page.status_code, "already expired" in page.text, 'value="approve"' in page.text) == (200, True, False)
