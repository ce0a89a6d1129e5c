"""Messages to people: which notices they hear of, and in which words.

A text is plain and short. What agents and shops wrote is quoted in one line in which nothing can be clicked, nobody is
called and nothing is hidden: chat programs make links, mentions and shapes of whatever looks like one.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Callable
from typing import Any, NamedTuple

from roony.core.duration import local_time
from roony.core.finding import in_words
from roony.core.loosening import values_in_words
from roony.core.money import format_amount
from roony.core.notice import Notice

# Characters of what is quoted, of a title and of a text.
MAX_WORDS, MAX_SENTENCE = 120, 400
MAX_TITLE, MAX_TEXT = 140, 2_000
CUT = "…"
LONG_NUMBER = "(long number)"
# Of what a change loosens, so much is named.
MAX_LOOSENED = 5
# Alerts that say again what is told as `connection.broken`.
TOLD_ALREADY = frozenset({"connection_restricted", "connection_revoked"})


class About(NamedTuple):
    """What a text says besides the notice itself: names the owner gave, `reason` in the agent's words, a base URL."""

    public_url: str
    agent: str | None = None
    project: str | None = None
    scope: str | None = None
    reason: str | None = None


class Text(NamedTuple):
    """What is sent: a title and plain lines."""

    title: str
    body: str


# Digits that could be those of a card, whatever stands between them: with or without a good check digit.
_LONG_NUMBER = re.compile(r"\d(?:[^\w]{0,3}\d){12,}")
# Signs with which chat programs and mail make shapes, mentions and entities, and the nearest that does nothing.
_SIGNS = str.maketrans({
    "<": "\u2039", ">": "\u203a", "[": "(", "]": ")", "{": "(", "}": ")", "*": "·", "~": "-", "`": "'", "|": "/",
    "\\": "/", "#": " ", "@": "(at)", ";": ",", "“": "'", "”": "'", '"': "'", "\u3002": ".",
})  # fmt: skip
_EDGE_OF_WORD = re.compile(r"(?<!\w)_+|_+(?!\w)|__+")
_COLON = re.compile(r":(?=\S)")
_COMMAND = re.compile(r"(?<!\S)/(?=\w)")
# A point inside what could be the name of a host: one beside a letter, or more than one between digits.
_POINT = re.compile(r"(?<=\w)\.(?=\w)")
_DECIMAL = re.compile(r"(?<![\w.])\d+\.\d+(?![\w.]|\.\d)")
_MARKS = re.compile(r"([\u0300-\u036f\u0483-\u0489\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\ufe20-\ufe2f])+")


def said(words: object, limit: int = MAX_WORDS) -> str:
    """Words of somebody else as one harmless line of at most `limit` characters.

    Letters that only look other become the plain ones; what is not seen goes; links, mentions and commands are broken.
    """
    # Longer is cut before it is looked at: a text of a megabyte costs no more than one of a line.
    text = unicodedata.normalize("NFKC", str(words)[: limit * 4])
    text = "".join(_seen(letter) for letter in text)
    text = _MARKS.sub(r"\1", _LONG_NUMBER.sub(LONG_NUMBER, text)).translate(_SIGNS)
    text = _COMMAND.sub("/ ", _COLON.sub(": ", _EDGE_OF_WORD.sub("-", text)))
    text = " ".join(_without_hosts(text).split())
    return text if len(text) <= limit else text[: limit - 1].rstrip() + CUT


def _seen(letter: str) -> str:
    """The letter; a space for what is a break or a control, nothing for what has no shape of its own."""
    kind = unicodedata.category(letter)
    if kind in ("Cc", "Zl", "Zp", "Zs"):
        return " "
    return "" if kind[0] == "C" else letter


def _without_hosts(text: str) -> str:
    decimals = [found.span() for found in _DECIMAL.finditer(text)]

    def broken(point: re.Match[str]) -> str:
        return "." if any(begin < point.start() < end for begin, end in decimals) else "(.)"

    return _POINT.sub(broken, text)


def _quoted(words: object) -> str:
    return f"“{said(words)}”"


def _money(data: dict[str, Any], field: str = "amount") -> str:
    """An amount of the notice with its currency; `?` where the record has none."""
    if not isinstance(data.get(field), int) or not data.get("currency"):
        return "?"
    return format_amount(data[field], str(data["currency"]))


def _lines(*lines: tuple[str, str | None]) -> str:
    return "\n".join(f"{name}: {value}" for name, value in lines if value)


def _codes(data: dict[str, Any]) -> str | None:
    """Codes of reasons, and a person's note."""
    codes = [said(code) for code in data.get("reasons") or [data.get("code")] if code]
    note = [_quoted(data["note"])] if data.get("note") else []
    return ", ".join([*codes, *note]) or None


def _who(notice: Notice, about: About) -> tuple[tuple[str, str | None], ...]:
    agent = f"{_quoted(about.agent)} ({notice.agent_id})" if about.agent else notice.agent_id
    return ("Agent", agent), ("Project", _quoted(about.project) if about.project else None)


def _what(notice: Notice, about: About) -> tuple[tuple[str, str | None], ...]:
    merchant = notice.data.get("merchant")
    return (
        ("Merchant, as it was named to Roony", _quoted(merchant) if merchant else None),
        ("The agent writes, unchecked", _quoted(about.reason) if about.reason else None),
        ("Purchase", notice.purchase_id),
    )


def _approval_wanted(notice: Notice, about: About) -> Text:
    link = f"{about.public_url}/approve/{notice.subject}"
    body = _lines(
        *_who(notice, about), ("Amount", _money(notice.data)), *_what(notice, about),
        ("Asked because of", _codes(notice.data)), ("Decide with an approver's own key", link),
    )  # fmt: skip
    return Text(f"Approval wanted: {_money(notice.data)}", body)


