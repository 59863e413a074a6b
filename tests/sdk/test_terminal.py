"""What the command prints."""

from sdk.cli.terminal import Failure, table


def test_no_text_from_elsewhere_steers_the_terminal():
    assert Failure("no\x1b[2J\x07\x9b way\nnext").message == "no?[2J?? way\nnext"
    assert table([("a\x1b]8;;x\n", None)], ("NAME", "X")) == "NAME      X\na?]8;;x?  -"
