"""Settings: complete and strong, or refused with everything that is wrong in one message that quotes no secret."""

from __future__ import annotations

import base64
import os
import secrets
from pathlib import Path

import pytest

from roony.config import NAMES, Settings, WrongSettings, load_database_settings, load_settings, plain

KEY = base64.b64encode(secrets.token_bytes(32)).decode()
GOOD = {
    "STRIPE_SECRET_KEY": "sk_test_51HxxPretendThisIsOne",
    "STRIPE_WEBHOOK_SECRET": "whsec_0123456789abcdef0123456789abcdef",
    "ROONY_SECRET_KEYS": KEY,
}


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """An environment without anything about Stripe and Roony."""
    for name in list(os.environ):
        if name.startswith(("STRIPE_", "ROONY_")):
            monkeypatch.delenv(name)
    return monkeypatch


def given(environment: pytest.MonkeyPatch, **changes: str | None) -> None:
    """Good settings with changes; None leaves one out."""
    for name, value in {**GOOD, **changes}.items():
        if value is not None:
            environment.setenv(name, value)


def problems(**more: bool) -> str:
    """What is said about the environment as it is."""
    with pytest.raises(WrongSettings) as refused:
        load_settings(**more)
    return str(refused.value)


def test_good_settings_are_taken(environment: pytest.MonkeyPatch) -> None:
    given(environment, STRIPE_WEBHOOK_SECRET="whsec_0123456789abcdef01, whsec_fedcba9876543210fe,")
    settings = load_settings()
    assert plain(settings.stripe_secret_key) == GOOD["STRIPE_SECRET_KEY"]
    assert settings.webhook_secrets == ("whsec_0123456789abcdef01", "whsec_fedcba9876543210fe")
    assert settings.roony_database_url == "sqlite:///roony.db"
    assert settings.stripe_api_base == "https://api.stripe.com"
    assert not settings.livemode
    with pytest.raises(Exception, match="frozen"):
        settings.roony_log_format = "json"


def test_everything_that_is_missing_is_named_at_once_with_what_to_do() -> None:
    said = problems()
    for name, advice in (
        ("STRIPE_SECRET_KEY", "dashboard.stripe.com"),
        ("STRIPE_WEBHOOK_SECRET", "stripe listen --print-secret"),
        ("ROONY_SECRET_KEYS", "roony keys new"),
    ):
        (line,) = [line for line in said.splitlines() if name in line]
        assert "is missing" in line
        assert advice in line
    assert "roony serve --simulate" in said


