"""What happens without anybody asking: kept events are handled, promises kept, and what is timed is ended in time."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from typing import Any, Protocol

import structlog
from sqlalchemy import bindparam, select, text
from sqlalchemy.exc import OperationalError

from roony.core.errors import Refusal
from roony.flows.approval import ExpireApproval
from roony.flows.card import ExpireCard
from roony.flows.card_making import keep_make_card
from roony.flows.card_status import keep_cancel_card, keep_card_status
from roony.flows.cardholder_event import keep_see_to_cardholder
from roony.flows.checkpoint import CheckpointDuty
from roony.flows.connection import AccountDuty, AttemptDuty, keep_check_account, keep_end_cards, keep_make_cardholder
from roony.flows.context import FlowContext
from roony.flows.duty_lease import DutyLease
from roony.flows.forgetting import ForgetDuty
from roony.flows.freeze import keep_freeze_cards
from roony.flows.inbox import handle_events
from roony.flows.notification.sending import Notifier
from roony.flows.pattern_duty import PatternDuty
from roony.flows.preflight import keep_check_balance, keep_preflight
from roony.flows.probe import keep_probe
from roony.flows.promise import put_off
from roony.flows.raise_at_stripe import keep_raise_card
from roony.flows.reconciliation import ReconciliationDuty, keep_reconcile
from roony.flows.renewal import keep_card_limits
from roony.flows.retention import RetentionDuty
from roony.flows.retrieval import keep_look_at_card, keep_replay_card_events, keep_retrieve_authorization
from roony.flows.webhook_endpoint import keep_setup_webhooks
from roony.gateway.pace import Pace
from roony.log_ids import about
from roony.store import inbox, outbox, tables
from roony.store.command import Command, TillClosed
from roony.store.rows import InboxEvent, OutboxPromise
from roony.store.writer import ConnectionLost

log = structlog.get_logger("roony.worker")

# How often the worker looks when nobody wakes it, in seconds.
IDLE_SECONDS = 0.25
# After events beside which authorizations were answered, the next ones wait so many times as long as these took:
# settling may be a moment late, an answer may not.
GIVE_WAY = 3.0
# Passes of one round: what one pass does may make the next one due.
MAX_PASSES = 20
DUTY_LIMIT = 100
# How often the processes are counted, in seconds.
PACE_SECONDS = 60.0
# Promises kept at the same time; beyond the first few they wait for a thread of the gateway's pool.
MAX_KEEPING = 64

_DUE_EVENT = (
    select(tables.inbox.c.id)
    .where(
        text(tables.EVENT_TO_HANDLE),
        tables.inbox.c.due_at <= bindparam("now"),
        tables.inbox.c.lease_until <= bindparam("now"),
    )
    .limit(1)
)
_DUE_PROMISE = (
    select(tables.outbox.c.id)
    .where(
        tables.outbox.c.status == "promised",
        tables.outbox.c.due_at <= bindparam("now"),
        tables.outbox.c.lease_until <= bindparam("now"),
    )
    .limit(1)
)
_DUE_CARDS = (
    select(tables.cards.c.organization_id, tables.cards.c.id)
    .where(text(tables.CARD_TO_EXPIRE), tables.cards.c.expires_at <= bindparam("now"))
    .order_by(tables.cards.c.expires_at)
    .limit(DUTY_LIMIT)
)
_DUE_APPROVALS = (
    select(tables.approvals.c.organization_id, tables.approvals.c.id)
    .where(tables.approvals.c.status == "pending", tables.approvals.c.expires_at <= bindparam("now"))
    .order_by(tables.approvals.c.expires_at)
    .limit(DUTY_LIMIT)
)


class WorkerClock(Protocol):
    """A clock that somebody else may move, and who then waits for one round of the worker."""

    def generation(self) -> int:
        """How often it was moved."""

    def acknowledge(self, generation: int) -> None:
        """Says that a whole round was worked after that move."""


class Worker:
    """One for each process; any number of processes may work at the same time, rows are claimed."""

    def __init__(self, context: FlowContext, clock: WorkerClock | None = None, pace: Pace | None = None) -> None:
        """`clock` is told after each round which of its moves it has seen, `pace` how many processes there are."""
        self._context = context
        self._pace, self._pace_due = pace, 0.0
        self._clock = clock
        self._lease = DutyLease(context)
        self._reconciliation = ReconciliationDuty(context, self._lease)
        self._accounts = AccountDuty(context)
        self._attempts = AttemptDuty(context)
        self._forgetting = ForgetDuty(context, self._lease)
        self._checkpoints = CheckpointDuty(context)
        self._patterns = PatternDuty(context)
        self._retention = RetentionDuty(context)
        self._notifier = Notifier(context, self._lease)
        self._sending: set[asyncio.Task[None]] = set()
        self._wake = asyncio.Event()
        self._keeping: set[asyncio.Task[None]] = set()
        # How many promises and pieces of sending have ended so far.
        self._ended = 0
        # When it is time again to look at what nobody wakes the worker for, and the move of the clock that was seen.
        self._look_due, self._acknowledged = 0.0, 0
        # Before this the worker handles no more events, to give way to authorizations.
        self._events_due = 0.0
        # Whether the last pass left events where they are for that.
        self._gave_way = False
        self._keepers: dict[str, Callable[[FlowContext, OutboxPromise], Awaitable[Any]]] = {
            "make_card": keep_make_card,
            "set_card_status": keep_card_status,
            "cancel_card": keep_cancel_card,
            "raise_card": keep_raise_card,
            "set_card_limits": keep_card_limits,
            "make_cardholder": keep_make_cardholder,
            "see_to_cardholder": keep_see_to_cardholder,
            "end_cards_of_connection": keep_end_cards,
            "check_account": keep_check_account,
            "check_balance": keep_check_balance,
            "preflight": keep_preflight,
            "setup_webhooks": keep_setup_webhooks,
            "probe": keep_probe,
            "freeze_cards": keep_freeze_cards,
            "unfreeze_cards": keep_freeze_cards,
            "retrieve_authorization": keep_retrieve_authorization,
            "look_at_card": keep_look_at_card,
            "replay_card_events": keep_replay_card_events,
            "reconcile": keep_reconcile,
        }

    def wake(self) -> None:
        """There is something to do; called from the event loop."""
        self._wake.set()

    async def run(self, stop: asyncio.Event) -> None:
        """Works until `stop` is set; a pass that fails is logged and followed by the next."""
        while not stop.is_set():
            self._context.measures.heard_at = time.monotonic()
            try:
                await self._work_off(looks=self._is_look_due())
            except (OperationalError, ConnectionLost, TillClosed) as error:
                # The database is away: one line for each try, no traceback.
                log.warning("worker.database_away", error=type(error).__name__)
            except Exception as error:
                log.exception("worker.round_failed", error=type(error).__name__)
            await self._pause()
        # A receiver may take long; what it has not confirmed is sent again.
        for task in self._sending:
            task.cancel()
        if self._keeping or self._sending:
            await asyncio.wait(self._keeping | self._sending)

    async def round(self) -> int:
        """Works until nothing is due, no promise being kept, nothing on its way; returns how many things were done."""
        total = await self._work_off()
        while self._keeping or self._sending or self._gave_way:
            if self._gave_way:
                await asyncio.sleep(max(0.0, self._events_due - time.monotonic()))
            else:
                await asyncio.wait(self._keeping | self._sending, return_when=asyncio.FIRST_COMPLETED)
            total += await self._work_off()
        return total

    def _is_look_due(self) -> bool:
        """Whether this round also looks at what is timed and at who is told: as often as when nobody wakes the worker.

        An event or a promise that woke it, perhaps many times a second, has made nothing due but itself.
        """
        moved = self._clock is not None and self._clock.generation() != self._acknowledged
        return moved or time.monotonic() >= self._look_due

    async def _work_off(self, looks: bool = True) -> int:
        """Passes until nothing is due, at most `MAX_PASSES`. Promises being kept are not waited for."""
        generation = self._clock.generation() if self._clock else 0
        if looks:
            self._look_due = time.monotonic() + IDLE_SECONDS
        total, quiet = 0, False
        for _ in range(MAX_PASSES):
            ended = self._ended
            done = await self._pass(looks)
            total += done
            # What ended during a pass may have left work behind where the pass had looked already.
            quiet = not done and ended == self._ended
            if quiet:
                break
        if self._clock and looks and quiet and not self._keeping and not self._gave_way:
            self._clock.acknowledge(generation)
            self._acknowledged = generation
        return total

    async def _pass(self, looks: bool) -> int:
        """Events and timed duties, finished together; promises only begun, since Stripe may be slow."""
        await self._share_pace()
        now = self._context.clock()
        jobs = [*(await self._duties(now) if looks else ()), *await self._events(now)]
        results = await asyncio.gather(*jobs, return_exceptions=True)
        for result in results:
            if isinstance(result, BaseException):
                log.error("worker.job_failed", error=type(result).__name__, detail=str(result)[:300])
        begun = await self._begin_promises(now)
        return len(jobs) + begun + (await self._notify(now) if looks else 0)

    async def _notify(self, now: int) -> int:
        """Tells those outside what happened; a receiver may be slow, so sending is only begun.

        Nothing that goes wrong here holds up the work above.
        """
        try:
            done, sending = await self._notifier.step(now)
        except (OperationalError, ConnectionLost, TillClosed):
            raise
        except Exception as error:
            log.exception("worker.notify_failed", error=type(error).__name__)
            return 0
        for piece in sending:
            task = asyncio.create_task(piece, name="webhooks")
            self._sending.add(task)
            task.add_done_callback(self._sent)
        return done

    def _sent(self, task: asyncio.Task[None]) -> None:
        self._sending.discard(task)
        self._ended += 1
        # More may wait for the same receiver.
        self._look_due = 0.0
        self.wake()

    async def _share_pace(self) -> None:
        """Each process takes its share of what Stripe allows all of them together."""
        if self._pace is None or time.monotonic() < self._pace_due:
            return
        self._pace.share_with(await asyncio.to_thread(self._context.database.processes))
        self._pace_due = time.monotonic() + PACE_SECONDS

    async def _due(self, statement: Any, now: int) -> list[Any]:
        return list(await asyncio.to_thread(self._context.database.read, statement, {"now": now}))

    async def _events(self, now: int) -> list[Coroutine[Any, Any, Any]]:
        self._gave_way = time.monotonic() < self._events_due
        if self._gave_way or not await self._due(_DUE_EVENT, now):
            return []
        claimed = await self._context.till.write(inbox.claim(now))
        return [self._handle_events(claimed)] if claimed else []

    async def _handle_events(self, claimed: Sequence[InboxEvent]) -> None:
        began, answered = time.monotonic(), self._context.till.counters().authorizations
        await handle_events(self._context, claimed)
        if self._context.till.counters().authorizations > answered:
            now = time.monotonic()
            self._events_due = now + GIVE_WAY * (now - began)

    async def _begin_promises(self, now: int) -> int:
        if len(self._keeping) >= MAX_KEEPING or not await self._due(_DUE_PROMISE, now):
            return 0
        claimed = await self._context.till.write(outbox.claim(now))
        for promise in claimed:
            task = asyncio.create_task(self._keep(promise), name=f"promise {promise.id}")
            self._keeping.add(task)
            task.add_done_callback(self._kept)
        return len(claimed)

    def _kept(self, task: asyncio.Task[None]) -> None:
        self._keeping.discard(task)
        self._ended += 1
        self.wake()

    async def _keep(self, promise: OutboxPromise) -> None:
        """Whatever goes wrong leaves a word on the row and a later try; nothing spins unseen."""
        with about(organization_id=promise.organization_id, promise=promise.id):
            try:
                # A kind nobody here knows, as one of a newer release, is a KeyError: a word on the row, tried again.
                await self._keepers[promise.kind](self._context, promise)
            except Exception as error:
                log.exception("promise.failed", kind=promise.kind, error=type(error).__name__)
                await put_off(self._context, promise, error, effect=True)

    async def _duties(self, now: int) -> list[Coroutine[Any, Any, Any]]:
        new_id = self._context.new_id
        commands: list[Command[Any]] = [
            ExpireCard(org, id, new_id("out")) for org, id in await self._due(_DUE_CARDS, now)
        ]
        commands += [ExpireApproval(org, id, new_id("out")) for org, id in await self._due(_DUE_APPROVALS, now)]
        for duty in (
            self._reconciliation.due, self._accounts.due, self._attempts.due, self._forgetting.look,
            self._checkpoints.look, self._patterns.due, self._retention.due,
        ):  # fmt: skip
            commands += await self._timed(duty, now)
        return [self._submit(command) for command in commands]

    async def _submit(self, command: Command[Any]) -> Any:
        """A duty that remembers what it found is told when the till did not take it; others find it again."""
        taken = False
        try:
            answer = await self._context.till.submit(command)
            taken = not isinstance(answer, Refusal)
            return answer
        finally:
            if not taken:
                self._patterns.again(command)

    async def _timed(
        self, duty: Callable[[int], Awaitable[Sequence[Command[Any]]]], now: int
    ) -> Sequence[Command[Any]]:
        """What a duty of the lease's holder begins; one that fails holds up neither the others nor the work above."""
        try:
            return await duty(now) if await self._lease.held() else ()
        except Exception as error:
            said = {"error": type(error).__name__, "detail": str(error)[:300]}
            log.warning("worker.duty_failed", duty=duty.__qualname__, **said)
            return ()

    async def _pause(self) -> None:
        """Until something wakes us, events need not wait any more, or `IDLE_SECONDS` are over."""
        rest = self._events_due - time.monotonic()
        try:
            async with asyncio.timeout(min(rest, IDLE_SECONDS) if rest > 0 else IDLE_SECONDS):
                await self._wake.wait()
        except TimeoutError:
            pass
        self._wake.clear()
