"""A timed duty: agents that did something are looked at for unusual patterns, and alerts that are over are closed."""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict, deque
from collections.abc import Sequence
from typing import Any
from zoneinfo import ZoneInfo

import structlog
from sqlalchemy.exc import SQLAlchemyError

from roony.core.anomaly.telling import OVER, pattern_settings
from roony.core.duration import DAY, SECOND
from roony.flows.context import FlowContext
from roony.flows.pattern import EndPattern, Known, TellPattern, look_at_agent
from roony.store.command import Command
from roony.store.queries.patterns import Active, Watched, alerts_over, asked_from, paid_from, watched_organizations

log = structlog.get_logger("roony.patterns")

# How often it is asked which organizations did something and which alerts are over, in microseconds.
LOOK_PACE = 10 * SECOND
# How long one look takes, in seconds: an agent that was begun is finished. The rest waits for the next look.
LOOK_SECONDS = 0.05
# Purchases and payments read at once to find the agents.
PAGE = 1_000
# Agents whose usual is kept in memory, and how many merchants all of them together may have there.
MAX_KNOWN, MAX_MERCHANTS = 5_000, 200_000
# So much of the past is looked at when a process begins; what was told already is not told again.
FIRST_LOOK = DAY


class PatternDuty:
    """One for each worker; who holds the lease of the duties looks."""

    def __init__(self, context: FlowContext) -> None:
        """The first look comes at once."""
        self._context = context
        self._looked: int | None = None
        # Organizations in which something happened, and of the first of them the agents whose turn it is.
        self._waiting: deque[Watched] = deque()
        self._agents: deque[tuple[Watched, str, int]] = deque()
        # By organization, what it was at when it was last looked at, and from when on its agents are to be found.
        self._places: dict[str, tuple[int, int, int]] = {}
        self._known: OrderedDict[tuple[str, str], Known] = OrderedDict()
        self._merchants = 0

    async def due(self, now: int) -> Sequence[Command[Any]]:
        """The alerts to open and to close now. Facts are read in a thread, and no longer than `LOOK_SECONDS`."""
        if self._looked is not None and abs(now - self._looked) < LOOK_PACE and not (self._waiting or self._agents):
            return ()
        return await asyncio.to_thread(self._look, now)

    def again(self, command: Command[Any]) -> None:
        """The till did not take it: what was found is looked for once more, or nobody would ever be told."""
        if isinstance(command, TellPattern):
            self._rewind(command.organization_id, command.finding.at)

    def _look(self, now: int) -> list[Command[Any]]:
        commands: list[Command[Any]] = []
        if not (self._waiting or self._agents):
            self._looked = now
            self._waiting.extend(one for one in watched_organizations(self._context.database) if self._changed(one))
            commands += [EndPattern(*found) for found in alerts_over(self._context.database, now - OVER)]
        until = time.monotonic() + LOOK_SECONDS
        while self._agents or self._waiting:
            try:
                commands += self._step(now)
            except SQLAlchemyError as error:
                # What was found until here is told all the same; the rest is found again by the next look.
                log.warning("patterns.database_away", error=type(error).__name__)
                self._put_off()
            if time.monotonic() >= until:
                break
        return commands

    def _step(self, now: int) -> list[TellPattern]:
        """One agent, or the search for those of one organization. An agent that cannot be looked at holds up nobody."""
        if not self._agents:
            self._find_agents(self._waiting.popleft(), now)
            return []
        organization, agent_id, at = self._agents.popleft()
        try:
            return self._of_agent(organization, agent_id, at)
        except SQLAlchemyError:
            self._rewind(organization.id, at)
            raise
        except Exception as error:
            about = {"organization_id": organization.id, "agent": agent_id, "error": type(error).__name__}
            log.exception("patterns.not_looked", **about)
            return []

    def _put_off(self) -> None:
        for organization, _, at in self._agents:
            self._rewind(organization.id, at)
        self._agents.clear()
        self._waiting.clear()

    def _rewind(self, organization_id: str, at: int) -> None:
        """The next look goes through that organization again, from this moment on."""
        _, asked_at, paid_at = self._places.get(organization_id, (0, at, at))
        self._places[organization_id] = (-1, min(asked_at, at), min(paid_at, at))

    def _changed(self, organization: Watched) -> bool:
        place = self._places.get(organization.id)
        return place is None or place[0] != organization.audit_sequence

    def _find_agents(self, organization: Watched, now: int) -> None:
        """The agents that did something since the last look; of more than a page of it the rest comes next."""
        database, org = self._context.database, organization.id
        if not pattern_settings(organization.settings).on:
            self._places[org] = (organization.audit_sequence, now, now)
            return
        _, asked_at, paid_at = self._places.get(org, (0, now - FIRST_LOOK, now - FIRST_LOOK))
        asked, paid = asked_from(database, org, asked_at, PAGE), paid_from(database, org, paid_at, PAGE)
        # Looked at as of the last thing they did: a look that comes late sees what one in time would have seen.
        last = dict(sorted((*asked, *paid)))
        self._agents.extend((organization, agent_id, at) for agent_id, at in last.items())
        is_full = PAGE in (len(asked), len(paid))
        sequence = -1 if is_full else organization.audit_sequence
        self._places[org] = (sequence, _next_place(asked, asked_at), _next_place(paid, paid_at))
        if is_full:
            self._waiting.append(organization)

    def _of_agent(self, organization: Watched, agent_id: str, at: int) -> list[TellPattern]:
        key, zone = (organization.id, agent_id), ZoneInfo(organization.time_zone)
        findings, known = look_at_agent(
            self._context.database, *key, zone, pattern_settings(organization.settings), at, self._known.get(key)
        )
        self._keep(key, known)
        return [TellPattern(*key, finding, self._context.new_id("out")) for finding in findings]

    def _keep(self, key: tuple[str, str], known: Known) -> None:
        """As the newest; the oldest are forgotten, and learned again when their agents do something."""
        before = self._known.pop(key, None)
        self._known[key] = known
        self._merchants += len(known.usual.merchants) - (len(before.usual.merchants) if before is not None else 0)
        while len(self._known) > MAX_KNOWN or (self._merchants > MAX_MERCHANTS and len(self._known) > 1):
            _, oldest = self._known.popitem(last=False)
            self._merchants -= len(oldest.usual.merchants)


def _next_place(found: Sequence[Active], since: int) -> int:
    """From when on it is read next: from the last one again, as another of that instant may come."""
    if not found:
        return since
    last = found[-1].at
    return last + 1 if len(found) == PAGE and last == since else last
