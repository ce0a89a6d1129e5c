"""The OAuth addresses of Connect and of Stripe Apps: pages where a person decides, exchanges (facts 6.2, 6.3)."""

from __future__ import annotations

import asyncio
import ipaddress
import json
from collections.abc import Awaitable, Callable
from html import escape
from urllib.parse import parse_qsl, urlencode, urlsplit

from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from roony.simulator import installing
from roony.simulator.connecting import (
    APP,
    CONNECT,
    SCOPES,
    OAuthRefusal,
    deauthorize,
    exchange_code,
    exchange_refresh,
    give_code,
)
from roony.simulator.exchanges import noted
from roony.simulator.identifiers import new_id
from roony.simulator.pages import page
from roony.simulator.prefilling import LONGEST_NAME, fill_in, prefilled
from roony.simulator.refusals import Refusal
from roony.simulator.stripe_api.door import Door, drop_connection, read_body
from roony.simulator.stripe_api.keys import given_key
from roony.simulator.world import CLIENT_ID, World

_FAILED = OAuthRefusal("server_error", "An unknown error occurred (simulated fault).", 500)
_NAME = "Simulated business"
_KEPT = ("client_id", "redirect_uri", "response_type", "scope", "state")


def routes(door: Door) -> list[Route]:
    """Return the routes of the connect host, and those of Stripe Apps."""
    pages = OAuthPages(door)
    return [
        Route("/oauth/authorize", pages.authorize, methods=["GET", "POST"]),
        Route("/express/oauth/authorize", pages.authorize, methods=["GET", "POST"]),
        Route("/oauth/v2/authorize", pages.install, methods=["GET", "POST"]),
        Route("/oauth/token", pages.guarded(pages.token), methods=["POST"]),
        Route("/v1/oauth/token", pages.guarded(pages.app_token), methods=["POST"]),
        Route("/oauth/deauthorize", pages.guarded(pages.deauthorize), methods=["POST"]),
    ]


