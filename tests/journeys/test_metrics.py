"""`/metrics` of a running Roony, read as Prometheus reads it: every figure, and what docs, dashboard and alerts say."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from tests.support.ports import hold_port
from tests.support.promql import Scrape, query
from tests.support.served import Child, Simulation, until
from tests.support.serving import Caller

ROOT = Path(__file__).resolve().parents[2]
DEPLOY = ROOT / "deploy/observability"
DOCS = (ROOT / "docs/observability.md").read_text(encoding="utf-8")
TOKEN = "a-token-for-the-scraper-of-tests"
BEARER = {"Authorization": f"Bearer {TOKEN}"}
# Told where there is a collector (tests/journeys/test_traces.py).
TRACED = {"roony_traces_sent_total", "roony_traces_dropped_total"}
# Left out where Stripe is a simulator on this machine, which has no limits to keep to (tests/gateway/test_client.py).
PACED = {"roony_stripe_waited_total", "roony_stripe_turned_away_total", "roony_stripe_slowed_total"}
Samples = dict[str, list[tuple[dict[str, str], float]]]


def read(text: str) -> Samples:
    """The values of each figure, named as in its TYPE line; histograms by their parts."""
    found: Samples = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            found.setdefault(sample.name, []).append((sample.labels, sample.value))
    return found


def names(samples: Samples) -> set[str]:
    """Figures, a histogram by its own name."""
    histograms = {name.removesuffix("_bucket") for name in samples if name.endswith("_bucket")}
    parts = {f"{name}_{part}" for name in histograms for part in ("bucket", "sum", "count")}
    return (samples.keys() - parts) | histograms


def value(samples: Samples, name: str, **labels: str) -> float:
    """The one value with these labels; 0 for none."""
    found = [number for given, number in samples.get(name, ()) if labels.items() <= given.items()]
    assert len(found) <= 1, (name, labels, found)
    return found[0] if found else 0.0


@pytest.fixture(scope="module")
def roony(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Simulation]:
    """One that wants a token, and has been used: bought, paid, declined, refused."""
    with Simulation(tmp_path_factory.mktemp("roony"), ROONY_METRICS_TOKEN=TOKEN) as served:
        yield served


def look(roony: Simulation) -> Samples:
    """What the scraper gets."""
    answer = roony.web.get("/metrics", headers=BEARER)
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    return read(answer.text)


@pytest.fixture(scope="module")
def used(roony: Simulation) -> Samples:
    """The figures after a purchase, a payment, a decline of each kind and a retry, once the database was looked at."""
    budget = {"period": "lifetime", "limit": 10_000, "currency": "usd"}
    buyer = roony.buyer(budgets=[budget])
    bought = buyer.buy(9_000, "Figma")
    charge = roony.charge(bought.stripe_card, 9_000, "FIGMA")
    assert charge.approved
    roony.stripe.v1.test_helpers.issuing.authorizations.capture(charge.id)
    assert buyer.ask(5_000, "Notion")["status"] == "declined"
    roony.control("faults", [{"endpoint": "POST /v1/issuing/cards", "kind": "rate_limit", "count": 1}])
    assert roony.web.post("/api/webhooks/stripe", json={"forged": True}).status_code == 400
    slow = roony.buyer()
    asked = slow.ask(500, "Linear")
    until(lambda: slow.purchase(asked["id"], wait=5)["status"], "ready")
    assert not roony.charge(roony.card_of(asked["id"])["stripe_card_id"], 500, "ACME PARTS").approved
    roony.settle()
    until(lambda: value(look(roony), "roony_budgets", scope="agent", used_at_least="0.8") >= 1, True)
    return look(roony)


def test_what_a_purchase_leaves_in_the_figures(used: Samples) -> None:
    assert value(used, "roony_authorizations_total", outcome="approved", code="APPROVED") == 1
    assert value(used, "roony_authorizations_total", outcome="declined", code="MERCHANT_MISMATCH") == 1
    assert value(used, "roony_authorization_seconds_count") == 2
    assert value(used, "roony_till_authorizations_total") == 2
    assert value(used, "roony_decisions_total", verdict="approved") == 2
    assert value(used, "roony_decision_reasons_total", verdict="declined", reason="BUDGET_EXCEEDED") == 1
    assert value(used, "roony_stripe_calls_total", operation="create_card", outcome="ok") == 2
    assert value(used, "roony_stripe_calls_total", operation="create_card", outcome="rate_limited") == 1
    assert value(used, "roony_retries_total", of="promise") == 1
    assert value(used, "roony_stripe_call_seconds_count") >= 2
    assert value(used, "roony_webhooks_refused_total") == 1
    assert 0 <= value(used, "roony_worker_silent_seconds") < 60
    assert value(used, "roony_database_answers") == 1
    assert value(used, "roony_budgets", scope="agent", used_at_least="0.95") == 0


def test_figures_of_the_same_agree(roony: Simulation) -> None:
    """But for a commit between two of them."""

    def differ() -> list[str]:
        seen = look(roony)
        pairs = {
            "roony_till_batch_commands_count": "roony_till_commits_total",
            "roony_till_batch_commands_sum": "roony_till_commands_total",
            "roony_till_commit_seconds_count": "roony_till_commits_total",
        }
        return [name for name, other in pairs.items() if value(seen, name) != value(seen, other)]

    until(differ, [])


def test_organizations_are_told_of_with_the_token_only(roony: Simulation, used: Samples) -> None:
    share = value(used, "roony_organization_budget_used_ratio", organization=roony.organization_id, scope="agent")
    assert share == pytest.approx(0.9)
    assert value(used, "roony_organizations_left_out") == 0
    for headers in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": f"Basic {TOKEN}"}):
        answer = roony.web.get("/metrics", headers=headers)
        assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Bearer")
        assert "roony_" not in answer.text


def test_no_figure_names_an_agent_a_card_a_key_or_a_text(roony: Simulation, used: Samples) -> None:
    text = roony.web.get("/metrics", headers=BEARER).text
    labels = set(re.findall(r'\w+="([^"]*)"', text)) - {roony.organization_id}
    for told in labels:
        assert re.fullmatch(r"[A-Za-z_]+|[0-9.e+-]+|\+Inf|[0-9a-z.]+", told), told
        assert not re.search(r"(?i)figma|notion|linear|acme|usd|^(agt|pur|crd|prj|ic|iauth|acct|sk|whsec)_", told), told


def documented() -> dict[str, str]:
    """The types of the figures in the table of the docs."""
    table = DOCS.partition("<!-- figures -->")[2].partition("<!-- end of figures -->")[0]
    return dict(re.findall(r"^\| `(\w+)` \| (\w+) \|", table, re.MULTILINE))


def test_every_figure_is_in_the_docs_and_every_one_there_is_told(roony: Simulation, used: Samples) -> None:
    assert names(used) | PACED | TRACED == documented().keys()
    text = roony.web.get("/metrics", headers=BEARER).text
    types = dict(re.findall(r"^# TYPE (\w+) (\w+)$", text, re.MULTILINE))
    assert types == {name: documented()[name] for name in types}
    assert {name for name, kind in types.items() if kind == "counter"} == {n for n in types if n.endswith("_total")}
    helped = re.findall(r"^# HELP (\w+) .+\.$", text, re.MULTILINE)
    assert sorted(helped) == sorted(types)


def mentioned(expression: str) -> set[str]:
    """The figures in an expression of Prometheus'."""
    return set(re.findall(r"\b(?:roony|process)_\w+\b", re.sub(r'"[^"]*"', "", expression)))


