"""Requests made up from the OpenAPI document: whatever is sent, the answer is one that the document declares.

Half of the examples fit the document, half do not. All go through the application in this process, to a company with
one of everything, as its owner and as its agent; every other example names what is really there. Whether an example
fits is judged once more by what was sent of it (tests/web/as_sent.py).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from itertools import count
from typing import Any, NamedTuple

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from schemathesis import APIOperation, BaseSchema, Case, GenerationMode
from schemathesis.checks import CheckContext
from schemathesis.core.transport import Response
from schemathesis.python.asgi import ASGIClient
from schemathesis.specs.openapi.checks import ignored_auth, negative_data_rejection, positive_data_acceptance

from roony.web.app import AppOptions, create_app
from tests.random.test_machine import SEED
from tests.random.test_soak import SOAK_SECONDS
from tests.support.progress import Progress
from tests.support.serving import serve
from tests.web.as_sent import Judge, Sent
from tests.web.test_openapi import ids_of
from tests.web.test_walls import ADMIN, NAMED, Town, settle

# Of each operation, as many that fit as that do not; in a soak, those of one round.
EXAMPLES, SOAK_EXAMPLES = 25, 50
# What each group is given of a soak.
SECONDS = SOAK_SECONDS / 2
GROUPS = 4
# The one check that is left out. JSON Schema takes 1.0 for an integer, and our strict types do not: what fits the
# document may be refused. Nor can a schema say all that a field must be (a currency, a category, a phone number).
EXEMPT = [positive_data_acceptance]
# And one that is asked through `refuses_misfits`, which looks at what was sent.
THROUGH = [negative_data_rejection]
# Only with ids that are not there: these ask Stripe, which is not there either.
AT_STRIPE = ("/preflight", "/probe", "/setup_webhooks", "/disconnect", "/approve", "/purchase_intents/{id}/card")
# A stream does not end by itself: it is asked for what happened since the beginning, and read up to the first of it.
HEADER, BEGINNING, MAX_HEAD = "Last-Event-ID", "0", 10_000
# The most seconds that a call may wait for a decision, by the document.
LONGEST_WAIT = 55
Drawn = Callable[[Any], Any]  # gives a test of hypothesis its settings
# What a text of this name must be to get past the first look at it.
WORDS = {
    "currency": "usd", "country": "US", "email": "ann@example.com", "url": "https://example.com/hook", "since": "1h",
    "category": "5734", "kind": "connect", "wait": 0,
}  # fmt: skip


class Wired(NamedTuple):
    """The application in this process, its document, and the company that asks."""

    schema: BaseSchema
    client: ASGIClient
    town: Town
    keys: dict[bool, str]


@pytest.fixture(scope="module")
def wired(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Wired]:
    with serve(tmp_path_factory.mktemp("schemathesis")) as served:
        town = settle(served, "Made Up")
        agent_id = town.ids["agents"][0]
        # Of its own, since those of the town are rotated and revoked.
        key = town.company.owner.send("POST", f"{ADMIN}/agents/{agent_id}/keys", {}, 201)["key"]
        app = create_app(served.context, AppOptions())
        schema = schemathesis.openapi.from_asgi("/openapi.json", app, config=schemathesis.Config())
        schema.config.max_stream_events = 1
        # The same characters as of its "utf-8", without trying all of Unicode in each fresh checkout.
        schema.config.generation.codec = None
        # Stripe is not there, and an answer that says so is a good one, if it is declared. 500 is none.
        schema.config.checks.not_a_server_error.expected_statuses = ["2xx", "3xx", "4xx", "502", "503"]
        with ASGIClient(app, max_stream_events=1) as client:
            # Else it looks for a .netrc and for proxies before every request.
            client.trust_env = False
            yield Wired(schema, client, town, {True: str(town.company.owner.key), False: key})


@pytest.mark.timeout(600)  # half a minute, where nothing else runs
@pytest.mark.parametrize("group", range(GROUPS))
def test_what_fits_the_document_and_what_does_not(wired: Wired, group: int) -> None:
    run(wired, group, drawn(EXAMPLES))


@pytest.mark.soak
@pytest.mark.timeout(3_600)
@pytest.mark.parametrize("group", range(GROUPS))
def test_more_of_the_same(wired: Wired, group: int, capsys: pytest.CaptureFixture[str]) -> None:
    """Round after round, each with a seed of its own and to its end."""
    tell, until = Progress(capsys), time.monotonic() + SECONDS
    for number in count(SEED):
        try:
            asked = run(wired, group, drawn(SOAK_EXAMPLES, number), tell)
        except AssertionError as error:
            error.add_note(f"to repeat: ROONY_TEST_SEED={number} make soak")
            raise
        if time.monotonic() > until:
            break
    rounds = number - SEED + 1
    tell(f"group {group}: {rounds} rounds of {asked:,} requests from ROONY_TEST_SEED={SEED}, nothing found", last=True)


def drawn(examples: int, number: int | None = None) -> Drawn:
    """A test of hypothesis with so many examples, of a seed or the same ones every time."""
    quiet = settings(
        max_examples=examples, derandomize=number is None, database=None, deadline=None, phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    return quiet if number is None else lambda test: seed(number)(quiet(test))


def run(wired: Wired, group: int, drawn: Drawn, tell: Callable[[str], None] = lambda _: None) -> int:
    """Every fourth operation with all of its examples; returns how many. Raises with all that was found at the end."""
    found: list[str] = []
    guarded: set[str] = set()
    asked = 0
    operations = [made.ok() for made in wired.schema.get_all_operations()][group::GROUPS]
    for place, operation in enumerate(operations, 1):
        for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE):
            try:
                asked += check(wired, operation, mode, drawn, guarded)
            except Exception as failed:
                found.append(f"{operation.label}, {mode.value}: {failed}")
        tell(f"group {group}: {place} of {len(operations)} operations, {asked:,} requests, {len(found)} failures")
    assert not found, "\n\n".join(found)
    return asked


def check(wired: Wired, operation: APIOperation, mode: GenerationMode, drawn: Drawn, guarded: set[str]) -> int:
    """Sends examples of one operation; returns how many. Raises FailureGroup with what was found.

    What succeeds is asked again without a key and with a wrong one, until the operation is among the `guarded`: the
    two requests more for each example would find nothing else.
    """
    is_admins = operation.path.startswith(f"{ADMIN}/")
    headers = {"Authorization": f"Bearer {wired.keys[is_admins]}"}
    judged = refuses_misfits(Judge(wired.schema.raw_schema, operation.path, operation.method))
    asked = 0

    @drawn
    @given(case=requests(wired.town, operation, mode))
    def send(case: Case) -> None:
        nonlocal asked
        asked += 1
        known = [ignored_auth] if operation.label in guarded else []
        answer = case.call_and_validate(
            session=wired.client, headers=headers, additional_checks=[judged],
            excluded_checks=[*EXEMPT, *THROUGH, *known],
        )  # fmt: skip
        # Only here it is sure to have been asked again: an example that does not fit may miss the route.
        if answer.status_code < 300 and mode is GenerationMode.POSITIVE:
            guarded.add(operation.label)

    send()
    return asked


def refuses_misfits(judge: Judge) -> Callable[[CheckContext, Response, Case], None]:
    """The check that what does not fit the document is refused, whichever half of the examples it is of.

    schemathesis' own check is asked first. It goes by what was made up, so what it blames counts only where the request
    did not fit as it was sent; and what fits nothing must not be done even where schemathesis says nothing of it.
    """

    def misfits_are_refused(context: CheckContext, answer: Response, case: Case) -> None:
        misfits = judge.misfits(sent_with(answer))
        if misfits:
            negative_data_rejection(context, answer, case)
            assert answer.status_code >= 400, f"{answer.status_code} though {'; '.join(misfits)}"

    return misfits_are_refused


def sent_with(answer: Response) -> Sent:
    """The request of an answer."""
    asked = answer.request
    body = asked.body or b""
    headers = {
        name.lower(): value.decode("latin-1") if isinstance(value, bytes) else value
        for name, value in asked.headers.items()
    }
    return Sent(str(asked.url), headers, body.encode() if isinstance(body, str) else bytes(body))


def requests(town: Town, operation: APIOperation, mode: GenerationMode) -> st.SearchStrategy[Case]:
    """Requests for ids that are not there, and for those that are, with words that reach deeper."""
    unknown = operation.as_strategy(mode).map(without_waiting)
    if operation.path.endswith("/stream"):
        return unknown.map(from_the_beginning)
    if operation.path.endswith(AT_STRIPE):
        return unknown
    ids = ids_of(town, operation.path)
    known = operation.as_strategy(mode, path_parameters=ids).map(without_waiting) if ids else unknown
    if mode is GenerationMode.POSITIVE:
        return unknown | known.map(lambda case: with_words(town, case))
    # Where the ids are good, something else must be bad.
    return unknown | known.filter(is_bad) if operation.body or operation.query else unknown


def is_bad(case: Case) -> bool:
    """True where a part does not fit the document."""
    return case.meta is not None and any(part.mode.is_negative for part in case.meta.components.values())


def without_waiting(case: Case) -> Case:
    """The same without a time to wait, which no client here has: `[19]` is sent as 19 is."""
    wait = (case.query or {}).get("wait")
    while isinstance(wait, list | dict) and wait:
        wait = next(iter(wait))
    with suppress(TypeError, ValueError):
        if 0 < float(wait) <= LONGEST_WAIT:
            case.query = {**case.query, "wait": 0}
    return case


def from_the_beginning(case: Case) -> Case:
    """A stream that has something to send at once."""
    last = str((case.headers or {}).get(HEADER, BEGINNING))
    if last.isascii() and last.isdigit() and int(last) < MAX_HEAD:
        case.headers = {**(case.headers or {}), HEADER: BEGINNING}
    return case


def with_words(town: Town, case: Case) -> Case:
    """The same with texts that mean something."""
    body, query = _worded(town, case.body), _worded(town, case.query)
    if body != case.body:
        case.body = body
    if query != case.query:
        case.query = query
    return case


def _worded(town: Town, value: Any) -> Any:
    if isinstance(value, list):
        return [_worded(town, item) for item in value]
    if not isinstance(value, dict):
        return value
    made = {name: WORDS.get(name, _worded(town, item)) for name, item in value.items()}
    made |= {name: town.ids[kind][0] for name, kind in NAMED.items() if made.get(name) and not name.endswith("s")}
    if made.get("scope_id"):
        made["scope"] = "agent"
    return made
