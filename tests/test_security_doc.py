"""The table in docs/security.md is measured here; `python -m tests.test_security_doc` writes it."""

import base64
import codecs
import gzip
from pathlib import Path

from robot_agent.masking import in_pieces
from robot_agent.secrets_read import Known, cover
from sdk.contract.runner import JobReport
from sdk.masking.mask import Mask
from sdk.masking.spellings import LINES, SPELLINGS, VALUE, Spelling

DOCUMENT = Path(__file__).parent.parent / "docs" / "security.md"
MASK = Mask([VALUE, LINES, "k7!"])
PLAIN = VALUE.encode()
NOT_CAUGHT = {
    "shorter than 4 bytes": "k7!",
    "its first half": VALUE[: len(VALUE) // 2] + "; more",
    "letter by letter": " ".join(VALUE),
    "another text in its middle": f"{VALUE[:15]} and {VALUE[15:]}",
    "backwards": VALUE[::-1],
    "capitals": VALUE.upper(),
    "ROT13": codecs.encode(VALUE, "rot13"),
    "hex with blanks": PLAIN.hex(" "),
    "base32": base64.b32encode(PLAIN).decode(),
    "base64 of base64": base64.b64encode(base64.b64encode(PLAIN)).decode(),
    "base64 of UTF-16": base64.b64encode(VALUE.encode("utf-16-le")).decode(),
    "compressed": base64.b64encode(gzip.compress(PLAIN, mtime=0)).decode(),
    "encrypted": bytes(byte ^ 0x5A for byte in PLAIN).hex(),
}


def worst_log(text):
    """Cut at the place where most of it is shown."""
    content = f"x{text}\n".encode()
    sent = (in_pieces(MASK, content, cut) for cut in range(len(content) + 1))
    return max(sent, key=lambda said: len(said.replace(b"*", b""))).decode(errors="replace")[1:-1]


def in_report(**said):
    return cover(JobReport(status="completed", **said), Known(MASK))


SINKS = {
    "log": worst_log,
    "result": lambda text: in_report(result={"a": [text]}).result["a"][0],
    "error": lambda text: in_report(error_message=text).error_message,
    "progress": MASK.message,
    "artifact name": MASK.text,
}


def measured():
    lines = [f"| spelling | {' | '.join(SINKS)} |", "|---" * (len(SINKS) + 1) + "|"]
    spelled = {name: spell() for name, spell in SPELLINGS.items()}
    spelled |= {name: Spelling(text) for name, text in NOT_CAUGHT.items()}
    for name, spelling in spelled.items():
        found = [spelling.is_covered_in(sink(spelling.text)) for sink in SINKS.values()]
        words = ["covered" if is_covered else "SHOWN" for is_covered in found]
        lines.append(f"| {name} | {' | '.join(words)} |")
    return "\n".join(lines)


def test_the_table_is_what_is_measured():
    assert measured() in DOCUMENT.read_text("utf-8"), "run: python -m tests.test_security_doc"


def test_what_is_said_to_be_covered_is_and_the_rest_is_not():
    rows = {row.split(" | ")[0][2:]: row for row in measured().splitlines()[2:]}
    assert [name for name in SPELLINGS if "SHOWN" in rows[name]] == []
    assert [name for name in NOT_CAUGHT if "covered" in rows[name]] == []


if __name__ == "__main__":
    text = DOCUMENT.read_text("utf-8")
    begin, end = text.index("| spelling |"), text.index("\n\n", text.index("| spelling |"))
    DOCUMENT.write_text(text[:begin] + measured() + text[end:], "utf-8")
