"""What the command prints."""

from sdk.cli.terminal import Failure, show, table


def test_no_text_from_elsewhere_steers_the_terminal():
    assert Failure("no\x1b[2J\x07\x9b way\nnext").message == "no?[2J?? way\nnext"
    assert table([("a\x1b]8;;x\n", None)], ("NAME", "X")) == "NAME      X\na?]8;;x?  -"


def test_what_is_shown_to_people_is_cleaned_and_json_is_whole(capsys):
    show({"name": "a\x1b"}, "a\x1b", as_json=False)
    show({"name": "a\x1b"}, "a\x1b", as_json=True)
    assert capsys.readouterr().out == 'a?\n{\n  "name": "a\\u001b"\n}\n'