class OAuthPages:
    """Answers both flows; errors have OAuth's own body."""

    def __init__(self, door: Door) -> None:
        self.door = door
        self.world: World = door.world

    async def authorize(self, request: Request) -> Response:
        """Connect: show the page, or act on the button that was pressed there."""
        return await self._asked(request, CONNECT)

    async def install(self, request: Request) -> Response:
        """Stripe Apps: the same, for installing the app; it knows no scope."""
        return await self._asked(request, APP)

    async def _asked(self, request: Request, flow: str) -> Response:
        try:
            form = await _form(request)
            asked = {key: value for key, value in form.items() if key in _KEPT}
            self._check(asked, flow)
            if flow == CONNECT:
                asked |= {f"stripe_user[{name}]": value for name, value in prefilled(form).items()}
            if request.method == "POST":
                return self._decided(form, asked, flow)
            return HTMLResponse(_page(self.world, asked, flow))
        except OAuthRefusal as refusal:
            return _json(refusal.body, refusal.status)
        except Refusal as refusal:
            return _json(refusal.body, refusal.status)
        finally:
            self.world.save()
            self.door.delivery.look()

    def _check(self, asked: dict[str, str], flow: str) -> None:
        """Refuse a wrong request without a redirect, as Stripe does."""
        if asked.get("client_id") != CLIENT_ID:
            raise OAuthRefusal("invalid_client", f"No application matches the supplied client identifier: {CLIENT_ID}?")
        if asked.get("response_type", "code") != "code":
            raise OAuthRefusal("unsupported_response_type", "Only `code` is supported.")
        if flow == APP and "scope" in asked:
            raise OAuthRefusal("invalid_scope", "An app's permissions are in its manifest: there is no scope.")
        if asked.get("scope", "read_only") not in SCOPES:
            raise OAuthRefusal("invalid_scope", f"Unknown scope: {asked['scope'][:60]}")
        registered = self.world.redirect_uris()
        if "redirect_uri" not in asked:
            if not registered:
                raise OAuthRefusal("invalid_request", "No redirect_uri was given and none is registered.")
            asked["redirect_uri"] = registered[0]
        if asked["redirect_uri"] not in registered and not _is_loopback(asked["redirect_uri"]):
            raise OAuthRefusal(
                "invalid_request",
                "Invalid redirect URI: it must be http on the loopback interface, or registered at "
                "/_simulator/redirect_uris.",
            )

    def _decided(self, form: dict[str, str], asked: dict[str, str], flow: str) -> Response:
        answer: dict[str, str] = {"state": asked["state"]} if "state" in asked else {}
        if form.get("action") == "refuse":
            answer |= {"error": "access_denied", "error_description": "The user denied your request"}
        elif form.get("action") == "approve":
            scope = installing.SCOPE if flow == APP else asked.get("scope", "read_only")
            answer["code"] = give_code(self.world, self._account(form), scope, flow)
            if flow == CONNECT:
                answer["scope"] = scope
        else:
            raise OAuthRefusal("invalid_request", "`action` must be approve or refuse.")
        target = asked["redirect_uri"]
        joint = "&" if urlsplit(target).query else "?"
        return RedirectResponse(f"{target}{joint}{urlencode(answer)}", 303)

    def _account(self, form: dict[str, str]) -> str:
        chosen = form.get("account", "new")
        if chosen == "new":
            known = prefilled(form)
            name = form.get("business_name", "").strip()[:LONGEST_NAME] or known.get("business_name", _NAME)
            account = self.world.add_account(name, known.get("country", "US"), "standard", connected=False)
            fill_in(account, known)
            return str(account["id"])
        record = self.world.accounts.get(chosen)
        if record is None or record["deleted"] or chosen == self.world.platform:
            raise OAuthRefusal("invalid_request", f"There is no simulated business {chosen[:60]}.")
        return chosen

    def guarded(
        self, handler: Callable[[dict[str, str]], dict[str, object]]
    ) -> Callable[[Request], Awaitable[Response]]:
        """Wrap an exchange: faults, the platform's key, OAuth's error body, saving."""

        async def endpoint(request: Request) -> Response:
            fault = self.door.faults.pick(request.method, request.url.path)
            try:
                form = await _form(request)
                if fault is not None:
                    await asyncio.sleep(fault.seconds)
                    if fault.comes_first or fault.comes_instead:
                        raise fault.refusal()
                self._check_key(request, form)
                answer = _json(handler(form), 200)
            except (OAuthRefusal, Refusal) as refusal:
                answer = _json(refusal.body, refusal.status)
            finally:
                self.world.save()
                self.door.delivery.look()
            if fault is not None and fault.kind == "error_after":
                answer = _json(_FAILED.body, _FAILED.status)
            if fault is not None and fault.drops:
                drop_connection(request)
            return answer

        return endpoint

    def _check_key(self, request: Request, form: dict[str, str]) -> None:
        text = given_key(request) or form.get("client_secret")
        record = self.world.keys.get(text) if text else None
        if record is not None and record["kind"] != "secret" and request.url.path.startswith("/v1/"):
            raise Refusal(403, "Tokens are exchanged with the secret key of the app's developer, and no other.")
        if record is None or record["kind"] != "secret" or record["account"] != self.world.platform:
            raise OAuthRefusal("invalid_client", "The platform's secret key is missing or wrong.", 401)

    def token(self, form: dict[str, str]) -> dict[str, object]:
        """Exchange a code or a refresh token."""
        grant = form.get("grant_type")
        if grant == "authorization_code":
            if not form.get("code"):
                raise OAuthRefusal("invalid_request", "No authorization code provided.")
            return noted(self.world, grant, form["code"], lambda: exchange_code(self.world, form["code"]))
        if grant == "refresh_token":
            if not form.get("refresh_token"):
                raise OAuthRefusal("invalid_request", "No refresh token provided.")
            if form.get("scope") not in (None, *SCOPES):
                raise OAuthRefusal("invalid_scope", "Unknown scope.")
            token, scope = form["refresh_token"], form.get("scope")
            return noted(self.world, grant, token, lambda: exchange_refresh(self.world, token, scope))
        raise OAuthRefusal("unsupported_grant_type", f"Unsupported grant type: {str(grant)[:60]}")

    def app_token(self, form: dict[str, str]) -> dict[str, object]:
        """Exchange a code or a refresh token of Stripe Apps."""
        grant = form.get("grant_type")
        if grant == "authorization_code":
            if not form.get("code"):
                raise OAuthRefusal("invalid_request", "No authorization code provided.")
            return noted(self.world, grant, form["code"], lambda: installing.install(self.world, form["code"]))
        if grant == "refresh_token":
            if not form.get("refresh_token"):
                raise OAuthRefusal("invalid_request", "No refresh token provided.")
            token = form["refresh_token"]
            return noted(self.world, grant, token, lambda: installing.refresh(self.world, token))
        raise OAuthRefusal("unsupported_grant_type", f"Unsupported grant type: {str(grant)[:60]}")

    def deauthorize(self, form: dict[str, str]) -> dict[str, object]:
        """End a connection."""
        if form.get("client_id") != CLIENT_ID:
            raise OAuthRefusal("invalid_client", "No such application.", 401)
        return deauthorize(self.world, form.get("stripe_user_id", ""))


