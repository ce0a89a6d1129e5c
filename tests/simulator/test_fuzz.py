"""Whatever is sent, the simulator answers: no 500, no hang, no traceback, always JSON in Stripe's shape.

The requests are made from the table of operations itself: right values, wrong ones, and ones that are no values at all,
for real objects and for ones that do not exist. `make soak` sends many more.
"""

from __future__ import annotations

import http.client
import json
import os
from collections.abc import Iterator
from contextlib import closing
from itertools import count
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from roony.simulator import stripe_api
from roony.simulator.stripe_api.operations import Operation
from roony.simulator.stripe_api.parameters import Boolean, Field, Group, Integer, ListOf, Metadata, Range, Text
from tests.support.conformance.samples import NUMBERS, TEXTS
from tests.support.progress import Progress
from tests.support.simulator import SimulatorProcess, authorize, new_card
from tests.support.stripe_spec import VARIABLE, load_spec

QUICK = settings(
    max_examples=400,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
LONG = settings(QUICK, max_examples=20_000, derandomize=False)
SECONDS = 10  # an answer that takes longer is a hang

CURSORS = ("starting_after", "ending_before")
# How the ids begin that fit a word of a path or the name of a parameter.
BEGINNINGS = {
    "account": "acct_",
    "authorization": "iauth_",
    "card": "ic_",
    "cardholder": "ich_",
    "event": "evt_",
    "issuing_card": "ic_",
    "topup": "tu_",
    "transaction": "ipi_",
}

STRANGE = st.one_of(
    st.text(max_size=40),
    st.sampled_from(["", "0", "-1", "1e9", "9" * 30, "true", "null", "\x00", "usd", "US", "acct_1", "[]", "a" * 6000]),
)
CONTROLS = (
    "accounts/{account}",
    "cardholders/{cardholder}",
    "cards/{card}",
    "clock",
    "delivery",
    "disputes/{dispute}/close",
    "events/{event}/resend",
    "faults",
    "redirect_uris",
    "webhook_endpoints/{endpoint}/roll_secret",
)
ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4),
    max_leaves=12,
)
CONTROL_WORDS = st.dictionaries(
    st.sampled_from(
        "advance status loss_reason timeout_action card_issuing issuing_balance topup_delay next_reason expires_in "
        "duplicate shuffle delay lose lose_count seed uris disabled_reason past_due approved".split()
    ),
    ANY_JSON | st.integers(0, 90_000) | st.sampled_from(["won", "lost", "active", "blocked", "pin_blocked"]),
    max_size=4,
)


def plain(field: Field, name: str, odd: bool) -> st.SearchStrategy[Any]:
    """Return values a field accepts, as a tree of strings; inside of it some may be odd."""
    if isinstance(field, Text):
        return st.sampled_from(field.choices or (TEXTS.get(name, "Jenny"),))
    if isinstance(field, Integer):
        least = field.least if field.least is not None else 0
        usual = st.integers(least, min(field.most or 5000, least + 5000))
        return (st.just(NUMBERS[name]) if name in NUMBERS else usual).map(str)
    if isinstance(field, Boolean):
        return st.sampled_from(["true", "false"])
    if isinstance(field, ListOf):
        items = st.lists(tree(field.item, name, odd), max_size=2)
        return items.map(lambda values: {str(place): value for place, value in enumerate(values)})
    if isinstance(field, Group):
        return fields(field.fields, odd)
    if isinstance(field, Metadata):
        letters = st.text("abcde", min_size=1, max_size=8)
        return st.dictionaries(letters, letters, max_size=2)
    if isinstance(field, Range):
        return st.fixed_dictionaries({"gte": st.integers(0, 2_000_000_000).map(str)})
    return STRANGE


def tree(field: Field, name: str, odd: bool) -> st.SearchStrategy[Any]:
    """Return fitting values; if `odd`, some of the wrong kind among them."""
    fitting = plain(field, name, odd)
    return st.one_of(fitting, fitting, STRANGE, st.dictionaries(st.text(max_size=6), STRANGE)) if odd else fitting


