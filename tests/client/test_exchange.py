"""What the client does about each answer, and about none: no network, no clock, only the conversation."""

from __future__ import annotations

import json
from typing import Any

import pytest

from roony.client.errors import RoonyError, Unreachable
from roony.client.exchange import LONGEST_PAUSE_SECONDS, MAX_TRIES, Lost, Pause, Reply, Request, Talk, exchange
from roony.client.following import MAX_FRUITLESS, Following
from roony.client.operations import cancel_purchase, get_card, request_purchase, wait_until_ready

ASK: dict[str, Any] = {"amount": 500, "currency": "usd", "merchant": "Figma", "description": "1 month"}
NO_ANSWER, NEVER_LEFT = Lost("unanswered", "Nothing answers."), Lost("unsent", "Nothing answers.")
IMPOSSIBLE = Lost("impossible", "This cannot be sent.")


def good(body: Any = None, **headers: str) -> Reply:
    return Reply(200, headers, json.dumps({"id": "pur_1"} if body is None else body).encode())


def refusal(status: int, code: str = "busy", retry_after: str | None = None, **more: Any) -> Reply:
    """An error of Roony's."""
    error = {"code": code, "message": "Not now.", "request_id": "req_1", **more}
    headers = {"retry-after": retry_after} if retry_after is not None else {}
    return Reply(status, headers, json.dumps({"error": error}).encode())


def play(talk: Talk[Any], *came: Reply | Lost) -> tuple[Any, list[Request], list[float]]:
    """Plays a talk to its end: what it gave or raised, what it sent, and how long it paused."""
    sent: list[Request] = []
    pauses: list[float] = []
    answers = iter(came)
    answer: Reply | Lost | None = None
    while True:
        try:
            step = talk.send(answer)
        except StopIteration as end:
            return end.value, sent, pauses
        except RoonyError as error:
            return error, sent, pauses
        answer = None
        if isinstance(step, Pause):
            pauses.append(step.seconds)
        else:
            sent.append(step)
            answer = next(answers)


@pytest.mark.parametrize(
    "trouble",
    [NO_ANSWER, NEVER_LEFT, refusal(429), refusal(503), refusal(502), refusal(504), Reply(503, {}, b"<html>")],
    ids=repr,
)
def test_an_ask_is_repeated_with_the_same_key_and_body(trouble: Reply | Lost) -> None:
    result, sent, pauses = play(request_purchase(**ASK), trouble, trouble, trouble, good())
    assert result == {"id": "pur_1", "replayed": False}
    assert len(sent) == MAX_TRIES
    assert all(request == sent[0] for request in sent)
    assert len(sent[0].headers["Idempotency-Key"]) == 32
    assert pauses == sorted(pauses)
    assert all(0 < pause <= LONGEST_PAUSE_SECONDS for pause in pauses)


def test_two_asks_have_two_keys_unless_the_caller_names_one() -> None:
    keys = [play(request_purchase(**ASK), good())[1][0].headers["Idempotency-Key"] for _ in range(2)]
    assert keys[0] != keys[1]
    [sent] = play(request_purchase(**ASK, idempotency_key="mine"), good())[1]
    assert sent.headers["Idempotency-Key"] == "mine"


@pytest.mark.parametrize(("came", "kind"), [(NO_ANSWER, Unreachable), (refusal(503), RoonyError)])
def test_tries_end(came: Reply | Lost, kind: type[RoonyError]) -> None:
    error, sent, _ = play(request_purchase(**ASK), *[came] * MAX_TRIES)
    assert type(error) is kind
    assert len(sent) == MAX_TRIES


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 413, 415, 422, 500])
def test_a_refusal_is_told_at_once_and_whole(status: int) -> None:
    reasons = [{"code": "OVER", "message": "Too much."}]
    error, sent, pauses = play(
        cancel_purchase("pur_1"), refusal(status, "some_code", field="amount", id="pur_9", reasons=reasons)
    )
    assert (error.status, error.code, error.message) == (status, "some_code", "Not now.")
    assert (error.field, error.id, error.reasons, error.request_id) == ("amount", "pur_9", reasons, "req_1")
    assert str(error) == "some_code: amount: Not now."
    assert (len(sent), pauses) == (1, [])


def test_it_waits_as_long_as_roony_says() -> None:
    _, _, pauses = play(cancel_purchase("pur_1"), refusal(429, retry_after="5"), good())
    assert pauses == [5.0]


@pytest.mark.parametrize(("header", "seconds"), [("3600", 3_600.0), ("999999", 999_999.0)])
def test_a_pause_too_long_is_left_to_the_caller(header: str, seconds: float) -> None:
    error, sent, _ = play(cancel_purchase("pur_1"), refusal(429, retry_after=header))
    assert (error.retry_after, len(sent)) == (seconds, 1)


@pytest.mark.parametrize("header", ["Sat, 28 Nov 2026 10:00:00 GMT", "-1", "nan", "1e9", ""])
def test_a_pause_that_cannot_be_read_is_as_if_not_given(header: str) -> None:
    _, _, [pause] = play(cancel_purchase("pur_1"), refusal(429, retry_after=header), good())
    assert pause <= 0.5


def test_what_cannot_be_sent_is_not_tried_again() -> None:
    error, sent, _ = play(request_purchase(**ASK), IMPOSSIBLE)
    assert (type(error), len(sent)) == (Unreachable, 1)


