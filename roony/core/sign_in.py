"""Signing in: passwords and how long a wrong one locks out, one-time links and sessions."""

from __future__ import annotations

from typing import NamedTuple

from roony.core.duration import SECOND
from roony.core.errors import Refusal

# A session ends this long after its last use, and this long after its start whatever was used. In seconds.
IDLE_SECONDS = 12 * 3600
SESSION_SECONDS = 7 * 24 * 3600
# Sessions of one user at a time; the next sign-in ends the oldest.
MAX_SESSIONS = 10
SHORTEST_PASSWORD, LONGEST_PASSWORD = 10, 200
# So many wrong passwords in a row are forgiven; then each doubles the wait. After a day without one they are forgotten.
FREE_FAILURES = 4
FIRST_WAIT, LONGEST_WAIT = 30, 3600
# What a passkey is asked to sign: kept beside the links, of which it is none.
CHALLENGE = "passkey"
FORGOTTEN_SECONDS = 24 * 3600
# A browser that nobody signed in with for so long is strange again.
BROWSER_SECONDS = 90 * 24 * 3600
# One-time links by what they are for, and how long each is good, in seconds.
LINK_SECONDS = {
    "first_run": 24 * 3600,  # makes an organization and its owner
    "invitation": 7 * 24 * 3600,  # a person chooses a password, at first or anew
    "sign_in": 24 * 3600,  # signs the owner of the demo in
    CHALLENGE: 5 * 60,
}


class Password(NamedTuple):
    """A user's password, as an argon2 hash, empty for one that was taken away.

    `email` is the user's in lower case, by which a sign-in is found.
    """

    organization_id: str
    user_id: str
    email: str
    hash: str
    changed_at: int


class Tries(NamedTuple):
    """How often somebody was wrong in a row at one gate: nobody gets through before `locked_until`.

    Strangers who name one address share a gate, whether there is such a user or not; a browser that a user signed in
    with before has one of its own. That of a passkey keeps nobody out. Times in microseconds UTC.
    """

    key: str
    failures: int
    locked_until: int
    last_at: int


class OneTimeLink(NamedTuple):
    """Something that opens once: kept as a hash of its ticket. `kind` is one of LINK_SECONDS.

    A first run belongs to no user; its organization is the one that it was made for, or the installation. What a
    passkey signs to sign somebody in belongs to no user either.
    """

    hash: str
    organization_id: str
    user_id: str
    kind: str
    created_at: int
    expires_at: int
    used_at: int | None


def is_open(link: OneTimeLink | None, kinds: tuple[str, ...], now: int) -> bool:
    """True for a link of one of these kinds that still opens something."""
    return link is not None and link.kind in kinds and link.used_at is None and link.expires_at > now


def wrong_password(text: str, email: str) -> Refusal | None:
    """Why this may not be a password; None if it may. Length is what counts, after NIST SP 800-63B."""
    if len(text) < SHORTEST_PASSWORD:
        return _weak(f"It needs at least {SHORTEST_PASSWORD} characters. A few words in a row are good.")
    if len(text) > LONGEST_PASSWORD:
        return _weak(f"It may have at most {LONGEST_PASSWORD} characters.")
    name = email.partition("@")[0].lower()
    if len(set(text)) < 5 or text.lower() == email.lower() or (len(name) > 3 and text.lower().startswith(name)):
        return _weak("It is too easy to guess.")
    return None


def _weak(message: str) -> Refusal:
    return Refusal("weak_password", message, 422, "password")


def one_more(tries: Tries, now: int) -> Tries:
    """The gate after one more try, before it is known whether it is right: locked for twice as long each time, up to an
    hour. One that comes while it is locked changes nothing."""
    if tries.locked_until > now:
        return tries
    failures = 1 if now - tries.last_at > FORGOTTEN_SECONDS * SECOND else tries.failures + 1
    over = failures - FREE_FAILURES
    wait = min(FIRST_WAIT * 2 ** min(over - 1, 10), LONGEST_WAIT) if over > 0 else 0
    return tries._replace(failures=failures, locked_until=now + wait * SECOND if wait else 0, last_at=now)


def one_less(tries: Tries, mine: Tries) -> Tries:
    """The gate without a try that was right, or that nobody looked at; `mine` is the gate as it was counted.

    It takes back itself alone, since those before may be somebody else's, and the lock where no later try made it.
    """
    failures = max(0, tries.failures - 1)
    is_locked = failures > FREE_FAILURES and tries != mine
    return tries._replace(failures=failures, locked_until=tries.locked_until if is_locked else 0)