def _change_waits(notice: Notice, about: About) -> Text:
    data = notice.data
    loosens = [_loosened(one) for one in data.get("loosens") or [] if isinstance(one, dict)]
    more = len(loosens) - MAX_LOOSENED
    rest = [f"and {more} more"] if more > 0 else []
    body = _lines(
        ("Loosens", ", ".join([*loosens[:MAX_LOOSENED], *rest])),
        ("Proposed by", said(data.get("proposed_by") or "")), ("Waits until", _until(data.get("expires_at"))),
        ("Another admin or owner confirms it, signed in", f"{about.public_url}/changes"),
        ("Or with a key of their own", f"roony change confirm {notice.subject}"),
    )  # fmt: skip
    return Text("A change waits for a second person", body)


def _loosened(one: dict[str, Any]) -> str:
    before, after = map(said, values_in_words(one))
    return f"{said(one.get('what') or '')} of {said(one.get('of') or '')} from {before} to {after}"


def _until(at: Any) -> str | None:
    """A time of a record in words; None where there is none."""
    if not isinstance(at, int):
        return None
    return local_time(at).strftime("%Y-%m-%d %H:%M UTC")


def _declined(notice: Notice, about: About) -> Text:
    what = "Payment" if notice.type == "authorization.declined" else "Purchase"
    body = _lines(
        *_who(notice, about),
        ("Amount", _money(notice.data)),
        *_what(notice, about),
        ("Because of", _codes(notice.data)),
    )
    return Text(f"{what} declined: {_money(notice.data)}", body)


def _discrepancy(notice: Notice, about: About) -> Text:
    data = notice.data
    body = _lines(
        ("Expected", said(in_words(data.get("expected") or ""), MAX_SENTENCE)),
        ("Found", said(in_words(data.get("found") or ""), MAX_SENTENCE)),
        ("Note", said(data.get("note") or "", MAX_SENTENCE)), *_who(notice, about), ("Purchase", notice.purchase_id),
        ("Look", f"roony discrepancy list, {notice.subject}"),
    )  # fmt: skip
    return Text(f"Discrepancy: {said(data.get('kind') or '')}", body)


def _budget(notice: Notice, about: About) -> Text:
    data = notice.data
    share = "80 %" if notice.type == "budget.warning" else "100 %"
    name = f" {_quoted(about.scope)}" if about.scope else ""
    body = _lines(
        ("Level", f"{said(data.get('scope') or '')}{name} ({said(data.get('scope_id') or '')})"),
        ("Limit", f"{_money(data, 'limit')}, by {said(data.get('period') or '')}"),
        ("Held and spent", _money(data, "used")),
    )
    return Text(f"Budget at {share}: {said(data.get('scope') or '')}{name}", body)


def _card_failed(notice: Notice, about: About) -> Text:
    body = _lines(*_who(notice, about), ("Purchase", notice.purchase_id), ("Because of", _codes(notice.data)))
    return Text("A card could not be made", body)


def _connection_broken(notice: Notice, _about: About) -> Text:
    data = notice.data
    reasons = data.get("reasons")
    why = " ".join(map(str, reasons.values())) if isinstance(reasons, dict) else data.get("reason")
    body = _lines(
        ("Stripe account", said(data["stripe_account"]) if data.get("stripe_account") else None),
        ("Because", said(why, MAX_SENTENCE) if why else None),
        ("Look", f"roony connection show {notice.subject}"),
    )
    return Text("A Stripe account cannot be used", body)


def _alert(notice: Notice, _about: About) -> Text:
    data = notice.data
    body = _lines(
        ("What", said(data.get("message") or "", MAX_SENTENCE)),
        ("About", said(data.get("subject") or "")),
        ("When it is settled", f"roony alert close {notice.subject}"),
    )
    return Text(f"Alert: {said(data.get('kind') or '')}", body)


_TEXTS: dict[str, Callable[[Notice, About], Text]] = {
    "approval.requested": _approval_wanted,
    "change.proposed": _change_waits,
    "purchase.declined": _declined,
    "authorization.declined": _declined,
    "discrepancy.opened": _discrepancy,
    "budget.warning": _budget,
    "budget.exhausted": _budget,
    "card.failed": _card_failed,
    "connection.broken": _connection_broken,
    "alert.opened": _alert,
}
# What a person may choose to hear of; of all of it, unless they chose.
MESSAGE_TYPES = tuple(_TEXTS)


def is_for_people(notice: Notice, types: str) -> bool:
    """True if a recipient that chose these types (a JSON list, empty for all) hears of this notice.

    An alert that says what was said already is left out for who heard it.
    """
    chosen = json.loads(types) or MESSAGE_TYPES
    if notice.type not in chosen or notice.type not in _TEXTS:
        return False
    repeats = notice.type == "alert.opened" and notice.data.get("kind") in TOLD_ALREADY
    return not (repeats and "connection.broken" in chosen)


def once_key(notice: Notice) -> str | None:
    """What is told only once, however often it happens: a budget's mark, in one period and for one limit."""
    if notice.type not in ("budget.warning", "budget.exhausted"):
        return None
    data = notice.data
    return "|".join(str(part) for part in (notice.type, notice.subject, data.get("period_start"), data.get("limit")))


def text_of(notice: Notice, about: About) -> Text:
    """A notice of `MESSAGE_TYPES` in words."""
    title, body = _TEXTS[notice.type](notice, about)
    return Text(title[:MAX_TITLE], body[:MAX_TEXT])


TRIAL = Text("A test from Roony", "Nothing happened. Messages of Roony arrive here.")
