"""Names that cannot be led back to a patient without the key: HMAC-SHA256 (RFC 2104), shortened."""

from __future__ import annotations

import hashlib
import hmac
import os
import re
import secrets
from dataclasses import dataclass, field
from pathlib import Path

_KEY_BYTES = 32
_KEY_TEXT = re.compile(rf"[0-9a-f]{{{2 * _KEY_BYTES}}}")
# 48 bits: among a million patients two share a name with a probability of 0.2 %.
_PATIENT_DIGITS = 12
_OTHER_DIGITS = 8


@dataclass(frozen=True, kw_only=True)
class Pseudonyms:
    """Give names by a secret key; the same key gives the same names, another key others."""

    key: bytes = field(repr=False)

    def patient(self, patient_id: str) -> str:
        """Name a patient."""
        return self._name("patient", patient_id)[:_PATIENT_DIGITS]

    def study(self, study_uid: str) -> str:
        """Name an examination, unique among those of one patient."""
        return self._name("study", study_uid)[:_OTHER_DIGITS]

    def lesion(self, tracking_uid: str) -> str:
        """Name a lesion, unique among those of one patient."""
        return self._name("lesion", tracking_uid)[:_OTHER_DIGITS]

    def _name(self, kind: str, identifier: str) -> str:
        return hmac.new(self.key, f"{kind}/{identifier.strip()}".encode(), hashlib.sha256).hexdigest()


def read_or_make_key(path: Path) -> Pseudonyms:
    """Read the key from its file; make a random one, readable for the owner alone, where there is no file yet.

    Raises:
        OSError: the file cannot be read or made.
        ValueError: the file holds something else.
    """
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        if not path.is_file():
            raise ValueError(f"key {path} is no file; name the file that holds the key") from None
        with path.open("rb") as stream:
            text = stream.read(2 * _KEY_BYTES + 2).decode("ascii", errors="replace").strip()
        if not _KEY_TEXT.fullmatch(text):
            raise ValueError(
                f"key {path} does not hold {2 * _KEY_BYTES} hexadecimal digits; name a key file that an earlier run "
                "made, or one that does not exist yet"
            ) from None
        return Pseudonyms(key=bytes.fromhex(text))
    key = secrets.token_bytes(_KEY_BYTES)
    with os.fdopen(descriptor, "w", encoding="ascii") as stream:
        stream.write(key.hex() + "\n")
    return Pseudonyms(key=key)
