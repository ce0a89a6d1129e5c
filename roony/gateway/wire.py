"""The HTTP transport under the Stripe SDK: bounded, with short timeouts, taking nothing from around it.

What the SDK and `requests` do by themselves and this transport does not:
* one connection pool per thread, of any size → one pool for all threads, at most `pool_size` connections per
  host;
* 80 s timeout → 3 s to connect, 8 s of silence while reading (stripe-facts.md section 7.5);
* following redirects: Stripe's API has none, and a redirect would carry the request somewhere else;
* `~/.netrc`, which would replace our Authorization header, and cookies;
* characters that no database holds, in the answers (`core/text.py`);
* the SDK's AttributeError for an OAuth error string it does not know (section 6.2, trap 24): raised here,
  typed.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from http.cookiejar import DefaultCookiePolicy
from typing import Any

import requests
import requests.adapters
import stripe

from roony.core.text import readable
from roony.gateway.pace import Pace, account_of, operation_of

HOSTS_POOLED = 2
"""The API host and the Connect host."""


class BoundedHttpClient(stripe.RequestsClient):
    """A `requests` transport with `pool_size` connections per host; timeouts are in seconds.

    `environment_proxies` lets HTTPS_PROXY and its like apply; off for a simulator on this machine, which no
    proxy can reach. With a `pace` every request waits for its turn first.
    """

    def __init__(
        self, *, connect_timeout: float, read_timeout: float, pool_size: int, environment_proxies: bool,
        pace: Pace | None = None,
    ) -> None:  # fmt: skip
        self._pace = pace
        self._shared_session = _session(pool_size, environment_proxies)
        super().__init__(timeout=(connect_timeout, read_timeout), session=self._shared_session)

    # HTTPClient, two classes up, declares another signature than the RequestsClient that is extended here.
    def request(  # type: ignore[override]
        self, method: str, url: str, headers: Mapping[str, str] | None, post_data: Any = None
    ) -> tuple[bytes, int, Mapping[str, str]]:
        """One request; raises APIConnectionError without an answer, OAuthError for an OAuth error.

        GatewayBusy when its turn does not come: nothing was sent then.
        """
        account, operation = account_of(headers), operation_of(method, url)
        if self._pace is not None:
            self._pace.take_turn(account, operation)
        body, status, answer_headers = super().request(method, url, headers, post_data)
        if self._pace is not None and status == 429:
            reasons = {name.lower(): value for name, value in answer_headers.items()}
            # Without a reason it is a lock on one object, which no pace helps against (facts 7.3).
            if reason := reasons.get("stripe-rate-limited-reason"):
                self._pace.slow_down(account, operation, reason)
        if status >= 400:
            _raise_oauth_error(body, status, answer_headers)
        return readable(body), status, answer_headers

    def close(self) -> None:
        """Closes every idle connection; the SDK's own close reaches only the calling thread's."""
        self._shared_session.close()


def _session(pool_size: int, environment_proxies: bool) -> requests.Session:
    session = requests.Session()
    # pool_block: a thread waits for a connection instead of opening one more. Retries: see client.py.
    adapter = requests.adapters.HTTPAdapter(
        pool_connections=HOSTS_POOLED, pool_maxsize=pool_size, max_retries=0, pool_block=True
    )
    session.mount("https://", adapter)
    session.mount("http://", adapter)
    session.max_redirects = 0
    session.trust_env = environment_proxies
    session.auth = _keep_authorization
    session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
    return session


def _keep_authorization(request: requests.PreparedRequest) -> requests.PreparedRequest:
    """An auth that changes nothing; having one stops `requests` from consulting ~/.netrc."""
    return request


def _raise_oauth_error(body: bytes, status: int, headers: Mapping[str, str]) -> None:
    """Raises for `{"error": "<string>"}`; API errors, whose `error` is an object, are left to the SDK."""
    try:
        answer = json.loads(body)
    except ValueError:
        return
    if not isinstance(answer, dict) or not isinstance(answer.get("error"), str):
        return
    description = answer.get("error_description")
    raise stripe.oauth_error.OAuthError(
        answer["error"],
        description if isinstance(description, str) else answer["error"],
        http_status=status,
        json_body=answer,
        headers=dict(headers),
    )