def test_blank_is_missing(environment: pytest.MonkeyPatch) -> None:
    given(environment, STRIPE_SECRET_KEY="", STRIPE_WEBHOOK_SECRET=" , ")
    said = problems()
    assert "STRIPE_SECRET_KEY is missing" in said
    assert "STRIPE_WEBHOOK_SECRET is missing" in said


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"STRIPE_SECRET_KEY": "pk_test_51HxxPretendThisIsOne"}, "does not look like a secret key"),
        ({"STRIPE_SECRET_KEY": "sk_test_..."}, "does not look like a secret key"),
        ({"STRIPE_SECRET_KEY": "changeme"}, "does not look like a secret key"),
        ({"STRIPE_WEBHOOK_SECRET": "we_1NPretendEndpointId000"}, "must begin with whsec_"),
        ({"STRIPE_WEBHOOK_SECRET": "whsec_short"}, "too short"),
        ({"STRIPE_WEBHOOK_SECRET": "whsec_0123456789abcdef01,secret"}, "number 2 must begin with whsec_"),
        ({"STRIPE_WEBHOOK_SECRET": f"whsec_{'x' * 32}"}, "too few different characters"),
        (
            {"STRIPE_WEBHOOK_SECRET": f"whsec_0123456789abcdef01,whsec_{'changeme' * 4}"},
            "number 2 has too few different",
        ),
        ({"STRIPE_PUBLISHABLE_KEY": "sk_test_51HxxPretendThisIsOne"}, "must begin with pk_"),
        ({"STRIPE_PUBLISHABLE_KEY": "pk_live_51HxxPretendThisIsOne"}, "both be test keys or both live keys"),
        ({"STRIPE_CONNECT_CLIENT_ID": "acct_1"}, "STRIPE_CONNECT_CLIENT_ID must begin with ca_"),
        ({"STRIPE_APP_CLIENT_ID": "sk_test_x"}, "STRIPE_APP_CLIENT_ID must begin with ca_"),
        ({"STRIPE_API_BASE": "http://api.stripe.example"}, "STRIPE_API_BASE must begin with https://"),
        ({"STRIPE_CONNECT_BASE": "ftp://connect"}, "STRIPE_CONNECT_BASE must begin with https://"),
        ({"ROONY_SECRET_KEYS": "not base64!"}, "not valid base64"),
        ({"ROONY_SECRET_KEYS": base64.b64encode(b"0" * 32).decode()}, "is not random"),
        ({"ROONY_SECRET_KEYS": f"{KEY},{KEY}"}, "the same id"),
        ({"ROONY_DATABASE_URL": "mysql://localhost/roony"}, "ROONY_DATABASE_URL must be"),
        ({"ROONY_DATABASE_URL": "sqlite://"}, "ROONY_DATABASE_URL must be"),
        ({"ROONY_DATABASE_URL": "sqlite:///:memory:"}, "ROONY_DATABASE_URL must be"),
        ({"ROONY_DATABASE_URL": "roony.db"}, "ROONY_DATABASE_URL must be"),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "collector:4318"}, "OTEL_EXPORTER_OTLP_ENDPOINT must be the address of"),
        ({"ROONY_METRICS_TOKEN": "short"}, "ROONY_METRICS_TOKEN must have 20 characters or more and no spaces"),
        ({"ROONY_METRICS_TOKEN": "changeme" * 4}, "ROONY_METRICS_TOKEN is easily guessed"),
        ({"ROONY_METRICS_TOKEN": "long enough but with spaces"}, "ROONY_METRICS_TOKEN must have 20 characters"),
        ({"ROONY_OUTBOUND_NETWORKS": "10.0.0.0/8,inside"}, "ROONY_OUTBOUND_NETWORKS: 'inside' is no network"),
        ({"ROONY_PUBLIC_URL": "roony.example.com"}, "ROONY_PUBLIC_URL must be an address"),
        ({"ROONY_PUBLIC_URL": "https://roony.example.com/path"}, "ROONY_PUBLIC_URL must be an address"),
        ({"ROONY_PUBLIC_URL": "https://roony.example.com:99999"}, "ROONY_PUBLIC_URL must be an address"),
        ({"ROONY_TRUSTED_PROXIES": "10.0.0.0/8,proxy"}, "ROONY_TRUSTED_PROXIES must be addresses or networks"),
        ({"ROONY_REQUESTS_PER_MINUTE": "-1"}, "ROONY_REQUESTS_PER_MINUTE must be a whole number"),
        ({"ROONY_KEEP_EVENT_DAYS": "44"}, "ROONY_KEEP_EVENT_DAYS must be a whole number of days from 45 to 99999"),
        ({"ROONY_KEEP_RECEIPT_DAYS": "ten"}, "ROONY_KEEP_RECEIPT_DAYS must be a whole number of days"),
        ({"ROONY_LOG_FORMAT": "xml"}, "ROONY_LOG_FORMAT must be text or json"),
        ({"ROONY_STOP_AT": "anywhere"}, "ROONY_STOP_AT must be one of"),
    ],
)
def test_what_is_weak_or_wrong_is_named(
    environment: pytest.MonkeyPatch, changes: dict[str, str], expected: str
) -> None:
    given(environment, **changes)
    said = problems()
    assert expected in said
    (line,) = [line for line in said.splitlines() if line.startswith("  - ")]
    assert next(iter(changes)) in line
    for name, value in (*changes.items(), ("ROONY_SECRET_KEYS", KEY)):
        if name in ("STRIPE_SECRET_KEY", "STRIPE_WEBHOOK_SECRET", "ROONY_SECRET_KEYS"):
            assert value not in said


def test_a_live_key_needs_https(environment: pytest.MonkeyPatch) -> None:
    given(environment, STRIPE_SECRET_KEY="rk_live_51HxxPretendThisIsOne", ROONY_PUBLIC_URL="http://roony.example.com")
    assert "ROONY_PUBLIC_URL must begin with https://" in problems()
    environment.setenv("ROONY_PUBLIC_URL", "https://roony.example.com/")
    assert load_settings().livemode


def test_a_simulator_on_this_machine_may_have_short_secrets(environment: pytest.MonkeyPatch) -> None:
    given(environment, STRIPE_SECRET_KEY="sk_test_simulator", STRIPE_WEBHOOK_SECRET="whsec_test",
          STRIPE_API_BASE="http://127.0.0.1:8001", STRIPE_CONNECT_BASE="http://127.0.0.1:8001")  # fmt: skip
    assert load_settings().webhook_secrets == ("whsec_test",)


def test_simulate_needs_no_secrets_but_refuses_bad_ones(environment: pytest.MonkeyPatch) -> None:
    assert load_settings(simulate=True).stripe_secret_key is None
    environment.setenv("ROONY_SECRET_KEYS", "AAAA")
    assert "ROONY_SECRET_KEYS" in problems(simulate=True)


