"""`serve --simulate`: the simulator as a child, the files beside the database, and the secrets that are made up."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import hashlib
import json
import os
import secrets
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import SecretStr
from sqlalchemy.engine import make_url

from roony.config import Settings

READY_SECONDS = 30.0
STOP_SECONDS = 5.0
PUBLISHABLE_KEY = "pk_test_simulator"
LOOPBACK = "127.0.0.0/8,::1/128"


class SimulatorFailed(Exception):
    """The simulator did not start or ended; the message says what to do."""


@dataclass(frozen=True)
class SimulationFiles:
    """Where everything of a simulated installation lies: beside its database, so that a restart finds it."""

    database_url: str
    state: Path
    clock: Path
    secrets: Path


@dataclass(frozen=True)
class MadeSecrets:
    """What is made up for a simulation, the same at every start with the same files."""

    roony_secret_keys: str
    webhook_secret: str
    stripe_secret_key: str

    def __repr__(self) -> str:
        """Without a value."""
        return "MadeSecrets()"


def files_of(settings: Settings) -> SimulationFiles:
    """Beside the database of ROONY_DATABASE_URL, else in a new temporary folder."""
    if "roony_database_url" not in settings.model_fields_set:
        folder = Path(tempfile.mkdtemp(prefix="roony-"))
        return _beside(folder / "roony.db", f"sqlite:///{folder}/roony.db")
    url = make_url(settings.roony_database_url)
    if url.get_backend_name() == "sqlite" and url.database:
        return _beside(Path(url.database), settings.roony_database_url)
    # A server's database has no place beside it: one folder here for each.
    name = hashlib.sha256(f"{url.host}:{url.port}/{url.database}".encode()).hexdigest()[:12]
    return _beside(Path(".roony") / name / "roony", settings.roony_database_url)


def _beside(path: Path, database_url: str) -> SimulationFiles:
    path.parent.mkdir(parents=True, exist_ok=True)
    return SimulationFiles(
        database_url,
        state=path.with_name(f"{path.name}.simulator"),
        clock=path.with_name(f"{path.name}.clock"),
        secrets=path.with_name(f"{path.name}.secrets"),
    )


def made_secrets(file: Path) -> MadeSecrets:
    """Those of the last start, or fresh ones kept in `file` for its owner's eyes only."""
    with contextlib.suppress(FileNotFoundError):
        return MadeSecrets(**json.loads(file.read_text(encoding="utf-8")))
    made = {
        "roony_secret_keys": base64.b64encode(secrets.token_bytes(32)).decode(),
        "webhook_secret": f"whsec_{secrets.token_hex(16)}",
        "stripe_secret_key": f"sk_test_{secrets.token_hex(16)}",
    }
    write_private(file, json.dumps(made))
    return MadeSecrets(**made)


def write_private(file: Path, text: str) -> None:
    """Writes `file` whole, readable by its owner only."""
    fresh = file.with_name(f"{file.name}.new")
    fresh.unlink(missing_ok=True)
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as handle:
        handle.write(text)
        handle.flush()
        os.fsync(handle.fileno())
    fresh.replace(file)


def simulated(settings: Settings, files: SimulationFiles, made: MadeSecrets, ready: dict[str, Any]) -> Settings:
    """The settings with Stripe replaced by the simulator; what the environment says of the real one is ignored."""
    changes: dict[str, Any] = {
        "stripe_secret_key": SecretStr(ready["secret_key"]),
        "stripe_publishable_key": PUBLISHABLE_KEY,
        "stripe_webhook_secret": SecretStr(ready["webhook_secret"]),
        "stripe_connect_client_id": ready["client_id"],
        "stripe_app_client_id": ready["client_id"],
        "stripe_api_base": ready["url"],
        "stripe_connect_base": ready["url"],
        "roony_database_url": files.database_url,
        # Webhooks may be tried with a receiver on this machine.
        "roony_outbound_networks": ",".join(filter(None, (LOOPBACK, settings.roony_outbound_networks))),
    }
    if settings.roony_secret_keys is None:
        changes["roony_secret_keys"] = SecretStr(made.roony_secret_keys)
    return settings.model_copy(update=changes)


class SimulatorChild:
    """The simulator in a process of its own. It ends when its standard input closes, so it never outlives us."""

    def __init__(self, process: asyncio.subprocess.Process, ready: dict[str, Any]) -> None:
        """Made by `start`. `ready` is its ready line."""
        self._process = process
        self.ready = ready

    @classmethod
    async def start(cls, files: SimulationFiles, made: MadeSecrets, port: int, webhook_url: str) -> SimulatorChild:
        """Starts it and waits until it answers. Raises SimulatorFailed."""
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "roony.simulator", "--port", str(port), "--ready-json", "--parent-pipe",
            "--state", str(files.state), "--clock-file", str(files.clock),
            "--webhook-url", webhook_url, "--webhook-secret", made.webhook_secret,
            "--secret-key", made.stripe_secret_key,
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
            # Ctrl-C is for us: it has to answer until we are done.
            start_new_session=True,
            # It needs nothing of what the environment says about Stripe and Roony.
            env={name: value for name, value in os.environ.items() if not name.startswith(("STRIPE_", "ROONY_"))},
        )  # fmt: skip
        line = b""
        if process.stdout is not None:
            with contextlib.suppress(TimeoutError):
                line = await asyncio.wait_for(process.stdout.readline(), READY_SECONDS)
        if not line:
            await cls(process, {}).stop()
            raise SimulatorFailed(_why(process.returncode, port))
        return cls(process, json.loads(line))

    async def ended(self) -> None:
        """Returns when it has ended, which it should not while we run."""
        await self._process.wait()

    async def stop(self) -> None:
        """Closes its standard input and waits; kills it if it does not go."""
        if self._process.stdin is not None:
            self._process.stdin.close()
        try:
            await asyncio.wait_for(self._process.wait(), STOP_SECONDS)
        except TimeoutError:
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()
            await self._process.wait()


def _why(code: int | None, port: int) -> str:
    """Why the simulator did not start."""
    from roony.simulator.server import CANNOT_LISTEN

    if code == CANNOT_LISTEN:
        return (
            f"The simulator cannot listen on port {port}, which may be taken: choose another with --simulator-port,"
            " or 0 for a free one."
        )
    return "The simulator did not start; its own words are above."
