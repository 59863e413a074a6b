"""Which packages of a lock are the same files."""

from robot_agent.environments import pylock


def test_another_folder_of_the_same_archive_is_another_package():
    def of(folder):
        part = {"url": "https://x/a.zip", "hashes": {"sha256": "0"}, "subdirectory": folder}
        return pylock.identity([{"name": "a", "version": "1", "archive": part}])

    assert of("one") == of("one") != of("two")
