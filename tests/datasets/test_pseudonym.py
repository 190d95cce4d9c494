import hashlib
import hmac
import stat

import pytest

from bundle.datasets.pseudonym import Pseudonyms, read_or_make_key


def test_a_key_is_made_once_for_the_owner_alone(tmp_path):
    path = tmp_path / "key.txt"
    made = read_or_make_key(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert read_or_make_key(path) == made
    assert read_or_make_key(tmp_path / "other.txt") != made
    assert path.read_text().strip() not in repr(made)


def test_names_are_the_keyed_hash_of_the_identifier_without_blanks():
    names = Pseudonyms(key=bytes(range(32)))
    expected = hmac.new(bytes(range(32)), b"patient/MRN 7", hashlib.sha256).hexdigest()[:12]
    assert names.patient("MRN 7") == names.patient(" MRN 7 ") == expected
    assert names.study("MRN 7")[:8] != expected[:8]


@pytest.mark.parametrize("content", [b"", b"secret", b"\xff" * 64, b"0" * 65 + b"00000"])
def test_another_file_is_no_key_and_stays_as_it_is(tmp_path, content):
    path = tmp_path / "key.txt"
    path.write_bytes(content)
    with pytest.raises(ValueError, match="64 hexadecimal digits"):
        read_or_make_key(path)
    assert path.read_bytes() == content


def test_a_folder_is_no_key(tmp_path):
    with pytest.raises(ValueError, match="is no file"):
        read_or_make_key(tmp_path)
