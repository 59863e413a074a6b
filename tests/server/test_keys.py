"""Keys are made once, are private, and never replace those that data was written with."""

import os
import stat

import pytest

from orchestrator_server.keys import Keys, WrongKeys, load


def test_keys_are_made_once_and_readable_by_their_owner_alone(tmp_path):
    file = tmp_path / "new" / "keys.json"
    made = load(file, check=None)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert load(file, check=made.check_value()) == made
    assert os.listdir(file.parent) == ["keys.json"]


def test_lost_keys_are_not_made_anew_over_existing_data(tmp_path):
    made = load(tmp_path / "keys.json", check=None)
    (tmp_path / "keys.json").unlink()
    with pytest.raises(WrongKeys, match="missing"):
        load(tmp_path / "keys.json", check=made.check_value())
    assert not (tmp_path / "keys.json").exists()


def test_the_keys_of_another_database_are_noticed(tmp_path):
    other = load(tmp_path / "other.json", check=None)
    load(tmp_path / "keys.json", check=None)
    with pytest.raises(WrongKeys, match="another database"):
        load(tmp_path / "keys.json", check=other.check_value())


def test_keys_that_others_can_read_are_refused(tmp_path):
    load(tmp_path / "keys.json", check=None)
    (tmp_path / "keys.json").chmod(0o644)
    with pytest.raises(WrongKeys, match="chmod 600"):
        load(tmp_path / "keys.json", check=None)


@pytest.mark.parametrize("content", [b"", b"{}", b"not json"])
def test_a_damaged_file_is_refused(tmp_path, content):
    (tmp_path / "keys.json").write_bytes(content)
    (tmp_path / "keys.json").chmod(0o600)
    with pytest.raises(WrongKeys, match="damaged"):
        load(tmp_path / "keys.json", check=None)


def test_short_keys_are_refused_and_keys_never_show(tmp_path):
    import msgspec

    weak = Keys(signing_id="1", signing=b"x", pepper=b"x" * 32, sealing_id="1", sealing=b"x" * 32)
    (tmp_path / "keys.json").write_bytes(msgspec.json.encode(weak))
    (tmp_path / "keys.json").chmod(0o600)
    with pytest.raises(WrongKeys, match="shorter"):
        load(tmp_path / "keys.json", check=None)
    assert repr(weak) == "Keys(***)"