def fields(named: Any, odd: bool) -> st.SearchStrategy[dict[str, Any]]:
    """Return a hash with what is required and a few of the other fields; if `odd`, perhaps one that does not exist."""
    required = {name: tree(field, name, odd) for name, field in named.items() if field.required}
    optional = sorted(name for name, field in named.items() if not field.required and name not in ("expand", *CURSORS))
    if odd:
        optional += ["", "expand", *CURSORS]

    def some(names: list[str]) -> st.SearchStrategy[dict[str, Any]]:
        chosen = {name: tree(named[name], name, odd) for name in names if name in named}
        return st.fixed_dictionaries({**required, **chosen, **({"colour": STRANGE} if "" in names else {})})

    return st.lists(st.sampled_from(optional), max_size=3, unique=True).flatmap(some) if optional else some([])


def pairs(value: Any, name: str = "") -> Iterator[tuple[str, str]]:
    """Yield form pairs of a tree."""
    if isinstance(value, dict):
        for key, part in value.items():
            yield from pairs(part, f"{name}[{key}]" if name else str(key))
    else:
        yield name, str(value)


class Objects:
    """Some objects of every kind, so that half of the requests are about something that exists."""

    def __init__(self, simulator: SimulatorProcess) -> None:
        client = simulator.client()
        for place in range(3):
            asked = authorize(client, new_card(client).id, 1000 + place)
            client.v1.test_helpers.issuing.authorizations.capture(asked.id)
            client.v1.accounts.create({"type": "custom"})
        state = simulator.control("state")
        self.ids = [one["id"] for kind in state.values() if isinstance(kind, list) for one in kind if "id" in one]
        self.by_word = {
            word: [one for one in self.ids if one.startswith(beginning)] for word, beginning in BEGINNINGS.items()
        }

    def one(self, word: str, number: int) -> str:
        """Return an id that fits a word such as `card`, or any id."""
        fitting = self.by_word.get(word) or self.ids
        return fitting[number % len(fitting)]

    def path(self, template: str, chosen: list[int], odd: str) -> str:
        """Fill a path template: with ids that fit its words, any ids, or something odd."""
        steps = []
        for place, step in enumerate(template.split("/")):
            number = chosen[place % len(chosen)]
            if not step.startswith("{"):
                steps.append(step)
            elif number % 7 == 0:
                steps.append(quote(odd, safe="") or "x")
            else:
                steps.append(self.one("" if number % 7 == 1 else step.strip("{}"), number))
        return "/".join(steps)


class Line:
    """One kept-alive connection that judges every answer."""

    def __init__(self, simulator: SimulatorProcess) -> None:
        self.simulator = simulator
        self.asked = self.done = 0
        address = urlsplit(simulator.url)
        self.connection = http.client.HTTPConnection(str(address.hostname), address.port, timeout=SECONDS)

    def send(self, method: str, path: str, form: Any = None, as_json: Any = None) -> None:
        """Send one request and check what comes back."""
        headers = {"Authorization": f"Bearer {self.simulator.secret_key}"}
        body = None
        encoded = urlencode(list(pairs(form or {})), errors="surrogatepass")
        if as_json is not None:
            body = json.dumps(as_json)
        elif method == "POST":
            body, headers["Content-Type"] = encoded, "application/x-www-form-urlencoded"
        elif encoded:
            path = f"{path}?{encoded}"
        self.connection.request(method, path, body, headers)
        answer = self.connection.getresponse()
        content = answer.read()
        assert answer.status < 500, (method, path, body, content[:500])
        if path.startswith("/v1/"):
            self.asked += 1
            self.done += answer.status == 200
        assert b"Traceback" not in content
        if path.startswith("/oauth") and answer.headers.get_content_type() == "text/html":
            return
        told = json.loads(content) if answer.status != 303 else {}
        if path.startswith("/v1/") and answer.status != 200 and "oauth" not in path:
            assert told["error"]["type"] in ("invalid_request_error", "idempotency_error", "api_error"), told
            assert told["error"]["message"]
        if os.environ.get(VARIABLE) and (operation := load_spec().find(method, path)):
            assert load_spec().complaints(operation, answer.status, told) == [], (method, path, body)