def test_every_variable_can_come_from_a_file(environment: pytest.MonkeyPatch, tmp_path: Path) -> None:
    values = {
        **GOOD, "STRIPE_PUBLISHABLE_KEY": "pk_test_1", "STRIPE_CONNECT_CLIENT_ID": "ca_1",
        "STRIPE_APP_CLIENT_ID": "ca_2",
        "STRIPE_API_BASE": "https://a.example", "STRIPE_CONNECT_BASE": "https://c.example",
        "ROONY_DATABASE_URL": "postgresql://roony@db/roony", "ROONY_PUBLIC_URL": "https://roony.example",
        "ROONY_TRUSTED_PROXIES": "10.0.0.0/8, ::1", "ROONY_REQUESTS_PER_MINUTE": "600",
        "ROONY_KEEP_EVENT_DAYS": "45", "ROONY_KEEP_RECEIPT_DAYS": "3650",
        "ROONY_LOG_FORMAT": "json", "ROONY_STOP_AT": "after_hold", "ROONY_OUTBOUND_NETWORKS": "10.0.0.0/8",
        "ROONY_METRICS_TOKEN": "a-token-of-the-scraper-s", "OTEL_EXPORTER_OTLP_ENDPOINT": "https://t.example:4318",
        "OTEL_EXPORTER_OTLP_HEADERS": "a=b", "OTEL_SERVICE_NAME": "roony-1",
    }  # fmt: skip
    assert set(values) == set(NAMES)
    for name, value in values.items():
        file = tmp_path / name
        file.write_text(f"{value}\n")
        environment.setenv(f"{name}_FILE", str(file))
    settings = load_settings()
    for name, value in values.items():
        found = getattr(settings, name.lower())
        assert (found if isinstance(found, str) else plain(found)) == value
    assert settings.requests_per_minute == 600
    assert settings.retention == (45, 3650)
    assert [str(network) for network in settings.trusted_proxies] == ["10.0.0.0/8", "::1/128"]


def test_a_file_that_cannot_be_used_is_named(environment: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "empty").write_text("\n")
    (tmp_path / "binary").write_bytes(b"\xff\xfesecret")
    (tmp_path / "huge").write_text("x" * 70_000)
    given(environment, STRIPE_SECRET_KEY=None, STRIPE_WEBHOOK_SECRET=None, ROONY_SECRET_KEYS=None)
    environment.setenv("STRIPE_SECRET_KEY_FILE", str(tmp_path / "none"))
    environment.setenv("STRIPE_WEBHOOK_SECRET_FILE", str(tmp_path / "empty"))
    environment.setenv("ROONY_SECRET_KEYS_FILE", str(tmp_path / "binary"))
    environment.setenv("STRIPE_PUBLISHABLE_KEY_FILE", str(tmp_path / "huge"))
    said = problems()
    assert "STRIPE_SECRET_KEY_FILE names" in said
    assert "No such file" in said
    assert "STRIPE_WEBHOOK_SECRET_FILE" in said
    assert "which is empty" in said
    assert "it is not text" in said
    assert "it is too large" in said


def test_name_and_file_together_are_refused(environment: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Which of the two would count is nothing to guess about."""
    (tmp_path / "key").write_text(KEY)
    given(environment)
    environment.setenv("ROONY_SECRET_KEYS_FILE", str(tmp_path / "key"))
    assert "ROONY_SECRET_KEYS and ROONY_SECRET_KEYS_FILE are both set" in problems()


def test_secrets_show_in_no_repr(environment: pytest.MonkeyPatch) -> None:
    given(environment, ROONY_DATABASE_URL="postgresql://roony:hidden-password@db/roony")
    settings = load_settings()
    shown = f"{settings!r} {settings} {settings.model_dump()!s} {settings.roony_secret_keys!r}"
    shown = shown.replace(str(settings.model_dump()), "")
    for secret in (*GOOD.values(), "hidden-password"):
        assert secret not in shown


def test_a_command_on_the_database_asks_for_no_stripe_key(environment: pytest.MonkeyPatch) -> None:
    assert load_database_settings().roony_database_url == "sqlite:///roony.db"
    environment.setenv("ROONY_DATABASE_URL", "nonsense")
    with pytest.raises(WrongSettings, match="ROONY_DATABASE_URL must be"):
        load_database_settings()


def test_no_secret_has_a_default() -> None:
    defaults = Settings().model_dump()
    for name in ("stripe_secret_key", "stripe_webhook_secret", "roony_secret_keys"):
        assert defaults[name] is None
