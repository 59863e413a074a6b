"""What an operator says is checked at the start, wherever it was said."""

import os
import subprocess
import sys
from pathlib import Path

import click
import pytest

from robot_agent.__main__ import run
from robot_agent.config import Config, load, read_machine_key
from robot_agent.exits import AgentExit, Status

SAMPLES = {
    "url": "https://server.example",
    "name": "bert",
    "machine_key_file": "/etc/key",
    "machine_key_fd": "0",
    "robots": "3",
    "data": "/var/lib/agent",
    "allow_open_data_folder": "True",
    "run_as": "robot-1,robot-2",
    "min_free_mib": "50",
    "job_memory_mib": "512",
    "job_processes": "64",
    "job_output_mib": "100",
    "environments_mib": "2048",
    "environments_days": "7",
    "deaf_after_seconds": "60",
    "finish_minutes": "10",
    "ca_file": "/etc/ca.pem",
    "health_port": "8471",
}


def loaded(options=None, environment=None):
    return load(options or {}, environment or {}, default_name="host")


def test_every_field_has_a_sample_and_an_option():
    fields = set(Config.__struct_fields__)
    options = {option.name for option in run.params if isinstance(option, click.Option)}
    assert fields == set(SAMPLES) == options - {"config"}


@pytest.mark.parametrize("field", Config.__struct_fields__)
def test_every_field_can_be_said_in_three_places(tmp_path, field):
    file = tmp_path / "agent.toml"
    everywhere = {"url": SAMPLES["url"], field: SAMPLES[field]}
    value = SAMPLES[field] if SAMPLES[field].isdecimal() else f'"{SAMPLES[field]}"'
    file.write_text(
        f"{field} = {value}\n" + ("" if field == "url" else f'url = "{SAMPLES["url"]}"')
    )

    by_option = loaded(everywhere)
    by_variable = loaded(None, {f"RUNWRIGHT_{name.upper()}": v for name, v in everywhere.items()})
    by_file = loaded({"config": str(file)})

    assert str(getattr(by_option, field)) == SAMPLES[field]
    assert by_option == by_variable == by_file


def test_the_command_line_wins_over_the_environment_which_wins_over_the_file(tmp_path):
    file = tmp_path / "agent.toml"
    file.write_text('url = "http://file"\nname = "file"\nrobots = 5')
    environment = {"RUNWRIGHT_CONFIG": str(file), "RUNWRIGHT_URL": "http://env",
                   "RUNWRIGHT_NAME": "env"}  # fmt: skip
    config = loaded({"name": "option"}, environment)
    assert (config.name, config.url, config.robots) == ("option", "http://env", 5)


def test_several_robots_are_numbered_and_one_is_not():
    assert loaded({"url": "http://h", "name": "bert"}).robot_names == ["bert"]
    config = loaded({"url": "http://h", "name": "bert", "robots": "2"})
    assert config.robot_names == ["bert-1", "bert-2"]


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"url": "ftp://server"},
        {"url": "server:8000"},
        {"url": "http://user:secret@server"},
        {"url": "http://[half"},
        {"url": "http://server", "robots": "many"},
        {"url": "http://server", "robots": "0"},
        {"url": "http://server", "config": "/no/such/file.toml"},
    ],
)
def test_what_does_not_fit_is_said_in_a_sentence(options):
    with pytest.raises(AgentExit) as ending:
        loaded(options)
    assert ending.value.status == Status.CONFIG
    assert str(ending.value).endswith(".") and "secret" not in str(ending.value)


def test_a_misspelt_key_in_the_file_is_named(tmp_path):
    file = tmp_path / "agent.toml"
    file.write_text('ulr = "http://server"')
    with pytest.raises(AgentExit, match="ulr"):
        loaded({"config": str(file)})


def test_the_key_comes_from_a_descriptor_which_is_closed_then(tmp_path):
    (tmp_path / "key").write_text("from-descriptor\n")
    descriptor = os.open(tmp_path / "key", os.O_RDONLY)
    assert descriptor > 2
    given = loaded({"url": "http://h", "machine_key_fd": str(descriptor)})
    assert read_machine_key(given, {"RUNWRIGHT_MACHINE_KEY": "other"}) == "from-descriptor"
    with pytest.raises(OSError):
        os.fstat(descriptor)
    with pytest.raises(AgentExit, match=f"Descriptor {descriptor} .* cannot be read"):
        read_machine_key(given, {})
    both = loaded({"url": "http://h", "machine_key_fd": "3", "machine_key_file": "/x"})
    with pytest.raises(AgentExit, match="not both"):
        read_machine_key(both, {})


def test_a_standard_stream_that_had_the_key_is_empty_then(tmp_path):
    (tmp_path / "key").write_text("from-input\n")
    program = (
        "import os, sys; from pathlib import Path; from robot_agent.config import *\n"
        "c = load({'url': 'http://h', 'machine_key_fd': '0'}, {}, 'host')\n"
        "print(read_machine_key(c, {}), os.readlink('/proc/self/fd/0'))"
    )
    with (tmp_path / "key").open() as key:
        said = subprocess.run([sys.executable, "-c", program], stdin=key, capture_output=True,
                              text=True, check=True).stdout  # fmt: skip
    assert said == "from-input /dev/null\n"


def test_the_key_comes_from_a_credential_of_systemd_if_nothing_else_names_one(tmp_path):
    (tmp_path / "machine-key").write_text("from-credential\n")
    plain, directory = loaded({"url": "http://h"}), {"CREDENTIALS_DIRECTORY": str(tmp_path)}
    assert read_machine_key(plain, directory) == "from-credential"
    both = {**directory, "RUNWRIGHT_MACHINE_KEY": "from-variable"}
    assert read_machine_key(plain, both) == "from-variable"
    (tmp_path / "machine-key").unlink()
    with pytest.raises(AgentExit, match="There is no machine key"):
        read_machine_key(plain, directory)


def test_the_key_comes_from_its_file_or_its_variable(tmp_path):
    file = tmp_path / "key"
    file.write_text("from-file\n")
    in_file = loaded({"url": "http://h", "machine_key_file": str(file)})
    assert read_machine_key(in_file, {"RUNWRIGHT_MACHINE_KEY": "from-variable"}) == "from-file"
    plain = loaded({"url": "http://h"})
    assert read_machine_key(plain, {"RUNWRIGHT_MACHINE_KEY": "from-variable"}) == "from-variable"
    assert isinstance(in_file.machine_key_file, Path)
