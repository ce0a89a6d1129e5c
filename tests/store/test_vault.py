"""Encryption at rest: what is sealed opens only with its key, in its row; keys rotate; bad keys are named."""

import base64

import pytest

from roony.store.vault import (
    Vault,
    VaultKeyMissing,
    VaultKeyRefused,
    VaultTampered,
    key_id_of,
    new_key,
    row_name,
)

ROW = row_name("connections", "org_x", "con_y", "access_token")
SECRET = "sk_test_granted — ünïcödé"


def text_of(key: bytes) -> str:
    """A key as the environment carries it."""
    return base64.b64encode(key).decode()


@pytest.fixture
def key() -> bytes:
    """A good key."""
    return base64.b64decode(new_key())


@pytest.fixture
def vault(key: bytes) -> Vault:
    """A vault with one key."""
    return Vault([key])


class TestSealing:
    """P6: nothing secret at rest in clear."""

    @pytest.mark.parametrize("value", [SECRET, "", "x" * 100_000])
    def test_what_was_sealed_opens(self, vault: Vault, value: str) -> None:
        assert vault.open(vault.seal(value, ROW), ROW) == value

    def test_the_format_names_version_and_key(self, vault: Vault, key: bytes) -> None:
        version, key_id, content = vault.seal(SECRET, ROW).split(".")

        assert (version, key_id) == ("v1", key_id_of(key))
        assert len(key_id) == 8
        raw = base64.urlsafe_b64decode(content + "=" * (-len(content) % 4))
        assert len(raw) == 12 + len(SECRET.encode()) + 16
        assert SECRET.encode() not in raw

    def test_sealing_twice_gives_two_texts(self, vault: Vault) -> None:
        assert vault.seal(SECRET, ROW) != vault.seal(SECRET, ROW)


class TestTampering:
    """A value opens where it was sealed, as it was sealed, or not at all."""

    @pytest.mark.parametrize(
        "other",
        [
            row_name("connections", "org_z", "con_y", "access_token"),
            row_name("connections", "org_x", "con_z", "access_token"),
            row_name("connections", "org_x", "con_y", "refresh_token"),
            row_name("secrets", "org_x", "con_y", "access_token"),
        ],
    )
    def test_another_row_does_not_open_it(self, vault: Vault, other: bytes) -> None:
        with pytest.raises(VaultTampered):
            vault.open(vault.seal(SECRET, ROW), other)

    def test_no_bit_can_be_changed(self, vault: Vault) -> None:
        head, _dot, content = vault.seal("short", ROW).rpartition(".")
        raw = base64.urlsafe_b64decode(content + "=" * (-len(content) % 4))

        for index in range(len(raw)):
            changed = bytearray(raw)
            changed[index] ^= 1
            text = base64.urlsafe_b64encode(changed).rstrip(b"=").decode()
            with pytest.raises(VaultTampered):
                vault.open(f"{head}.{text}", ROW)

    def test_another_keys_id_does_not_open_it(self) -> None:
        first, second = new_key(), new_key()
        vault = Vault.from_text(f"{first},{second}")
        _version, _key_id, content = vault.seal(SECRET, ROW).split(".")

        with pytest.raises(VaultTampered):
            vault.open(f"v1.{vault.key_ids[1]}.{content}", ROW)

    @pytest.mark.parametrize(
        "sealed",
        [
            "",
            "v1",
            "v1.",
            "v1.abcdef01",
            "v1.abcdef01.",
            "v2.abcdef01.AAAA",
            "v1.short.AAAA",
            SECRET,
            "v1..AAAA",
        ],
    )
    def test_what_no_vault_sealed_is_refused(self, vault: Vault, sealed: str) -> None:
        with pytest.raises(VaultTampered):
            vault.open(sealed, ROW)

    @pytest.mark.parametrize("content", ["AAAA", "A" * 36, "A" * 41, "!!!!", "A" * 40 + "\n", "é" * 40])
    def test_a_cut_or_odd_content_is_refused(self, vault: Vault, content: str) -> None:
        with pytest.raises(VaultTampered):
            vault.open(f"v1.{vault.primary_key_id}.{content}", ROW)

    def test_the_refusal_quotes_nothing(self, vault: Vault) -> None:
        with pytest.raises(VaultTampered) as caught:
            vault.open(SECRET, ROW)
        assert SECRET not in str(caught.value)

    @pytest.mark.parametrize("parts", [("", "org", "con", "x"), ("t", "org:con", "x", "y"), ("t", "o", "c", "")])
    def test_two_rows_never_share_a_name(self, parts: tuple[str, str, str, str]) -> None:
        with pytest.raises(ValueError, match="row name"):
            row_name(*parts)

    def test_a_value_is_always_bound(self, vault: Vault) -> None:
        with pytest.raises(ValueError, match="bound to a row"):
            vault.seal(SECRET, b"")


