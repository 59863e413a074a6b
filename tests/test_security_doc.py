"""The table in docs/security.md is what is measured."""

import base64
import codecs
import gzip
import json
from pathlib import Path
from urllib.parse import quote

from robot_agent.masking import Mask

DOCUMENT = Path(__file__).parent.parent / "docs" / "security.md"
SECRET = 'Tr0ub4dor & "3"/ä'
LINES = "-----BEGIN KEY-----\nMIIEpAIBAAKCAQEA7bq\n-----END KEY-----"

SPELLINGS = {
    "as it is": (SECRET, SECRET),
    "JSON": (SECRET, json.dumps(SECRET)),
    "JSON, letters kept": (SECRET, json.dumps(SECRET, ensure_ascii=False)),
    "URL": (SECRET, quote(SECRET, safe="")),
    "base64": (SECRET, base64.b64encode(SECRET.encode()).decode()),
    "base64 inside a longer text": (
        SECRET,
        base64.b64encode(b"user:" + SECRET.encode() + b";").decode(),
    ),
    "base64 for URLs": (SECRET, base64.urlsafe_b64encode(SECRET.encode()).decode()),
    "hex": (SECRET, SECRET.encode().hex()),
    "Python's repr": (SECRET, repr(SECRET)),
    "several lines": (LINES, LINES),
    "one of several lines": (LINES, "MIIEpAIBAAKCAQEA7bq"),
    "several lines, CR LF": (LINES, LINES.replace("\n", "\r\n")),
    "backwards": (SECRET, SECRET[::-1]),
    "ROT13": (SECRET, codecs.encode(SECRET, "rot13")),
    "compressed": (SECRET, base64.b64encode(gzip.compress(SECRET.encode(), mtime=0)).decode()),
    "letter by letter": (SECRET, " ".join(SECRET)),
    "the first half": (SECRET, SECRET[: len(SECRET) // 2]),
    "shorter than 4 bytes": ("k7", "k7"),
}


def in_pieces(mask, text):
    """As a log is sent: cut at the worst place, the beginning of a value held back."""
    content, worst = text.encode(), ""
    for cut in range(len(content) + 1):
        held = mask.begun_at_end(content[:cut])
        sent = mask.cover(content[: cut - held]) + mask.cover(content[cut - held :])
        worst = max(worst, sent.decode(errors="replace"), key=lambda t: len(t.replace("*", "")))
    return worst


SINKS = {
    "log": in_pieces,
    "result": lambda mask, text: mask.json({"a": [text]})["a"][0],
    "error": lambda mask, text: mask.text(text),
    "progress": lambda mask, text: mask.text(text),
    "artifact name": lambda mask, text: mask.text(text),
}


def measured():
    lines = [f"| spelling | {' | '.join(SINKS)} |", "|---" * (len(SINKS) + 1) + "|"]
    for name, (secret, text) in SPELLINGS.items():
        mask = Mask([secret])
        sent = [sink(mask, text) for sink in SINKS.values()]
        words = ["covered" if _is_covered(text, s) else "SHOWN" for s in sent]
        lines.append(f"| {name} | {' | '.join(words)} |")
    return "\n".join(lines)


def _is_covered(text, sent):
    """But for what stands around a value in a longer base64 text."""
    return "*" in sent and len(sent.replace("*", "")) <= len(text) / 2


def test_the_table_is_what_is_measured():
    assert measured() in DOCUMENT.read_text("utf-8")
