"""What is answered about the signed chain: checkpoints, the keys that sign them, and the evidence of a purchase."""

from __future__ import annotations

from typing import Annotated, Literal

from roony.web.admin_shapes import ApprovalAnswer, Hash
from roony.web.shape import Actor, Listed, OrganizationId, PurchaseId, Shape, Time, like
from roony.web.shapes import PurchaseAnswer, ReceiptAnswer, TransactionAnswer
from roony.web.stripe_shapes import AuthorizationAnswer, CardRowAnswer, DiscrepancyAnswer, DisputeAnswer

Sequence = Annotated[int, like(1_204)]
Moment = Annotated[int, like(1_795_874_531_520_000, about="Microseconds since 1970, UTC")]
PublicKey = Annotated[str, like("11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=", about="Ed25519, 32 bytes in base64")]
_SIGNATURE = "pSI8dPtkEkCzrKp7dbwyoS5U4MfFbT1kVP2P5ck3Uui31AvvvEvs1jcC5pcRTf2n05XqI9tSR3aF7NF0X2KkCg=="


class CheckpointAnswer(Shape):
    """A signed word about a chain up to `sequence`: `hash` is of that record, `root` over those from `first_sequence`.

    What is signed, and how, is in docs/audit.md.
    """

    organization_id: OrganizationId
    number: Annotated[int, like(7)]
    first_sequence: Annotated[int, like(1_131)]
    sequence: Sequence
    hash: Hash
    root: Hash
    previous: Hash
    at: Moment
    public_key: PublicKey
    signature: Annotated[str, like(_SIGNATURE, about="Ed25519, 64 bytes in base64")]


class CheckpointList(Listed[CheckpointAnswer]):
    """A page of checkpoints."""


class SignedChain(Shape):
    """How many checkpoints were made, whether more is to sign, and the newest there is."""

    made: Annotated[int, like(1)]
    more: Annotated[bool, like(False)]
    checkpoint: CheckpointAnswer | None


class SigningKeyAnswer(Shape):
    """A public key of the installation; `signs`: it is the one that checkpoints are signed with now."""

    id: Annotated[str, like("sgk_001")]
    algorithm: Literal["ed25519"]
    public_key: PublicKey
    signs: bool
    created_at: Time


class SigningKeyList(Listed[SigningKeyAnswer]):
    """All keys."""


class WrittenRecord(Shape):
    """A record as it was hashed."""

    organization_id: OrganizationId
    sequence: Sequence
    id: Annotated[str, like("aud_3c8f20d6b1e74a953c8f20d6")]
    at: Moment
    actor: Actor
    action: Annotated[str, like("purchase.asked")]
    subject: PurchaseId
    body: Annotated[str, like('{"amount":12999,"currency":"usd"}', about="Canonical JSON, as text")]
    previous_hash: Hash
    hash: Hash


class ProofShape(Shape):
    """That a record is among those of a checkpoint: the nodes beside its way to the root, the lowest first."""

    checkpoint: Annotated[int, like(7)]
    path: list[Hash]


class ProvenRecord(Shape):
    """A record of the purchase; no proof while it is not signed yet."""

    record: WrittenRecord
    proof: ProofShape | None


class WithheldRecord(Shape):
    """A record that tells of other purchases as well: only its hash, so that it is seen that it is left out."""

    sequence: Sequence
    hash: Hash
    proof: ProofShape | None


class KeptDecision(Shape):
    """A decision with all that it looked at, as the text whose hash its record holds."""

    of: Annotated[str, like("pur_4f9e2c81a7b04d35", about="The purchase, or an approval")]
    text: Annotated[str, like('{"verdict": "approved", "reasons": [], "inputs": {}}')]


class OrganizationName(Shape):
    """Whose purchase it is."""

    id: OrganizationId
    name: Annotated[str, like("Example Ltd")]


class EvidenceAnswer(Shape):
    """One purchase and the means to verify what is said of it; `complete` is false where there is more than is here."""

    format: Literal["roony.evidence"]
    version: Literal[1]
    made_at: Time
    organization: OrganizationName
    purchase: PurchaseAnswer
    decisions: list[KeptDecision]
    approvals: list[ApprovalAnswer]
    cards: list[CardRowAnswer]
    authorizations: list[AuthorizationAnswer]
    stripe_transactions: list[TransactionAnswer]
    disputes: list[DisputeAnswer]
    discrepancies: list[DiscrepancyAnswer]
    receipts: list[ReceiptAnswer]
    complete: Annotated[bool, like(True)]
    records: list[ProvenRecord]
    withheld: list[WithheldRecord]
    checkpoints: list[CheckpointAnswer]