class TestRotation:
    """A new key goes in front; the old one stays until nothing needs it."""

    def test_the_first_seals_and_all_open(self) -> None:
        old, new = new_key(), new_key()
        before = Vault.from_text(old).seal(SECRET, ROW)
        rotated = Vault.from_text(f"{new},{old}")
        after = rotated.seal(SECRET, ROW)

        assert rotated.open(before, ROW) == rotated.open(after, ROW) == SECRET
        assert after.split(".")[1] == rotated.primary_key_id == key_id_of(base64.b64decode(new))
        assert rotated.key_ids == tuple(key_id_of(base64.b64decode(one)) for one in (new, old))
        assert rotated.needs_resealing(before)
        assert not rotated.needs_resealing(after)

    def test_a_dropped_key_is_named(self) -> None:
        old, new = Vault.from_text(new_key()), Vault.from_text(new_key())
        sealed = old.seal(SECRET, ROW)

        with pytest.raises(VaultKeyMissing, match=old.primary_key_id) as caught:
            new.open(sealed, ROW)

        assert caught.value.key_id == old.primary_key_id
        assert new.needs_resealing(sealed)

    def test_what_needs_resealing_must_be_readable(self, vault: Vault) -> None:
        with pytest.raises(VaultTampered):
            vault.needs_resealing("plain text")


class TestKeys:
    """A key that would protect nothing is refused, by position and never by quoting it."""

    def test_a_new_key_is_good_and_never_the_same(self) -> None:
        keys = {new_key() for _round in range(100)}

        assert len(keys) == 100
        assert len(Vault.from_text(",".join(sorted(keys))).key_ids) == 100

    def test_space_around_keys_is_no_matter(self) -> None:
        first, second = new_key(), new_key()
        assert len(Vault.from_text(f" {first} ,\n{second}\n").key_ids) == 2

    @pytest.mark.parametrize(
        ("bad", "reason"),
        [
            (text_of(b"\x00" * 32), "not random"),
            (text_of(b"a" * 32), "not random"),
            (text_of(bytes(range(32))), "not random"),
            (text_of(b"abcdabcdabcdabcdabcdabcdabcdabcd"), "not random"),
            (text_of(bytes(range(0, 112, 7))), "16 bytes instead of 32"),
            (text_of(bytes(range(0, 231, 7))), "33 bytes instead of 32"),
            ("c2hvcnQ=", "5 bytes instead of 32"),
            ("", "is empty"),
            ("not base64 at all!", "not valid base64"),
            ("AAAAA", "not valid base64"),
            ("пароль", "not valid base64"),
        ],
    )
    def test_a_bad_key_is_named_by_position(self, bad: str, reason: str) -> None:
        with pytest.raises(VaultKeyRefused, match=reason) as caught:
            Vault.from_text(f"{new_key()},{bad}")

        assert caught.value.position == 2
        assert "key 2 of the ring" in str(caught.value)
        if bad:
            assert bad not in str(caught.value)
        assert caught.value.__context__ is None

    @pytest.mark.parametrize("ring", ["", "   ", "\n"])
    def test_an_empty_ring(self, ring: str) -> None:
        with pytest.raises(VaultKeyRefused, match="is empty") as caught:
            Vault.from_text(ring)
        assert caught.value.position == 0

    def test_the_same_key_twice(self) -> None:
        key = new_key()
        with pytest.raises(VaultKeyRefused, match="same id"):
            Vault.from_text(f"{key},{key}")

    def test_no_keys_at_all(self) -> None:
        with pytest.raises(VaultKeyRefused):
            Vault([])

    def test_the_representation_shows_ids_only(self, vault: Vault, key: bytes) -> None:
        assert repr(vault) == f"Vault(key_ids=('{key_id_of(key)}',))"
