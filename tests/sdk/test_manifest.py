"""What a package says of itself, read from its text and never run."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sdk.archives import BadPackage
from sdk.archives.manifest import read


def manifest(**files):
    contents = {name.replace("__", "."): text for name, text in files.items()}
    encoded = {n: t if isinstance(t, bytes) else t.encode() for n, t in contents.items()}
    return read({n: len(c) for n, c in encoded.items()}, encoded.__getitem__)


def schema(parameters):
    [script] = manifest(main__py=f"def main({parameters}): pass").scripts
    return script.entrypoints[0].parameters_schema


@pytest.mark.parametrize(
    ("annotation", "expected"),
    [
        ("str", {"type": "string"}),
        ("'int'", {"type": "integer"}),
        ("float", {"type": "number"}),
        ("bool", {"type": "boolean"}),
        ("pathlib.Path", {"type": "string"}),
        ("datetime.date", {"type": "string", "format": "date"}),
        ("list[int]", {"type": "array", "items": {"type": "integer"}}),
        ("dict[str, bool]", {"type": "object", "additionalProperties": {"type": "boolean"}}),
        ("int | None", {"anyOf": [{"type": "integer"}, {"type": "null"}]}),
        ("Optional[str]", {"anyOf": [{"type": "string"}, {"type": "null"}]}),
        ("Union[int, str]", {"anyOf": [{"type": "integer"}, {"type": "string"}]}),
        ("Literal['a', 1]", {"enum": ["a", 1]}),
        ("Annotated[int, Field(gt=0)]", {"type": "integer"}),
        ("int | Mine", {}),
        ("Mine", {}),
        ("[1, 2]", {}),
    ],
)
def test_an_annotation_says_what_fits(annotation, expected):
    assert schema(f"x: {annotation}")["properties"]["x"] == expected


def test_what_has_a_default_may_be_left_out():
    told = schema("a, b: int = 1, *, c: str = f(), d: bool, **more")
    assert told["required"] == ["a", "d"]
    assert told["properties"]["b"] == {"type": "integer", "default": 1}
    assert told["properties"]["c"] == {"type": "string"}
    assert told["additionalProperties"] is True


def test_what_cannot_be_given_by_name_has_no_schema():
    assert schema("a, /, b") is None


def test_the_public_functions_of_a_script_are_its_entry_points():
    source = "async def go(): 'Go.\\n\\nFar.'\ndef _hidden(): pass\nclass C:\n  def m(self): pass\n"
    [lib, main] = manifest(main__py=source, lib__py="x = 1").scripts
    assert (lib.path, lib.entrypoints, main.entrypoint) == ("lib.py", [], None)
    assert [(entry.name, entry.description) for entry in main.entrypoints] == [("go", "Go.")]


def test_the_project_says_what_it_needs():
    told = manifest(
        main__py="", pyproject__toml='[project]\nrequires-python=">=3.11"\ndependencies=["a>1"]'
    )
    assert (told.requires_python, told.dependencies) == (">=3.11", ("a>1",))


@pytest.mark.parametrize(
    "text",
    ["[project", "[project]\ndependencies=1", "[project]\nname=[]", b"\xff", "a=" + "[" * 99999],
)
def test_a_project_that_cannot_be_read_is_refused(text):
    with pytest.raises(BadPackage):
        manifest(main__py="", pyproject__toml=text)


@pytest.mark.parametrize(
    "source",
    ["def main(:", "\0", "(" * 100_000, b"\xff\xfe", "# coding: nonsense", "x = '\\q'",
     "def main(a: int = 10**10**10): pass", "def main(a: " + "list[" * 500 + "]" * 500 + "): pass",
     "x" + "+x" * 50_000, "def main(a='" + "x" * 100_000 + "'): pass"],
)  # fmt: skip
def test_a_hostile_script_is_listed_and_does_no_harm(source):
    [script] = manifest(main__py=source).scripts
    assert script.path == "main.py"


def test_too_much_to_parse_is_listed_bare():
    told = manifest(**{f"m{i}__py": "def main(): pass" for i in range(600)}).scripts
    assert len(told) == 600
    assert sum(1 for script in told if script.entrypoint) == 500
    [script] = manifest(main__py="def main(): pass\n" + "#" * 300_000).scripts
    assert script.entrypoint is None


@given(st.text())
def test_no_text_is_too_strange(text):
    manifest(main__py=text.encode("utf-8", "surrogatepass"))
    manifest(main__py=f"def main(a: {text} = {text}): pass".encode("utf-8", "surrogatepass"))


def test_what_a_package_says_of_itself_is_bounded():
    source = "def main(" + ", ".join(f"parameter_{i}: int" for i in range(500)) + "): pass"
    told = manifest(**{f"m{i}__py": source for i in range(100)}).scripts
    assert len(told) == 100
    assert told[0].entrypoint == "main"
    assert len(msgspec.json.encode(told)) < 300_000


@pytest.mark.parametrize("key", [".".join("a" * 30_000), ".".join(['"a"'] * 100)])
def test_a_key_of_many_parts_costs_nothing_and_is_refused(key):
    for text in (f"{key}=1", f"[{key}]", f"[[project.{key}]]", f"x = {{ {key} = 1 }}"):
        with pytest.raises(BadPackage, match=r"pyproject\.toml cannot be read: a key has more"):
            manifest(main__py="", pyproject__toml=text)


def test_scripts_beyond_the_limits_are_named_and_refuse_nothing():
    head = "def f(a=(" + "1," * 2_000 + ")): pass\n"
    sources = {f"m{i}__py": head * 60 for i in range(4)}
    told = manifest(big__py="#" * 300_000, **sources)
    assert [script.is_complete for script in told.scripts] == [False, True, True, False, False]
    assert [len(script.entrypoints) for script in told.scripts] == [0, 60, 60, 0, 0]


@pytest.mark.parametrize("encoding", ["punycode", "idna"])
def test_a_script_in_an_encoding_that_is_slow_to_read_is_listed_bare(encoding):
    [script] = manifest(main__py=f"# coding: {encoding}\ndef main(): pass").scripts
    assert (script.entrypoints, script.is_complete) == ([], False)


def test_more_functions_than_are_listed_are_said():
    source = "".join(f"def f{i}(): pass\n" for i in range(101))
    [script] = manifest(main__py=source).scripts
    assert (len(script.entrypoints), script.is_complete) == (100, False)


def test_a_script_in_an_encoding_of_old_is_read():
    source = "# coding: latin-1\ndef main():\n    'Grüße.'\n".encode("latin-1")
    [script] = manifest(main__py=source).scripts
    assert script.entrypoints[0].description == "Grüße."
