"""Settings: read once from the environment or from files it names, complete and strong, or a refusal to start."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import SplitResult, unquote, urlsplit

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict
from sqlalchemy.engine import make_url
from sqlalchemy.exc import SQLAlchemyError

from roony.core.address import LOOPBACK_HOSTS, Network, parse_networks
from roony.core.retention import MIN_DAYS, Retention
from roony.outbound.guard import networks_of
from roony.stop_points import HOW, is_point
from roony.store.vault import Vault, VaultKeyRefused

API_BASE = "https://api.stripe.com"
CONNECT_BASE = "https://connect.stripe.com"
LOG_FORMATS = ("text", "json")
SHORTEST_METRICS_TOKEN = 20  # characters; `openssl rand -hex 20` prints twice as many
SHORTEST_WEBHOOK_SECRET = 16  # characters after whsec_; Stripe's own have 32 or more
FEWEST_CHARACTERS = 8  # different ones; what is random has more, `xxxx` and `changeme` have not
LARGEST_FILE = 64 * 1024  # a file named by NAME_FILE that is larger holds something else
_SECRET_KEY = re.compile(r"(sk|rk)_(test|live)_\w{8,}")
_WITHOUT = "To try Roony without any of this: roony serve --simulate"


class WrongSettings(Exception):
    """What is missing, weak or wrong, all of it at once, each with what to do. Quotes no secret."""

    def __init__(self, problems: list[str], hint: str = _WITHOUT) -> None:
        super().__init__("\n".join(["Roony cannot start:", *(f"  - {problem}" for problem in problems), hint]))
        self.problems = problems


class Settings(BaseSettings):
    """The environment, one field for each variable of the same name. Secrets show in no repr."""

    model_config = SettingsConfigDict(
        env_prefix="", extra="ignore", env_ignore_empty=True, frozen=True, hide_input_in_errors=True
    )

    stripe_secret_key: SecretStr | None = None
    stripe_publishable_key: str | None = None
    stripe_webhook_secret: SecretStr | None = None
    stripe_connect_client_id: str | None = None
    stripe_app_client_id: str | None = None
    stripe_api_base: str = API_BASE
    stripe_connect_base: str = CONNECT_BASE
    # May carry a password.
    roony_database_url: str = Field(default="sqlite:///roony.db", repr=False)
    roony_secret_keys: SecretStr | None = None
    roony_public_url: str | None = None
    roony_trusted_proxies: str = ""
    roony_requests_per_minute: str = "30000"
    # Networks inside that webhooks and messages may go to, as CIDRs with commas.
    roony_outbound_networks: str = ""
    # Days after which payloads of events, and contents of receipts, are removed; 0: never.
    roony_keep_event_days: str = "0"
    roony_keep_receipt_days: str = "0"
    roony_log_format: str = "text"
    roony_metrics_token: SecretStr | None = None
    roony_stop_at: str | None = None
    # As OpenTelemetry names them. Headers may carry a key.
    otel_exporter_otlp_endpoint: str | None = None
    otel_exporter_otlp_headers: SecretStr | None = None
    otel_service_name: str = "roony"

    @property
    def webhook_secrets(self) -> tuple[str, ...]:
        """Every signing secret that counts now; several while one is being replaced."""
        text = plain(self.stripe_webhook_secret)
        return tuple(part for part in (piece.strip() for piece in text.split(",")) if part)

    @property
    def trusted_proxies(self) -> tuple[Network, ...]:
        """Networks of proxies that are believed about whom they speak for."""
        return parse_networks(part for part in self.roony_trusted_proxies.split(",") if part.strip())

    @property
    def requests_per_minute(self) -> int:
        """How often a key without a limit of its own may call; 0: as often as it likes."""
        return int(self.roony_requests_per_minute)

    @property
    def retention(self) -> Retention:
        """After how many days payloads of events and contents of receipts are removed."""
        return Retention(int(self.roony_keep_event_days), int(self.roony_keep_receipt_days))

    @property
    def trace_headers(self) -> dict[str, str]:
        """What goes to the collector with every request: `name=value` with commas, values as in a URL."""
        pairs = [one.partition("=") for one in plain(self.otel_exporter_otlp_headers).split(",") if one.strip()]
        return {name.strip().lower(): unquote(value.strip()) for name, _, value in pairs}

    @property
    def livemode(self) -> bool:
        """True when the Stripe key moves real money."""
        return "_live_" in plain(self.stripe_secret_key)[:8]


NAMES = tuple(name.upper() for name in Settings.model_fields)


def plain(secret: SecretStr | None) -> str:
    """The secret itself; empty when there is none."""
    return secret.get_secret_value() if secret is not None else ""


def named_files() -> tuple[tuple[str, Path], ...]:
    """The settings that are in files of their own, each with its file."""
    paths = ((name, os.environ.get(f"{name}_FILE", "")) for name in NAMES)
    return tuple((name, Path(path)) for name, path in paths if path)


def load_settings(*, simulate: bool = False) -> Settings:
    """Reads NAME_FILE and NAME; complete, or WrongSettings. With `simulate` the secrets may be missing.

    A program that only opens the database uses `load_database_settings`.
    """
    settings, problems = _read(os.environ)
    problems += _wrong_database(settings) + _wrong_texts(settings)
    if not simulate:
        problems += _wrong_stripe(settings) + _wrong_secret_keys(settings)
    elif settings.roony_secret_keys is not None:
        problems += _wrong_secret_keys(settings)
    if problems:
        raise WrongSettings(problems)
    return settings


def load_database_settings() -> Settings:
    """The settings of a command that opens the database and nothing else: no Stripe key is asked for."""
    settings, problems = _read(os.environ)
    problems += _wrong_database(settings) + _wrong_texts(settings)
    if problems:
        raise WrongSettings(problems, hint="`roony --help` lists the commands.")
    return settings


def _read(environment: Mapping[str, str]) -> tuple[Settings, list[str]]:
    """Settings from files and variables. A file named by NAME_FILE counts only where NAME itself is not set."""
    found: dict[str, str] = {}
    problems = []
    for name in NAMES:
        path = environment.get(f"{name}_FILE", "")
        if not path:
            continue
        if environment.get(name):
            problems.append(f"{name} and {name}_FILE are both set: unset one of them.")
            continue
        try:
            text = _content(Path(path))
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) else str(error)
            problems.append(f"{name}_FILE names {path}, which cannot be read ({reason}): name a readable text file.")
            continue
        if text:
            found[name.lower()] = text
        else:
            problems.append(f"{name}_FILE names {path}, which is empty: put the value into it.")
    return Settings(**found), problems  # type: ignore[arg-type]


def _content(path: Path) -> str:
    if path.stat().st_size > LARGEST_FILE:
        raise ValueError("it is too large")
    try:
        return path.read_text(encoding="utf-8").strip()
    except UnicodeDecodeError:
        # Unchained and without its text: the decoder's message may quote a secret.
        pass
    raise ValueError("it is not text")


def _wrong_database(settings: Settings) -> list[str]:
    wrong = "ROONY_DATABASE_URL must be sqlite:///FILE or postgresql://USER@HOST/DATABASE."
    try:
        url = make_url(settings.roony_database_url)
        # Asks for the driver as well: sqlite+something is not what we speak.
        url.get_dialect()
    except (SQLAlchemyError, ValueError):
        return [wrong]
    if url.drivername == "sqlite" and url.database not in (None, "", ":memory:"):
        return []
    return [] if url.drivername in ("postgresql", "postgresql+psycopg") else [wrong]


def _wrong_texts(settings: Settings) -> list[str]:
    problems = []
    if settings.roony_log_format not in LOG_FORMATS:
        problems.append("ROONY_LOG_FORMAT must be text or json.")
    if settings.roony_public_url is not None:
        parts = _split(settings.roony_public_url)
        if parts is None or parts.path.strip("/") or parts.query or parts.fragment:
            problems.append("ROONY_PUBLIC_URL must be an address without a path, such as https://roony.example.com.")
        elif settings.livemode and parts.scheme != "https":
            problems.append("ROONY_PUBLIC_URL must begin with https:// when the Stripe key is a live one.")
    try:
        _ = settings.trusted_proxies
    except ValueError:
        problems.append("ROONY_TRUSTED_PROXIES must be addresses or networks with commas, such as 10.0.0.5,192.0.2.7.")
    problems += _wrong_days(settings)
    limit = settings.roony_requests_per_minute
    if not (limit.isascii() and limit.isdigit() and len(limit) <= 6):
        problems.append("ROONY_REQUESTS_PER_MINUTE must be a whole number of at most 6 digits; 0 is no limit.")
    try:
        networks_of(settings.roony_outbound_networks)
    except ValueError as wrong:
        problems.append(f"ROONY_OUTBOUND_NETWORKS: {wrong}; write CIDRs with commas, such as 10.20.0.0/16,fd00:1::/64.")
    token = plain(settings.roony_metrics_token)
    if token and not (len(token) >= SHORTEST_METRICS_TOKEN and re.fullmatch(r"[!-~]+", token)):
        problems.append(
            f"ROONY_METRICS_TOKEN must have {SHORTEST_METRICS_TOKEN} characters or more and no spaces:"
            " `openssl rand -hex 20` prints a good one."
        )
    elif token and _is_plain(token):
        problems.append("ROONY_METRICS_TOKEN is easily guessed: `openssl rand -hex 20` prints a good one.")
    problems += _wrong_traces(settings)
    if settings.roony_stop_at and not is_point(settings.roony_stop_at):
        problems.append(f"ROONY_STOP_AT must be one of {HOW}. It is for tests only.")
    return problems


def _wrong_days(settings: Settings) -> list[str]:
    named = (
        ("ROONY_KEEP_EVENT_DAYS", settings.roony_keep_event_days),
        ("ROONY_KEEP_RECEIPT_DAYS", settings.roony_keep_receipt_days),
    )
    return [
        f"{name} must be a whole number of days from {MIN_DAYS} to 99999; 0 keeps them for ever."
        for name, text in named
        if not (text.isascii() and text.isdigit() and len(text) <= 5 and (int(text) == 0 or int(text) >= MIN_DAYS))
    ]


def _wrong_traces(settings: Settings) -> list[str]:
    endpoint = settings.otel_exporter_otlp_endpoint
    if endpoint is None:
        return []
    parts = _split(endpoint)
    if parts is None or parts.query or parts.fragment:
        return ["OTEL_EXPORTER_OTLP_ENDPOINT must be the address of a collector, such as http://127.0.0.1:4318."]
    given = plain(settings.otel_exporter_otlp_headers)
    if not all(re.fullmatch(r"\s*[\w-]+\s*=[!-~ ]*", one) for one in given.split(",") if one.strip()):
        return ["OTEL_EXPORTER_OTLP_HEADERS must be name=value, several with commas."]
    if given and parts.scheme == "http" and parts.hostname not in LOOPBACK_HOSTS:
        return ["OTEL_EXPORTER_OTLP_ENDPOINT must begin with https:// where OTEL_EXPORTER_OTLP_HEADERS are sent to it."]
    return []


def _wrong_stripe(settings: Settings) -> list[str]:
    problems = _wrong_stripe_keys(settings)
    simulated = _is_loopback(settings.stripe_api_base)
    secrets = settings.webhook_secrets
    if not secrets:
        problems.append(
            "STRIPE_WEBHOOK_SECRET is missing: take it (whsec_…) from your webhook endpoint in the Stripe Dashboard,"
            " or from `stripe listen --print-secret`."
        )
    for place, secret in enumerate(secrets, 1):
        which = "STRIPE_WEBHOOK_SECRET" if len(secrets) == 1 else f"STRIPE_WEBHOOK_SECRET number {place}"
        if not secret.startswith("whsec_"):
            problems.append(f"{which} must begin with whsec_: copy the signing secret of the endpoint, not its id.")
        # A simulator on this machine moves no money; its secret may be anything.
        elif len(secret) < len("whsec_") + (1 if simulated else SHORTEST_WEBHOOK_SECRET):
            problems.append(f"{which} is too short to be one of Stripe's: copy all of it.")
        elif not simulated and _is_plain(secret.removeprefix("whsec_")):
            problems.append(f"{which} has too few different characters to be one of Stripe's: copy the secret itself.")
    for name, base in (
        ("STRIPE_API_BASE", settings.stripe_api_base),
        ("STRIPE_CONNECT_BASE", settings.stripe_connect_base),
    ):
        parts = _split(base)
        if parts is None or (parts.scheme == "http" and parts.hostname not in LOOPBACK_HOSTS):
            problems.append(f"{name} must begin with https://, or be http on this machine; leave it out for Stripe.")
    return problems


def _wrong_stripe_keys(settings: Settings) -> list[str]:
    problems = []
    key = plain(settings.stripe_secret_key)
    if not key:
        problems.append(
            "STRIPE_SECRET_KEY is missing: take a test key (sk_test_… or rk_test_…) from"
            " https://dashboard.stripe.com/test/apikeys."
        )
    elif not _SECRET_KEY.fullmatch(key):
        problems.append(
            "STRIPE_SECRET_KEY does not look like a secret key (sk_test_…, sk_live_…, rk_test_… or rk_live_…):"
            " copy it from https://dashboard.stripe.com/apikeys."
        )
    publishable = settings.stripe_publishable_key
    if publishable and not publishable.startswith("pk_"):
        problems.append("STRIPE_PUBLISHABLE_KEY must begin with pk_: it is the public one of the two keys.")
    elif publishable and key and ("_live_" in publishable) != settings.livemode:
        problems.append("STRIPE_PUBLISHABLE_KEY and STRIPE_SECRET_KEY must both be test keys or both live keys.")
    client_ids = (
        ("STRIPE_CONNECT_CLIENT_ID", settings.stripe_connect_client_id),
        ("STRIPE_APP_CLIENT_ID", settings.stripe_app_client_id),
    )
    problems += [
        f"{name} must begin with ca_: it is the client id in Stripe's OAuth settings, not a key."
        for name, value in client_ids
        if value and not value.startswith("ca_")
    ]
    return problems


def _wrong_secret_keys(settings: Settings) -> list[str]:
    keys = plain(settings.roony_secret_keys)
    if not keys:
        return ["ROONY_SECRET_KEYS is missing: `roony keys new` prints a good one; keep it, it opens stored tokens."]
    try:
        Vault.from_text(keys)
    except VaultKeyRefused as refused:
        return [f"ROONY_SECRET_KEYS: {refused}."]
    return []


def _is_plain(secret: str) -> bool:
    """True for a placeholder, such as one letter again and again, that nobody replaced."""
    return len(set(secret)) < FEWEST_CHARACTERS


def _split(url: str) -> SplitResult | None:
    try:
        parts = urlsplit(url)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        return None
    return parts if usable else None


def _is_loopback(url: str) -> bool:
    parts = _split(url)
    return parts is not None and parts.hostname in LOOPBACK_HOSTS