@pytest.mark.parametrize(
    ("came", "tries"),
    [
        (NO_ANSWER, 1), (refusal(502), 1), (refusal(504), 1), (NEVER_LEFT, 2), (refusal(503), 2),
        (refusal(503, "stripe_unavailable"), 1), (refusal(503, "unknown_outcome"), 1),
    ],
)  # fmt: skip
def test_a_card_is_asked_for_again_only_where_the_first_call_did_nothing(came: Reply | Lost, tries: int) -> None:
    """Each call that arrives counts as one of five deliveries."""
    _, sent, _ = play(get_card("pur_1"), came, good({"delivery": "raw"}))
    assert len(sent) == tries


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b"null", b"\xff"])
def test_a_good_answer_that_is_not_roonys(body: bytes) -> None:
    error, _, _ = play(cancel_purchase("pur_1"), Reply(200, {}, body))
    assert error.code == "no_answer_of_roony"


@pytest.mark.parametrize("body", [b"", b"{}", b"[]", b'"x"', b'{"error": "x"}', b'{"error": {}}', b"\xff"])
@pytest.mark.parametrize("status", [302, 404])
def test_a_refusal_that_is_not_roonys(status: int, body: bytes) -> None:
    error, _, _ = play(cancel_purchase("pur_1"), Reply(status, {}, body))
    assert (error.code, error.status) == ("no_answer_of_roony", status)


@pytest.mark.parametrize("id", ["", "..", "pur_1/cancel", "pur_1?x=1", "pur_1\n", "pür", "a" * 129])
def test_what_is_no_id_is_not_found_and_never_sent(id: str) -> None:
    for talk in (cancel_purchase(id), get_card(id), wait_until_ready(id)):
        error, sent, _ = play(talk)
        assert (error.status, error.code, sent) == (404, "not_found", [])


@pytest.mark.parametrize("key", ["", "a\nb", "schlüssel", "k" * 256])
def test_a_key_that_no_header_can_carry_is_refused_here(key: str) -> None:
    error, sent, _ = play(request_purchase(**ASK, idempotency_key=key))
    assert (error.field, error.status, sent) == ("Idempotency-Key", 422, [])


@pytest.mark.parametrize("amount", [float("nan"), float("inf"), object()])
def test_what_is_no_json_is_refused_here(amount: Any) -> None:
    error, sent, _ = play(request_purchase(**{**ASK, "amount": amount}))
    assert (error.code, sent) == ("invalid", [])


# Waiting


def waiting(status: str = "awaiting_approval") -> Reply:
    return good({"id": "pur_1", "status": status})


def test_waiting_goes_on_through_answers_and_silence_until_it_is_ready() -> None:
    came = (waiting(), NO_ANSWER, NEVER_LEFT, refusal(503), refusal(502), waiting("issuing"), waiting("ready"))
    result, sent, pauses = play(wait_until_ready("pur_1"), *came)
    assert result["status"] == "ready"
    assert [request.params for request in sent] == [{"wait": 55.0}] * 7
    assert pauses == [0.2, 2.0, 2.0, 2.0, 2.0, 0.2]


@pytest.mark.parametrize("status", ["ready", "authorized", "settled", "declined", "canceled", "expired", "failed"])
def test_waiting_ends_with_whatever_was_decided(status: str) -> None:
    result, sent, _ = play(wait_until_ready("pur_1"), waiting(status))
    assert (result["status"], len(sent)) == (status, 1)


def test_waiting_ends_in_time_with_the_purchase_as_it_is() -> None:
    result, sent, pauses = play(wait_until_ready("pur_1", timeout=0), waiting())
    assert (result["status"], sent[0].params, pauses) == ("awaiting_approval", {}, [])


def test_waiting_ends_with_an_error_when_time_does_not_cure_it() -> None:
    error, sent, _ = play(wait_until_ready("pur_1"), waiting(), refusal(401, "unauthorized"))
    assert (error.code, len(sent)) == ("unauthorized", 2)
    error, sent, _ = play(wait_until_ready("pur_1", timeout=0), NO_ANSWER)
    assert (type(error), len(sent)) == (Unreachable, 1)


def test_one_request_can_be_sent_once_only() -> None:
    error, sent, _ = play(exchange(Request("GET", "/"), 1), NEVER_LEFT)
    assert (type(error), len(sent)) == (Unreachable, 1)


# Following the stream


def test_a_stream_goes_on_where_it_broke() -> None:
    following = Following(None)
    assert "Last-Event-ID" not in following.request().headers
    assert following.take("7", "") is None
    assert following.take("7", '{"type": "purchase.issuing"}') == {"id": "7", "type": "purchase.issuing"}
    assert following.take("9", '{"type": "purchase.ready"}') == {"id": "9", "type": "purchase.ready"}
    for came in (None, NO_ANSWER, NEVER_LEFT, refusal(503), refusal(429)):
        assert 0 < following.pause(came) <= LONGEST_PAUSE_SECONDS
        assert following.request().headers["Last-Event-ID"] == "9"


def test_a_stream_is_not_followed_for_ever_where_nothing_comes() -> None:
    following = Following("7")
    for _ in range(MAX_FRUITLESS - 1):
        following.pause(NO_ANSWER)
    following.take("7", "")
    for _ in range(MAX_FRUITLESS - 1):
        following.pause(None)
    with pytest.raises(Unreachable):
        following.pause(None)


@pytest.mark.parametrize("came", [refusal(401), refusal(403), refusal(422), IMPOSSIBLE], ids=repr)
def test_a_stream_ends_where_time_cures_nothing(came: Reply | Lost) -> None:
    with pytest.raises(RoonyError):
        Following("7").pause(came)
