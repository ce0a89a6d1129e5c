"""What `roony serve` says once everything answers: one JSON line for programs, or a few lines for people."""

from __future__ import annotations

import json
import os
import shutil
import sys
from pathlib import Path
from typing import Any, NamedTuple

from roony.cli.demo_company import DemoCompany
from roony.cli.local_key import keep_local_key
from roony.cli.simulation import SimulationFiles
from roony.config import Settings, plain
from roony.flows.webhook_endpoint import PATH

_KEYS = (
    *("url", "simulator_url", "organization_id", "admin_key", "agent_id", "agent_key"),
    *("webhook_secret", "stripe_secret_key", "stripe_account", "pid"),
)


class Announced(NamedTuple):
    """What answers now; `demo`, `simulator` and `files` only with --simulate.

    `first_run` is the path of the page that makes the first organization, while there is none; `door` where processes
    for Stripe alone answer.
    """

    url: str
    settings: Settings
    demo: DemoCompany | None
    simulator: dict[str, Any] | None
    files: SimulationFiles | None
    first_run: str | None
    door: str | None = None


def announce(what: Announced, ready_json: bool) -> None:
    """Prints it, and keeps the demo owner's key where commands on this machine find it."""
    if what.demo is not None:
        keep_local_key(what.settings.roony_database_url, what.demo.admin_key)
    sys.stdout.write(f"{_ready_line(what)}\n" if ready_json else _for_people(what))
    sys.stdout.flush()


def _ready_line(what: Announced) -> str:
    """Without --simulate the secrets are the owner's own, and nobody needs to be told them."""
    ready: dict[str, Any] = dict.fromkeys(_KEYS)
    ready |= {"url": what.url, "pid": os.getpid()}
    if what.door is not None:
        ready["door_url"] = what.door
    if what.demo is not None and what.simulator is not None:
        ready |= {
            "simulator_url": what.simulator["url"],
            "organization_id": what.demo.organization_id,
            "admin_key": what.demo.admin_key,
            "agent_id": what.demo.agent_id,
            "agent_key": what.demo.agent_key,
            "webhook_secret": what.settings.webhook_secrets[0],
            "stripe_secret_key": plain(what.settings.stripe_secret_key),
            "stripe_account": what.demo.stripe_account,
        }
    return json.dumps(ready)


def _for_people(what: Announced) -> str:
    pages = what.url.replace("://127.0.0.1", "://localhost", 1)
    lines = [f"Roony answers at {pages} (API documentation: {pages}/docs)"]
    if what.demo is not None and what.simulator is not None and what.files is not None:
        lines += [
            f"The simulated Stripe is at {what.simulator['url']}; no real money moves.",
            f"Everything is kept in {what.files.state.parent}.",
            "",
            f"To look around as the demo's owner:  {pages}{what.demo.sign_in_path}",
            f"To begin with a company of your own: {pages}{what.demo.first_run_path}",
            "Each of the two links opens once.",
            "",
            "To speak as the owner, and as the demo agent:",
            *_to_find_commands(),
            f"  export ROONY_URL={what.url}",
            f"  export ROONY_ADMIN_KEY={what.demo.admin_key}",
            f"  export ROONY_AGENT_KEY={what.demo.agent_key}",
            f"  export AGENT_ID={what.demo.agent_id}",
            "  roony purchase ask 49.99 --merchant Figma --category computer_software_stores --country US",
            "",
            "To speak to the simulated Stripe, as a merchant does:",
            f"  export STRIPE={what.simulator['url']}",
            f"  export STRIPE_KEY={plain(what.settings.stripe_secret_key)}",
            f"  export ACCOUNT={what.demo.stripe_account}",
        ]
    if what.door is not None:
        lines.append(f"Processes for Stripe alone answer at {what.door}{PATH}")
    if what.first_run is not None:
        lines += ["There is no organization yet. Make it here, once:", f"  {pages}{what.first_run}"]
    return "\n".join([*lines, "", "Stop it with Ctrl-C.", ""])


def _to_find_commands() -> list[str]:
    """Whoever started this by its full name, as `make serve` does, has no `roony` on the path yet."""
    if shutil.which("roony") is not None:
        return []
    return [f'  export PATH="{Path(sys.executable).parent}:$PATH"']