async def _form(request: Request) -> dict[str, str]:
    raw = await read_body(request)
    try:
        return dict(parse_qsl(request.url.query, max_num_fields=200) + parse_qsl(raw.decode(), max_num_fields=200))
    except ValueError:
        raise OAuthRefusal("invalid_request", "The parameters are not valid form data.") from None


def _is_loopback(address: str) -> bool:
    """Whether an address leads to this machine, in plain http and without a fragment."""
    try:
        parts = urlsplit(address)
        name = parts.hostname
        if parts.scheme != "http" or not name or parts.fragment or parts.port == 0:
            return False
        return name == "localhost" or name.endswith(".localhost") or ipaddress.ip_address(name).is_loopback
    except ValueError:  # no address, no port number, or a bracket that is not closed
        return False


def _page(world: World, asked: dict[str, str], flow: str) -> str:
    hidden = "".join(
        f'<input type="hidden" name="{escape(key)}" value="{escape(value)}">' for key, value in asked.items()
    )
    businesses = "".join(
        f'<label><input type="radio" name="account" value="{record["id"]}"> '
        f"{escape(str(record['body']['business_profile']['name']))} <code>{record['id']}</code></label>"
        for record in world.accounts
        if record["id"] != world.platform and not record["deleted"]
    )
    title, path, verb = "Connect a simulated business", "/oauth/authorize", "Connect"
    scope, name = escape(asked.get("scope", "read_only")), escape(asked.get("stripe_user[business_name]", _NAME))
    wish = f"An application wants to connect to a Stripe account with the scope <code>{scope}</code>."
    if flow == APP:
        title, path, verb = "Install a Stripe App", "/oauth/v2/authorize", "Install"
        wish = "An app wants to be installed on a Stripe account, with the permissions of its manifest."
    return page(
        title,
        f"""<p>{wish}</p>
<form method="post" action="{path}">{hidden}
<fieldset><legend>Which business?</legend>
<label><input type="radio" name="account" value="new" checked> A new one, with 100,000.00 to issue from</label>
{businesses}</fieldset>
<p><label for="business_name">Name of the new business</label>
<input id="business_name" name="business_name" value="{name}" maxlength="{LONGEST_NAME}"></p>
<p><button name="action" value="approve">{verb}</button> <button name="action" value="refuse">Refuse</button></p>
</form>""",
    )


def _json(body: object, status: int) -> Response:
    headers = {"Request-Id": new_id("req", 14)}
    return Response(json.dumps(body), status, headers, media_type="application/json")