def told() -> set[str]:
    """All names an expression may use."""
    types = documented()
    parts = {
        f"{name}_{part}" for name, kind in types.items() if kind == "histogram" for part in ("bucket", "sum", "count")
    }
    return types.keys() | parts


def test_the_alerts_are_made_of_figures_and_each_says_what_to_do() -> None:
    [group] = yaml.safe_load((DEPLOY / "alerts.yml").read_text(encoding="utf-8"))["groups"]
    rules = group["rules"]
    headings = re.findall(r"^### (\w+)$", DOCS, re.MULTILINE)
    assert [rule["alert"] for rule in rules] == headings
    for rule in rules:
        assert mentioned(rule["expr"]) <= told(), rule["alert"]
        assert mentioned(rule["expr"]) or rule["expr"].startswith("up{"), rule["alert"]
        assert rule["annotations"]["summary"].endswith("."), rule["alert"]
        assert rule["annotations"]["runbook"] == f"docs/observability.md#{rule['alert'].lower()}"
        assert rule["labels"]["severity"] in ("page", "warn", "info")


def test_the_dashboard_is_made_of_figures() -> None:
    board = json.loads((DEPLOY / "dashboard.json").read_text(encoding="utf-8"))
    panels = [panel for panel in board["panels"] if panel["type"] != "row"]
    assert len({panel["id"] for panel in board["panels"]}) == len(board["panels"])
    shown: set[str] = set()
    for panel in panels:
        assert panel["description"], panel["title"]
        for target in panel["targets"]:
            found = mentioned(target["expr"])
            assert found, panel["title"]
            assert found <= told(), panel["title"]
            shown |= found
    assert {"roony_authorization_seconds_bucket", "roony_inbox_oldest_seconds", "roony_budgets"} <= shown


