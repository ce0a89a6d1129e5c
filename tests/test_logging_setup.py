"""Logs: card numbers, keys, tokens and CVCs are taken out, whatever way they got in; everything else stays readable."""

from __future__ import annotations

import asyncio
import io
import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest
import structlog

from roony.identifiers import new_id
from roony.log_ids import about, learn
from roony.log_lines import draw_text, show_visibly
from roony.logging_setup import REDACTED, configure_logging, redact

PAN = "4000009990000278"


@pytest.fixture
def stream() -> Iterator[io.StringIO]:
    """Where this test's logs go; everything is put back afterwards."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    stream = io.StringIO()
    yield stream
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()


@pytest.mark.parametrize(
    "secret",
    [
        PAN,
        "4000 0099 9000 0278",
        "4000-0099-9000-0278",
        "400000 9990000278",
        "5555555555554444",
        "378282246310005",
        "6011111111111117",
        "roony_agent_0123456789abcdef",
        "roony_admin_0123456789abcdef",
        "roony_session_0123456789abcdef",
        "sk_test_51HxxPretend",
        "sk_live_51HxxPretend",
        "rk_live_51HxxPretend",
        "whsec_0123456789abcdef",
        "ek_test_YWNjdF8xTn",
        "rt_0123456789abcdefgh",
        "ac_0123456789abcdefgh",
    ],
)
@pytest.mark.parametrize("around", ["{}", "card {} used", '{{"number": "{}"}}', "({})", "x={},y=1", "at 9 {} in 7"])
def test_secrets_are_taken_out_of_text(secret: str, around: str) -> None:
    text = around.format(secret)
    assert secret not in redact(text)
    assert redact(text).replace(REDACTED, secret) == text


@pytest.mark.parametrize(
    "harmless",
    [
        "4000009990000279",  # the check digit is wrong
        "1793000000000000",  # a time in microseconds
        "2026-11-23T07:34:15.669996Z",
        "acct_s2uLp9ULdtZqA84r",
        "pur_vsylnu35mmedn4js2ktpis4j",
        "12999 usd",
        "pk_test_simulator",
        "port 8000 8001 8002 8003",
        "the cvc was checked",
    ],
)
def test_the_rest_stays(harmless: str) -> None:
    assert redact(harmless) == harmless


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("Authorization: Bearer eyJhbGciOi.J9_-x", f"Authorization: Bearer {REDACTED}"),
        ("sent Basic c2tfdGVzdF8xMjM6", f"sent Basic {REDACTED}"),
        ("postgresql://roony:open-sesame@db:5432/roony", f"postgresql://roony:{REDACTED}@db:5432/roony"),
        ("mailtos://:open-sesame@example.com", f"mailtos://:{REDACTED}@example.com"),
        ("a bearer of news", "a bearer of news"),
        ("http://localhost:8000/a@b", "http://localhost:8000/a@b"),
    ],
)
def test_what_says_who_calls_is_taken_out(text: str, left: str) -> None:
    assert redact(text) == left


def test_ids_are_never_taken_for_card_numbers() -> None:
    for _ in range(2_000):
        made = new_id("pur")
        assert redact(made) == made


def test_one_time_links_lose_their_secret() -> None:
    assert redact("GET /connect/stripe?ticket=abc123 done") == f"GET /connect/stripe?ticket={REDACTED} done"
    assert "xyz" not in redact("http://localhost/connect/stripe/callback?code=xyz1&state=xyz2")


@pytest.mark.parametrize("log_format", ["text", "json"])
def test_secrets_are_taken_out_of_whatever_is_logged(stream: io.StringIO, log_format: str) -> None:
    configure_logging(log_format, stream)
    log = structlog.get_logger("test")
    log.info(
        "made", card={"number": "12", "cvc": "code-987", "last4": "0278"}, nested=[{"deep": (PAN, b"cvc=654")}],
        Authorization="Bearer nothing-known", as_number=int(PAN), object=Holder(), password="open-sesame",
    )  # fmt: skip
    logging.getLogger("library").warning("key %s and %s", "sk_test_51HxxPretend", {"cvc": "321"})
    try:
        int(f"refused {PAN}")
    except ValueError:
        log.exception("failed")
        logging.getLogger("library").exception("failed")
    written = stream.getvalue()
    # The CVCs with what stands around them: three digits alone also occur in a time.
    cvcs = ("code-987", "cvc=654", "'cvc': '321'")
    for secret in (PAN, *cvcs, "nothing-known", "open-sesame", "sk_test_51HxxPretend", "hidden_in_repr"):
        assert secret not in written
    assert "0278" in written
    assert "'refused [redacted]'" in written


class Holder:
    """Shows a secret in its repr."""

    def __repr__(self) -> str:
        return "Holder(whsec_hidden_in_repr)"


def test_json_is_one_object_a_line(stream: io.StringIO) -> None:
    configure_logging("json", stream)
    structlog.get_logger("test").info("first", count=1)
    logging.getLogger("library").info("second %s", "thing")
    first, second = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert (first["event"], first["count"], first["logger"], first["level"]) == ("first", 1, "test", "info")
    assert second["event"] == "second thing"
    assert first["timestamp"].endswith("Z")


@pytest.mark.parametrize("log_format", ["text", "json"])
def test_what_is_logged_does_nothing_to_a_terminal(stream: io.StringIO, log_format: str) -> None:
    """An address that anybody can ask for, an error that another program wrote."""
    configure_logging(log_format, stream)
    structlog.get_logger("test").info("web.answered", path="/\x1b[2J\x9b31m\u202e", error="\x07")
    line = stream.getvalue()
    assert all(letter.isprintable() or letter == "\n" for letter in line)
    assert r"\u001b[2J" in line


EVENTS: list[dict[str, Any]] = [
    {"event": "web.answered", "method": "POST", "path": "/api/v1/me", "status": 201, "milliseconds": 1.5},
    {"event": "odd", "empty": "", "spaced": "two words", "quoted": """it's "so\"""", "equals": "a=b", "none": None},
    {"event": "nested", "one": {"a": [1, ("x y", True)]}, "lines": "one\ntwo\tthree\r"},
    {"event": "letters", "umlaut": "Äpfel", "bytes": b"b"},
    {"event": "an event that is longer than the column that it stands in", "Upper": 1, "lower": 2},
    {"event": "acted upon", "path": "/\x1b[2J\u202e", "spaced": "\x07 bell"},
    {"event": "failed", "exception": "Traceback\n  deep \x1b[0m", "stack": "Stack\n  high"},
    {"event": "failed", "exception": "Traceback", "id": "x"},
    {"event": "where", "stack": "Stack"},
    {"event": ""},
]


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: str(event["event"])[:8])
def test_text_looks_as_structlog_draws_it_without_colours(event: dict[str, Any]) -> None:
    line = {**event, "logger": "roony.test", "level": "warning", "timestamp": "2026-11-29T08:00:00.000001Z"}
    shown = show_visibly(None, "", dict(line))
    assert draw_text(None, "", dict(line)) == structlog.dev.ConsoleRenderer(colors=False)(None, "", shown)


