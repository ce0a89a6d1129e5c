"""An ask on its way through the till, counted and traced by what came of it."""

from __future__ import annotations

import time

from roony.core.errors import Refusal
from roony.flows.context import FlowContext
from roony.flows.purchase import Asked, AskPurchase
from roony.flows.tracing import trace_ask
from roony.log_ids import learn
from roony.store.authority import AGENT_CHANGED, AgentAuthority, Authority


async def ask(
    context: FlowContext, command: AskPurchase, deadline: float, by: Authority | AgentAuthority | None = None
) -> Asked | Refusal:
    """Decides and holds. `deadline` in seconds of `time.monotonic()`; `by`: who asks, looked at in the commit.

    AGENT_CHANGED is for the caller to ask once more with the agent as it is; it is not counted.
    """
    began = time.time_ns()
    answer = await context.till.submit(command, deadline, by=by)
    if answer is AGENT_CHANGED:
        return answer
    if isinstance(answer, Refusal):
        context.measures.asked("refused", (answer.code,))
    elif answer.replayed:
        context.measures.asked("replayed", ())
    else:
        context.measures.asked(answer.verdict, answer.codes)
        trace_ask(context, answer.purchase, answer.verdict, answer.codes, began)
    if not isinstance(answer, Refusal):
        learn(purchase_id=answer.purchase.id)
    return answer