def test_labels_used_in_dashboard_and_alerts_are_told(used: Samples) -> None:
    """A rule that asks for a label or a bucket that is not there would be silent for ever."""
    board = json.loads((DEPLOY / "dashboard.json").read_text(encoding="utf-8"))
    expressions = [target["expr"] for panel in board["panels"] for target in panel.get("targets", ())]
    [group] = yaml.safe_load((DEPLOY / "alerts.yml").read_text(encoding="utf-8"))["groups"]
    expressions += [rule["expr"] for rule in group["rules"]]
    for expression in expressions:
        for name, conditions in re.findall(r"\b((?:roony|process)_\w+)\{([^}]*)\}", expression):
            for label, operator, wanted in re.findall(r'(\w+)(=~|!~|=|!=)"([^"]*)"', conditions):
                if label == "instance":
                    continue
                given = {labels.get(label) for labels, _ in used[name]}
                assert given - {None}, (name, label)
                if operator == "=":
                    assert wanted in given, (name, label, wanted)


# What has to go wrong for each alert: of a figure that a real scrape has, what it rises by, or what it says.
RISEN: dict[str, tuple[str, dict[str, str]]] = {
    "RoonyAuthorizationsLate": ("roony_authorizations_total", {"outcome": "declined", "code": "LATE"}),
    "RoonyAuthorizationsUnreadable": ("roony_authorizations_total", {"outcome": "declined", "code": "UNREADABLE"}),
    "RoonyWebhooksRefused": ("roony_webhooks_refused_total", {}),
    "RoonyAuthorizationsSlow": ("roony_authorization_seconds_count", {}),
    "RoonyWritesFail": ("roony_till_failed_batches_total", {}),
    "RoonyStripeFails": ("roony_stripe_calls_total", {"operation": "create_card", "outcome": "rate_limited"}),
}
SAID: dict[str, tuple[str, dict[str, str], float]] = {
    "RoonyDown": ("up", {}, 0),
    "RoonyDatabaseAway": ("roony_till_away", {}, 1),
    "RoonyQueueFilling": ("roony_queue_depth", {"queue": "authorizations"}, 1e6),
    "RoonyWorkerSilent": ("roony_worker_silent_seconds", {}, 61),
    "RoonyEventsNotHandled": ("roony_inbox_oldest_seconds", {}, 301),
    "RoonyEventsDead": ("roony_inbox_dead", {}, 1),
    "RoonyPromisesNotKept": ("roony_outbox_oldest_seconds", {}, 601),
    "RoonyDiscrepancies": ("roony_discrepancies_open", {}, 1),
    "RoonyAuditNotSigned": ("roony_audit_unsigned_oldest_seconds", {}, 7_201),
    "RoonyBudgetsNearlyUsed": ("roony_budgets", {"scope": "organization", "used_at_least": "0.95"}, 1),
    "RoonyAlertsOpen": ("roony_alerts_open", {}, 1),
    "RoonyDiskFull": ("roony_disk_free_bytes", {}, 999e6),
}


def scraped(samples: Samples, at: float) -> Scrape:
    """As Prometheus keeps it: with where it is from, and that it was there."""
    whence = {"job": "roony", "instance": "127.0.0.1:9464"}
    kept = {name: [({**labels, **whence}, number) for labels, number in rows] for name, rows in samples.items()}
    return Scrape(at, {**kept, "up": [(whence, 1.0)]})


