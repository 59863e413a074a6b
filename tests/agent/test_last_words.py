"""Why a script that is run as a whole has failed, as far as its output says it."""

import sys

import pytest

from sdk.contract.jobs import Reason
from sdk.contract.runner import JobReport
from sdk.masking.mask import Mask
from sdk.running import last_words, outcome
from sdk.running.process import Ended, Exit, StopOrder

EXITED = "The script exited with status 1."
FRAMES = '  File "main.py", line 7, in <module>\n    pay()\n    ^^^^^\n'
TRACEBACK = f"Traceback (most recent call last):\n{FRAMES}"
GROUP = """\
  + Exception Group Traceback (most recent call last):
  |   File "main.py", line 1, in <module>
  |     raise ExceptionGroup("two", [ValueError(1), TypeError(2)])
  | ExceptionGroup: two (2 sub-exceptions)
  +-+---------------- 1 ----------------
    | ValueError: 1
    +---------------- 2 ----------------
    | TypeError: 2
    +------------------------------------
"""


def report(exit=None):
    return outcome.report_for(exit or Exit(1, Ended.BY_ITSELF), StopOrder(), None)


def message(output, *secrets, of=None):
    if isinstance(output, str):
        output = output.encode()
    return last_words.added(of or report(), output, Mask(secrets)).error_message


@pytest.mark.parametrize(
    ("output", "words"),
    [
        ("Login to SAP failed: user locked\n", "Login to SAP failed: user locked."),
        ("1 of 2\nIs it there?\n\n", "Is it there?"),
        (f"1 of 2\n{TRACEBACK}ValueError: no such customer 4711\n",
         "ValueError: no such customer 4711."),
        (f"{TRACEBACK}KeyError: 'a'\n\nDuring handling of the above exception, another exception "
         f"occurred:\n\n{TRACEBACK}ValueError: b\n", "ValueError: b."),
        (f"{TRACEBACK}pydantic.ValidationError: 1 error\nname\n  Field required\n",
         "pydantic.ValidationError: 1 error … Field required."),
        (f"{TRACEBACK}ConnectionError: refused\ngoing on\nLogin failed\n",
         "ConnectionError: refused … Login failed."),
        (f"{TRACEBACK}KeyboardInterrupt\n", "KeyboardInterrupt."),
        (f"Login failed\nException ignored in: <f>\n{TRACEBACK}OSError: x\n", "Login failed."),
        (f"{TRACEBACK}ValueError: a\nException ignored in: <f>\n{TRACEBACK}OSError: x\n",
         "ValueError: a."),
        ('  File "main.py", line 1\n    x =\n       ^\nSyntaxError: invalid syntax\n',
         "SyntaxError: invalid syntax."),
        (GROUP, "ExceptionGroup: two (2 sub-exceptions) … +------------------------------------."),
        ("50%\r100%\r\n\x1b[31mred \x1b[1mand\x00 bold\x1b[0m\r\n", "red and  bold."),
        (b"caf\xe9\n", "caf\ufffd."),
    ],
)  # fmt: skip
def test_the_exception_or_the_last_line_comes_first(output, words):
    assert message(output) == f"{words} {EXITED}"


@pytest.mark.parametrize("output", ["", "\n \n", TRACEBACK[:35]])
def test_without_words_the_status_is_all(output):
    assert message(output).endswith(EXITED)


def test_a_long_line_is_cut():
    assert message("x" * 5000) == f"{'x' * 999}… {EXITED}"


@pytest.mark.parametrize(
    "of",
    [
        report(Exit(0, Ended.BY_ITSELF)),
        report(Exit(-9, Ended.BY_ITSELF)),
        report(Exit(1, Ended.TIMED_OUT)),
        report(Exit(1, Ended.STOPPED)),
        outcome.failed(Reason.SCRIPT_FAILED, f"ValueError: a. {EXITED}"),
        JobReport(status="failed", reason=Reason.PARAMETERS_INVALID, error_message=EXITED,
                  started="yes"),
    ],
)  # fmt: skip
def test_a_report_that_gives_a_reason_keeps_it(of):
    assert last_words.added(of, b"the last line\n", Mask()) == of


@pytest.mark.parametrize("code", [1, 2, 255])
def test_any_status_but_0_is_a_failure_with_last_words(code):
    said = message("usage: main.py [-h]\n", of=report(Exit(code, Ended.BY_ITSELF)))
    assert said == f"usage: main.py [-h]. The script exited with status {code}."


@pytest.mark.parametrize(
    ("output", "said"),
    [
        # The last line of a secret of two is too short to be a secret by itself.
        ("user: ada\npass7\n", "***************."),
        ("user: ada\npass7 is wrong\n", "*************** is wrong."),
        (f"{TRACEBACK}ValueError: user: ada\npass7\n", "ValueError: ***************."),
        ("\x1b[1muser: ada\npass7\x1b[0m\n", "***************."),
    ],
)
def test_a_secret_is_covered_before_a_line_is_taken_out_of_it(output, said):
    assert message(output, "user: ada\npass7") == f"{said} {EXITED}"


def test_nothing_is_taken_of_a_secret_that_began_before_the_tail():
    secret = "\n".join("abc" for _ in range(10_000))
    tail = (f"{'x' * last_words.TAIL_BYTES}\n{secret}")[-last_words.TAIL_BYTES :]
    assert "abc" not in message(tail, secret)
    tail = (secret + "\nlast line\n" + "y\n" * 30_000)[-last_words.TAIL_BYTES :]
    assert "abc" not in message(tail, secret)


def test_what_passes_is_kept_at_its_end():
    got = []
    passing = last_words.Passing(got.append)
    for piece in (b"a" * last_words.TAIL_BYTES, b"b"):
        passing(piece)
    assert b"".join(got)[-last_words.TAIL_BYTES :] == passing.tail()


def test_this_is_run_on_a_python_that_writes_tracebacks_so():
    """The texts above are Python's own."""
    try:
        raise ExceptionGroup("two", [ValueError(1), TypeError(2)])
    except ExceptionGroup:
        import traceback

        lines = traceback.format_exc().splitlines()
    assert [lines[0], lines[3], lines[-1]] == [
        GROUP.splitlines()[0], "  | ExceptionGroup: two (2 sub-exceptions)", GROUP.splitlines()[-1],
    ] and sys.version_info >= (3, 11)  # fmt: skip