@pytest.fixture(scope="module")
def line() -> Iterator[tuple[Line, Objects]]:
    """A simulator of its own that asks nobody, with some objects in it."""
    with SimulatorProcess() as simulator:
        opened = Line(simulator)
        with closing(opened.connection):
            yield opened, Objects(simulator)
            # Requests that are all refused would show nothing.
            assert opened.done * 8 > opened.asked or opened.asked < 300, (opened.done, opened.asked)


@st.composite
def api_requests(draw: st.DrawFn) -> tuple[Operation, dict[str, Any], list[int], str]:
    """Draw an operation with parameters, half of the time all of them fitting, and the means to fill its path."""
    operation = draw(st.sampled_from(stripe_api.OPERATIONS))
    return (
        operation,
        draw(fields(operation.accepted(), draw(st.booleans()))),
        draw(st.lists(st.integers(0, 999), min_size=8)),
        draw(STRANGE),
    )


def _api(line: tuple[Line, Objects], request: tuple[Operation, dict[str, Any], list[int], str]) -> None:
    operation, form, chosen, odd = request
    form = {
        name: line[1].one(name, chosen[0]) if name in BEGINNINGS and chosen[1] % 5 else value
        for name, value in form.items()
    }
    line[0].send(operation.method, line[1].path(operation.path, chosen, odd), form)


@QUICK
@given(request=api_requests())
def test_the_api_answers_whatever_is_sent(line: tuple[Line, Objects], request: Any) -> None:
    _api(line, request)


@pytest.mark.soak
@pytest.mark.timeout(3600)
def test_the_api_answers_whatever_is_sent_for_long(
    line: tuple[Line, Objects], capsys: pytest.CaptureFixture[str]
) -> None:
    tell, sent = Progress(capsys), count(1)

    @LONG
    @given(request=api_requests())
    def send(request: Any) -> None:
        _api(line, request)
        tell(f"{next(sent):,} of {LONG.max_examples:,} requests")

    send()
    tell(f"{next(sent) - 1:,} requests, all answered", last=True)


@settings(QUICK, max_examples=200)
@given(
    path=st.sampled_from(CONTROLS),
    body=ANY_JSON | CONTROL_WORDS | st.lists(CONTROL_WORDS, max_size=2),
    chosen=st.lists(st.integers(0, 999), min_size=8),
    odd=STRANGE,
)
def test_the_controls_answer_whatever_is_sent(
    line: tuple[Line, Objects], path: str, body: Any, chosen: list[int], odd: str
) -> None:
    if isinstance(body, list) and path == "faults":
        body = [rule for rule in body if not isinstance(rule, dict)]  # no real fault may spoil the other tests
    line[0].send("POST", line[1].path(f"/_simulator/{path}", chosen, odd), as_json=body)
    line[0].send("POST", "/_simulator/delivery", as_json={})


@settings(QUICK, max_examples=150)
@given(
    path=st.sampled_from(["/oauth/authorize", "/oauth/v2/authorize", "/oauth/token", "/v1/oauth/token"]),
    method=st.sampled_from(["GET", "POST"]),
    form=st.dictionaries(
        st.sampled_from("client_id redirect_uri response_type scope state action account code grant_type".split()),
        STRANGE | st.sampled_from(["ca_simulator", "http://localhost:9/x", "code", "read_write", "approve", "new"]),
        max_size=6,
    ),
)
def test_the_oauth_addresses_answer_whatever_is_sent(
    line: tuple[Line, Objects], path: str, method: str, form: dict[str, str]
) -> None:
    if method == "GET" and path.endswith("token"):
        return
    line[0].send(method, path, form)
