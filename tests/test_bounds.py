"""Nothing that a long-lived process keeps grows without bound: each container it keeps is named here, with its bound.

Found are dicts, lists, sets and queues that begin empty, in a module or on an object, in what `roony serve` and
`roony worker` run. The bounds of tables are in docs/architecture.md.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import roony

PACKAGE = Path(roony.__file__).parent
RINGS = ("flows", "gateway", "outbound", "store", "web")
# What begins empty and is filled later.
EMPTY = frozenset({"dict", "list", "set", "deque", "defaultdict", "Counter", "OrderedDict", "Queue"})
ONE_BATCH = "one batch of at most batch_size.MAX_BATCH commands"
RUNNING = "work under way; what begins it is bounded by the queue of the gateway's pool"
BOUNDS = {
    "flows/change_feed.py Stream._queue": "MAX_QUEUED",
    "flows/change_feed.py _Tail.watches": "MAX_WATCHES",
    "flows/change_feed.py _Tail.streams": "MAX_STREAMS",
    "flows/change_feed.py ChangeFeed._tails": "organizations for which somebody waits: MAX_STREAMS, MAX_WATCHES",
    "flows/connection/account_status.py AccountDuty._hours": "connections that were looked at in this hour",
    "flows/connection/app_access.py _running": RUNNING,
    "flows/forgetting.py ForgetDuty._looked": "forgetting.KINDS",
    "flows/inline.py _running": RUNNING,
    "flows/notification/message.py People._found": "one hand-out of at most one page of records",
    "flows/notification/message.py People._told_once": "one hand-out of at most one page of records",
    "flows/notification/sending.py Notifier._busy": "MAX_RECEIVERS",
    "flows/notification/sending.py Notifier._served": "MAX_REMEMBERED",
    "flows/pattern_duty.py PatternDuty._agents": "two pages of PAGE",
    "flows/pattern_duty.py PatternDuty._known": "MAX_KNOWN",
    "flows/pattern_duty.py PatternDuty._places": "organizations",
    "flows/pattern_duty.py PatternDuty._waiting": "organizations",
    "flows/places.py Places._by": "MAX_STREAMS, MAX_WATCHES, and their organizations",
    "flows/reconciliation/start.py ReconciliationDuty._due": "MAX_CONNECTIONS",
    "flows/retention.py RetentionDuty._looked": "retention.SOURCES",
    "gateway/pace.py Pace._buckets": "MAX_BUCKETS",
    "outbound/traces.py Traces._queue": "MAX_QUEUED",
    "store/book.py Book._moves": ONE_BATCH,
    "store/book.py Book._journal": ONE_BATCH,
    "store/book.py Book._records": ONE_BATCH,
    "store/book.py Book._event_outcomes": ONE_BATCH,
    "store/book.py Book._promise_outcomes": ONE_BATCH,
    "store/book.py Book._removals": ONE_BATCH,
    "store/book.py Book._reconfigured": ONE_BATCH,
    "store/book.py Book._reconfigured_before": ONE_BATCH,
    "store/book.py Book._statuses": ONE_BATCH,
    "store/book.py Book.stripe_cards": ONE_BATCH,
    "store/commit_word.py CommitWord._unsaid": "MAX_NAMED and one batch",
    "store/facts.py ConfigCache._kept": "MAX_CACHED_ORGANIZATIONS and MAX_ALL_CACHED_ROWS",
    "store/facts.py ConfigCache._rows": "MAX_CACHED_ORGANIZATIONS",
    "store/lanes.py Lanes._urgent": "MAX_WAITING",
    "store/lanes.py Lanes._ordinary": "MAX_WAITING",
    "store/lanes.py Lanes._work": "MAX_WAITING",
    "store/till.py Till._held": "organizations that another process holds",
    "store/vault.py Vault._ciphers": "the keys of ROONY_SECRET_KEYS",
    "web/admin_api/replay.py _running": "two replays in a process",
    "web/exposition.py Exposition._lines": "one page of figures; organizations in it: MAX_ORGANIZATIONS",
    "web/frame.py RequestCounts.answered": "methods times statuses",
    "web/key_guard.py KeyGuard._found": "MAX_FOUND",
    "web/key_guard.py KeyGuard._uses": "MAX_WAITING",
    "web/known_keys.py KnownKeys._holders": "MAX_KNOWN",
    "web/known_routes.py KnownRoutes._known": "MAX_ROUTES",
    "web/known_routes.py KnownRoutes._reading": "MOST_TOGETHER",
    "web/known_routes.py KnownRoutes._wanted": "requests that wait for their account's route",
    "web/rate_limit.py Windows._calls": "MAX_KEYS",
    "store/event_keeper.py EventKeeper._waiting": "MAX_WAITING",
    "web/webhook_secrets.py WebhookSecrets._speakers": "MAX_SECRETS",
    "web/webhook_secrets.py WebhookSecrets._opened": "MAX_SECRETS",
    "worker.py Worker._sending": "MAX_RECEIVERS",
    "worker.py Worker._keeping": "MAX_KEEPING",
}  # fmt: skip


def test_every_container_that_is_kept_has_a_bound() -> None:
    """One that is new: give it a limit with a name, and name that here."""
    assert set(_containers()) == BOUNDS.keys()


def test_every_cache_of_answers_has_a_size() -> None:
    """`functools.cache` only where there is one answer, or as many as the code has tables."""
    found = {path for path in _files() if "@cache" in path.read_text() or "functools.cache" in path.read_text()}
    assert {str(path.relative_to(PACKAGE)) for path in found} == {
        "flows/duty_lease.py", "flows/password.py", "store/statements.py",
    }  # fmt: skip


@pytest.mark.parametrize("limit", sorted({word for why in BOUNDS.values() for word in why.split() if "MAX_" in word}))
def test_a_limit_that_is_named_is_there(limit: str) -> None:
    name = limit.strip(",").rpartition(".")[2]
    assert any(f"\n{name}" in path.read_text() or f" {name}, " in path.read_text() for path in _files())


def _files() -> list[Path]:
    return [PACKAGE / "worker.py", *(path for ring in RINGS for path in sorted((PACKAGE / ring).rglob("*.py")))]


def _containers() -> Iterator[str]:
    for path in _files():
        place = path.relative_to(PACKAGE)
        tree = ast.parse(path.read_text(encoding="utf-8"))
        for target in _begun_empty(tree.body):
            if isinstance(target, ast.Name):
                yield f"{place} {target.id}"
        for kind in tree.body:
            if isinstance(kind, ast.ClassDef):
                inits = [each for each in kind.body if isinstance(each, ast.FunctionDef) and each.name == "__init__"]
                for target in _begun_empty([line for init in inits for line in ast.walk(init)]):
                    if isinstance(target, ast.Attribute):
                        yield f"{place} {kind.name}.{target.attr}"


def _begun_empty(lines: list[ast.stmt] | list[ast.AST]) -> Iterator[ast.expr]:
    for line in lines:
        if isinstance(line, ast.AnnAssign | ast.Assign) and line.value is not None and _is_empty(line.value):
            yield from [line.target] if isinstance(line, ast.AnnAssign) else line.targets


def _is_empty(value: ast.expr) -> bool:
    if isinstance(value, ast.Dict):
        return not value.keys
    if isinstance(value, ast.List):
        return not value.elts
    if isinstance(value, ast.Call):
        name = ast.unparse(value.func).rpartition(".")[2]
        return name in EMPTY and all(isinstance(argument, ast.Name | ast.Lambda) for argument in value.args)
    return False
