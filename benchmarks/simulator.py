"""The simulator under a full world: memory with 1,000 cards and 10,000 authorizations, and the median of each call.

Run with `python -m benchmarks.simulator`. The limits, 300 MB and 20 ms, are for a machine of two cores.
"""

from __future__ import annotations

import http.client
import json
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

from rich.console import Console
from rich.progress import track
from rich.table import Table

CARDS = 1_000
AUTHORIZATIONS = 10_000
CALLS = 40  # of each kind, for one median
MOST_MEGABYTES = 300
MOST_MILLISECONDS = 20
_ADDRESS = "billing[address][line1]=1+Main+St&billing[address][city]=San+Francisco&billing[address][country]=US"
_HOLDER = f"name=Jenny+Rosen&type=company&{_ADDRESS}&billing[address][postal_code]=94107"
_HELPERS = "/v1/test_helpers/issuing"


class Api:
    """One kept-alive connection to a simulator."""

    def __init__(self, url: str, key: str) -> None:
        address = urlsplit(url)
        self._connection = http.client.HTTPConnection(str(address.hostname), address.port, timeout=60)
        self._headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/x-www-form-urlencoded"}

    def call(self, method: str, path: str, body: str | None = None) -> Any:
        """Send one request and return the answer; anything but 200 ends the benchmark."""
        self._connection.request(method, path, body, self._headers)
        answer = self._connection.getresponse()
        content = json.loads(answer.read())
        if answer.status != 200:
            raise SystemExit(f"{method} {path} answered {answer.status}: {content}")
        return content

    def post(self, path: str, **params: Any) -> Any:
        """Send a form."""
        return self.call("POST", path, urlencode(params))


def fill(api: Api) -> tuple[list[str], list[str], str]:
    """Make the world and return the ids of cards and authorizations, and of the cardholder."""
    holder = api.call("POST", "/v1/issuing/cardholders", _HOLDER)["id"]
    new = {"cardholder": holder, "currency": "usd", "type": "virtual", "status": "active"}
    cards = [api.post("/v1/issuing/cards", **new)["id"] for _ in track(range(CARDS), "Cards")]
    asked = []
    for place in track(range(AUTHORIZATIONS), "Authorizations"):
        one = api.post(f"{_HELPERS}/authorizations", card=cards[place % CARDS], amount=500)["id"]
        if place % 2:
            api.post(f"{_HELPERS}/authorizations/{one}/capture")
        asked.append(one)
    return cards, asked, holder


def calls(cards: list[str], asked: list[str], holder: str) -> dict[str, Any]:
    """Return what is measured: a name, and a call for the n-th time."""
    new = {"cardholder": holder, "currency": "usd", "type": "virtual", "status": "active"}
    return {
        "create a card": lambda api, _n: api.post("/v1/issuing/cards", **new),
        "retrieve a card": lambda api, n: api.call("GET", f"/v1/issuing/cards/{cards[n]}"),
        "update a card": lambda api, n: api.post(f"/v1/issuing/cards/{cards[n]}", **{"metadata[n]": n}),
        "list 100 cards": lambda api, _n: api.call("GET", "/v1/issuing/cards?limit=100"),
        "authorize": lambda api, n: api.post(f"{_HELPERS}/authorizations", card=cards[n], amount=700),
        "capture": lambda api, n: api.post(f"{_HELPERS}/authorizations/{asked[2 * n]}/capture"),
        "retrieve an authorization": lambda api, n: api.call("GET", f"/v1/issuing/authorizations/{asked[n]}"),
        "list 10 authorizations": lambda api, _n: api.call("GET", "/v1/issuing/authorizations"),
        "list 100 authorizations": lambda api, _n: api.call("GET", "/v1/issuing/authorizations?limit=100"),
        "list those of a card": lambda api, n: api.call("GET", f"/v1/issuing/authorizations?card={cards[n]}"),
        "list a rare status": lambda api, _n: api.call("GET", "/v1/issuing/authorizations?status=expired"),
        "list 100 transactions": lambda api, _n: api.call("GET", "/v1/issuing/transactions?limit=100"),
        "list 100 events": lambda api, _n: api.call("GET", "/v1/events?limit=100"),
        "list undelivered events": lambda api, _n: api.call("GET", "/v1/events?delivery_success=false"),
        "list a rare event type": lambda api, _n: api.call("GET", "/v1/events?type=topup.created"),
        "balance": lambda api, _n: api.call("GET", "/v1/balance"),
        "top up": lambda api, _n: api.post("/v1/topups", amount=100, currency="usd"),
    }


def median(api: Api, call: Any) -> float:
    """Return the median of some calls in milliseconds."""
    took = []
    for number in range(CALLS):
        begun = time.perf_counter()
        call(api, number)
        took.append((time.perf_counter() - begun) * 1000)
    return statistics.median(took)


def megabytes(pid: int) -> float:
    """Return the memory a process has in use, in MB (10^6 bytes)."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * 4096 / 1e6


def main() -> None:
    """Measure and print a table, then one line of JSON; leave with 1 if a limit is passed."""
    command = [sys.executable, "-m", "roony.simulator", "--port", "0", "--ready-json", "--parent-pipe"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        ready = json.loads(process.stdout.readline())  # type: ignore[union-attr]
        api = Api(ready["url"], ready["secret_key"])
        named = calls(*fill(api))
        memory = megabytes(process.pid)
        medians = {name: round(median(api, call), 2) for name, call in named.items()}
        process.stdin.close()  # type: ignore[union-attr]
    table = Table("Call", "Median, ms")
    for name, took in medians.items():
        table.add_row(name, f"{took:.2f}")
    Console().print(table, f"{memory:.0f} MB with {CARDS:,} cards and {AUTHORIZATIONS:,} authorizations")
    sys.stdout.write(json.dumps({"benchmark": "simulator", "megabytes": round(memory), "median_ms": medians}) + "\n")
    if memory > MOST_MEGABYTES or max(medians.values()) > MOST_MILLISECONDS:
        raise SystemExit(f"Over a limit: {MOST_MEGABYTES} MB, {MOST_MILLISECONDS} ms.")


if __name__ == "__main__":
    main()
