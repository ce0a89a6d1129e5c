"""What browsers are asked for and what they answer (W3C Web Authentication, level 3), by the library `webauthn`.

It is loaded when a passkey is first wanted. Its functions block; call them away from the event loop.
"""

from __future__ import annotations

import hmac
import json
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import structlog

from roony.core.errors import Refusal
from roony.core.passkey import Passkey, Site, user_handle
from roony.core.sign_in import CHALLENGE, LINK_SECONDS
from roony.core.user import User

log = structlog.get_logger("roony.passkey")

# base64url; the specification allows 1,023 bytes.
LONGEST_CREDENTIAL_ID = 1_364
NOT_ACCEPTED = Refusal("passkey_refused", "This passkey was not accepted. Try again, or use your password.", 401)
_TIMEOUT = LINK_SECONDS[CHALLENGE] * 1_000

Answer = Mapping[str, Any]


class NewKey(NamedTuple):
    """What a device made."""

    credential_id: str
    public_key: bytes
    sign_count: int
    transports: str


def registration_options(site: Site, challenge: bytes, user: User, others: Iterable[Passkey]) -> dict[str, Any]:
    """What a browser is asked for a new passkey with, as JSON: one that names its user itself and asks who they are."""
    from webauthn import base64url_to_bytes, generate_registration_options, options_to_json  # noqa: PLC0415
    from webauthn.helpers.structs import (  # noqa: PLC0415
        AuthenticatorSelectionCriteria,
        PublicKeyCredentialDescriptor,
        ResidentKeyRequirement,
        UserVerificationRequirement,
    )

    options = generate_registration_options(
        rp_id=site.rp_id, rp_name="Roony", user_name=user.email, user_display_name=user.name,
        user_id=user_handle(user.organization_id, user.id), challenge=challenge, timeout=_TIMEOUT,
        authenticator_selection=AuthenticatorSelectionCriteria(
            resident_key=ResidentKeyRequirement.REQUIRED, user_verification=UserVerificationRequirement.REQUIRED
        ),
        exclude_credentials=[PublicKeyCredentialDescriptor(base64url_to_bytes(row.credential_id)) for row in others],
    )  # fmt: skip
    asked: dict[str, Any] = json.loads(options_to_json(options))
    return asked


def sign_in_options(site: Site, challenge: bytes) -> dict[str, Any]:
    """What a browser is asked to sign in with, as JSON: any passkey it has for this site."""
    from webauthn import generate_authentication_options, options_to_json  # noqa: PLC0415
    from webauthn.helpers.structs import UserVerificationRequirement  # noqa: PLC0415

    options = generate_authentication_options(
        rp_id=site.rp_id, challenge=challenge, timeout=_TIMEOUT, user_verification=UserVerificationRequirement.REQUIRED
    )
    asked: dict[str, Any] = json.loads(options_to_json(options))
    return asked


def check_new(site: Site, challenge: bytes, answer: Answer) -> NewKey | Refusal:
    """The passkey that a device made for this challenge and site, its user having said who they are."""
    from webauthn import verify_registration_response  # noqa: PLC0415
    from webauthn.helpers import bytes_to_base64url, parse_registration_credential_json  # noqa: PLC0415

    try:
        parsed = parse_registration_credential_json(dict(answer))
        made = verify_registration_response(
            credential=parsed, expected_challenge=challenge, expected_rp_id=site.rp_id, expected_origin=site.origin,
            require_user_verification=True,
        )  # fmt: skip
    except Exception as error:
        return _refused(site, answer, error)._replace(status=422, field="credential")
    transports = " ".join(sorted(one.value for one in parsed.response.transports or ()))
    credential_id = bytes_to_base64url(made.credential_id)
    if len(credential_id) > LONGEST_CREDENTIAL_ID:
        # The library does not look at it. Such a one would sign nobody in, and is too long for an index.
        return NOT_ACCEPTED._replace(status=422, field="credential")
    return NewKey(credential_id, made.credential_public_key, made.sign_count, transports)


def check_use(site: Site, challenge: bytes, passkey: Passkey, answer: Answer) -> int | Refusal:
    """What the device counts up to, if this passkey signed this challenge for this site and for its own user.

    Whether it counted on is seen under the lock.
    """
    from webauthn import verify_authentication_response  # noqa: PLC0415
    from webauthn.helpers import parse_authentication_credential_json  # noqa: PLC0415

    try:
        parsed = parse_authentication_credential_json(dict(answer))
        handle = parsed.response.user_handle or b""
        if not hmac.compare_digest(handle, user_handle(passkey.organization_id, passkey.user_id)):
            log.info("passkey.refused", reason="another user's")
            return NOT_ACCEPTED
        used = verify_authentication_response(
            credential=parsed, expected_challenge=challenge, expected_rp_id=site.rp_id, expected_origin=site.origin,
            credential_public_key=passkey.public_key, credential_current_sign_count=0, require_user_verification=True,
        )  # fmt: skip
    except Exception as error:
        return _refused(site, answer, error)
    return used.new_sign_count


def _refused(site: Site, answer: Answer, error: Exception) -> Refusal:
    """Whatever the library makes of bytes that a stranger sent; most who see it have another address open."""
    log.info("passkey.refused", reason=type(error).__name__, detail=str(error)[:200])
    origin = _origin_of(answer)
    if origin is not None and origin != site.origin:
        return Refusal("wrong_site", f"Passkeys are good at {site.origin} only. Open Roony there.", 401)
    return NOT_ACCEPTED


def _origin_of(answer: Answer) -> str | None:
    from webauthn import base64url_to_bytes  # noqa: PLC0415

    try:
        origin = json.loads(base64url_to_bytes(answer["response"]["clientDataJSON"]))["origin"]
    except (LookupError, TypeError, ValueError):
        return None
    return origin if isinstance(origin, str) else None