def test_a_line_that_cannot_be_drawn_or_written_stops_nobody(
    stream: io.StringIO, capsys: pytest.CaptureFixture[str]
) -> None:
    configure_logging("json", stream)
    log = structlog.get_logger("test")
    log.info("first", thing=Broken())
    log.info("second")
    stream.close()
    log.info("third")
    told = capsys.readouterr().err
    assert "nobody can show it" in told
    assert "I/O operation on closed file" in told


def test_lines_below_the_level_are_left_out_and_words_are_filled_in(stream: io.StringIO) -> None:
    configure_logging("json", stream)
    log = structlog.get_logger("test")
    log.debug("hidden")
    log.warning("%s of %s", 1, 2)
    log.error("told")
    told = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert [(line["event"], line["level"]) for line in told] == [("1 of 2", "warning"), ("told", "error")]


class Broken:
    """Has no repr."""

    def __repr__(self) -> str:
        raise ValueError("nobody can show it")


def test_an_unknown_format_is_refused() -> None:
    with pytest.raises(ValueError, match="text or json"):
        configure_logging("xml")


def test_lines_say_what_they_are_about_in_tasks_and_threads_and_not_after(stream: io.StringIO) -> None:
    """Ids learned inside are on all lines from then on; two pieces of work at once keep theirs apart."""
    configure_logging("json", stream)
    log = structlog.get_logger("test")

    async def piece(name: str, both: asyncio.Barrier) -> None:
        with about(request_id=name):
            log.info("first")
            await both.wait()
            await asyncio.to_thread(learn, purchase_id=f"pur_{name}")
            await both.wait()
            await asyncio.create_task(in_task())
            log.info("own", purchase_id="another")

    async def in_task() -> None:
        log.info("second")

    async def main() -> None:
        both = asyncio.Barrier(2)
        await asyncio.gather(piece("a", both), piece("b", both))
        learn(purchase_id="pur_nobody")
        log.info("third")

    asyncio.run(main())
    told = [json.loads(line) for line in stream.getvalue().splitlines()]
    seen = sorted((line["event"], line.get("request_id", ""), line.get("purchase_id", "")) for line in told)
    assert seen == [
        ("first", "a", ""), ("first", "b", ""), ("own", "a", "another"), ("own", "b", "another"),
        ("second", "a", "pur_a"), ("second", "b", "pur_b"), ("third", "", ""),
    ]  # fmt: skip
