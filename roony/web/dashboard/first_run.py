"""The first run: whoever has the code that `roony serve` prints makes an organization, and is its owner."""

from __future__ import annotations

from functools import lru_cache

from markupsafe import Markup
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from roony.core.budget import is_time_zone, time_zones
from roony.core.errors import Refusal
from roony.core.hashing import text_hash
from roony.core.money import CARD_CURRENCIES
from roony.core.sign_in import LONGEST_PASSWORD, SHORTEST_PASSWORD, wrong_password
from roony.core.user import is_email
from roony.flows.one_time_link import NewOwner, find_open, start_organization
from roony.flows.organization import NewOrganization
from roony.flows.password import hash_password
from roony.flows.sign_in import SignedIn, new_session
from roony.web.dashboard.sign_in import (
    LONGEST_EMAIL,
    LONGEST_TICKET,
    STOPPING,
    UNAVAILABLE,
    browser_of,
    count_try,
    read_form,
    signed_in,
)
from roony.web.errors import MALFORMED_FORM, Refused
from roony.web.pages import only, render_page

PATH = "/first-run"
_OPTION = Markup("<option>{}</option>")
MAX_NAME = 100
_LONGEST = {
    "code": LONGEST_TICKET, "organization": MAX_NAME, "name": MAX_NAME, "email": LONGEST_EMAIL,
    "password": LONGEST_PASSWORD, "currency": 3, "time_zone": 64,
}  # fmt: skip


def routes() -> list[Route]:
    """The page, and where its form goes."""
    return [only(PATH, _look, "GET"), only(PATH, _sent, "POST")]


async def _look(request: Request) -> Response:
    """Looking spends nothing. Without a code the page asks for it."""
    code = request.query_params.get("code", "")[:LONGEST_TICKET]
    return _form(request, 200, None, {"code": code})


def _form(request: Request, status: int, wrong: str | None, given: dict[str, str]) -> Response:
    return render_page(
        "dashboard/first_run.html", status, title="Set up your organization", wrong=wrong,
        given={**dict.fromkeys(_LONGEST, ""), **given},
        currencies=sorted(CARD_CURRENCIES, reverse=True), zones=_zones(given.get("time_zone", "")),
        shortest=SHORTEST_PASSWORD, longest=LONGEST_PASSWORD, simulate=request.app.state.options.simulate,
    )  # fmt: skip


def _zones(chosen: str) -> Markup:
    """The time zones to choose from: some six hundred, written once, since anybody may look at this page."""
    chosen = chosen if is_time_zone(chosen) else "UTC"
    return _options().replace(_OPTION.format(chosen), Markup("<option selected>{}</option>").format(chosen))


@lru_cache(maxsize=1)
def _options() -> Markup:
    return Markup().join(_OPTION.format(name) for name in sorted(time_zones()))


async def _sent(request: Request) -> Response:
    """1 a form of ours with a good code · 2 what was typed · 3 organization, owner and session in one commit."""
    given: dict[str, str] = {}
    try:
        form = await read_form(request, _LONGEST, *_LONGEST)
        if form is None or form.keys() != _LONGEST.keys():
            return _form(request, 400, MALFORMED_FORM.message, {})
        given = {name: value.strip() for name, value in form.items() if name != "password"}
        count_try(request)
        return await _start(request, given, form["password"])
    except Refused as error:
        return _form(request, error.refusal.status, error.refusal.message, given)
    except UNAVAILABLE:
        return _form(request, 503, STOPPING.message, given)


async def _start(request: Request, given: dict[str, str], password: str) -> Response:
    context = request.app.state.context
    link = await find_open(context, given["code"], "first_run")
    if isinstance(link, Refusal):
        return _form(request, link.status, f"The code: {link.message}", given)
    wrong = _wrong_words(given) or wrong_password(password, given["email"])
    if wrong is not None:
        return _form(request, wrong.status, f"{(wrong.field or '').capitalize()}: {wrong.message}", given)
    session, owner_id = new_session(context.new_id("key"), browser_of(request)), context.new_id("usr")
    owner = NewOwner(owner_id, given["name"], given["email"], await hash_password(password), session)
    new = NewOrganization(
        id=context.new_id("org"), name=given["organization"], project_id=context.new_id("prj"), actor=owner_id,
        currency=given["currency"], time_zone=given["time_zone"],
    )  # fmt: skip
    made = await context.till.write(start_organization(text_hash(given["code"]), new, owner, context.clock()))
    if isinstance(made, Refusal):
        return _form(request, made.status, made.message, given)
    return await signed_in(request, SignedIn(made.id, owner_id, session.text), "/start")


def _wrong_words(given: dict[str, str]) -> Refusal | None:
    for name in ("organization", "name"):
        if not given[name]:
            return Refusal("invalid", "It is needed.", 422, name)
    if not is_email(given["email"]):
        return Refusal("invalid", "It must be an e-mail address.", 422, "email")
    return None