def changed(scrape: Scrape, name: str, labels: dict[str, str], change: Callable[[float], float]) -> Scrape:
    """The same with another number for the one series with these labels, which must be there."""
    rows = list(scrape.samples[name])
    [place] = [place for place, (given, _) in enumerate(rows) if labels.items() <= given.items()]
    rows[place] = (rows[place][0], change(rows[place][1]))
    return scrape._replace(at=scrape.at + 60, samples={**scrape.samples, name: rows})


def firing(*scrapes: Scrape) -> list[str]:
    """The alerts that these scrapes would open."""
    [group] = yaml.safe_load((DEPLOY / "alerts.yml").read_text(encoding="utf-8"))["groups"]
    return [rule["alert"] for rule in group["rules"] if query(rule["expr"], scrapes)]


def test_no_alert_is_open_while_all_is_well(used: Samples) -> None:
    well = changed(scraped(used, 0), "roony_disk_free_bytes", {}, lambda _: 1e10)
    assert firing(well._replace(at=0), well) == []


@pytest.mark.parametrize("alert", [*RISEN, *SAID])
def test_each_alert_opens_when_its_figure_says_so(used: Samples, alert: str) -> None:
    """And no other one with it. The figures are those of a real scrape: what it has not got opens nothing, for ever."""
    well = changed(scraped(used, -60), "roony_disk_free_bytes", {}, lambda _: 1e10)
    if alert in RISEN:
        ill = changed(well, *RISEN[alert], lambda number: number + 10)
    else:
        name, labels, says = SAID[alert]
        ill = changed(well, name, labels, lambda _: says)
    assert firing(well, ill) == [alert]


@pytest.mark.parametrize(
    ("late", "good", "pages"), [(1, 0, False), (1, 50, False), (10, 10_000, False), (10, 500, True)]
)
def test_nobody_is_woken_by_one_late_answer(used: Samples, late: int, good: int, pages: bool) -> None:
    """Nor by few of many: the rule asks for a share and for a number."""
    well = changed(scraped(used, -60), "roony_disk_free_bytes", {}, lambda _: 1e10)
    ill = changed(well, *RISEN["RoonyAuthorizationsLate"], lambda number: number + late)
    name = "roony_authorizations_total"
    ill = changed(ill, name, {"outcome": "approved"}, lambda number: number + good)
    assert firing(well, ill) == ["RoonyAuthorizationsLate"] * pages


def test_every_alert_has_something_that_opens_it() -> None:
    assert sorted([*RISEN, *SAID]) == sorted(re.findall(r"^### (\w+)$", DOCS, re.MULTILINE))


def test_every_line_of_the_dashboard_shows_something(used: Samples) -> None:
    board = json.loads((DEPLOY / "dashboard.json").read_text(encoding="utf-8"))
    before = scraped(used, 0)
    for panel in board["panels"]:
        for target in panel.get("targets", ()):
            expression = target["expr"].replace("$__rate_interval", "5m").replace("$instance", ".+")
            assert query(expression, (before, before._replace(at=60))), (panel["title"], target["expr"])


def test_one_process_is_watched_at_a_port_of_its_own(tmp_path: Path) -> None:
    held = hold_port()
    port = held.getsockname()[1]
    arguments = ["serve", "--simulate", "--ready-json", "--port", "0", "--simulator-port", "0"]
    child = Child([*arguments, "--metrics-port", str(port)], tmp_path / "log",
                  ROONY_DATABASE_URL=f"sqlite:///{tmp_path / 'roony.db'}")  # fmt: skip
    watcher = Caller(f"http://127.0.0.1:{port}", None)
    try:
        samples = read(watcher.call("GET", "/metrics").text)
        assert value(samples, "roony_process_info", pid=str(child.ready["pid"])) == 1
        assert not [name for name in samples if name.startswith("roony_organization")]
        assert watcher.call("GET", "/readyz").json()["status"] == "ok"
        for path in ("/", "/api/v1/budgets", "/api/webhooks/stripe"):
            answer: Any = watcher._http.get(path)
            assert (answer.status_code, answer.content) == (404, b"")
    finally:
        watcher.close()
        held.close()
        assert child.stop() == 0
