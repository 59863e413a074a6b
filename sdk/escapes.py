"""What a script, a package or a server chose, on its way to a terminal: it may color, and no more.

Control sequences can move the cursor over what was printed before, set the clipboard and the title,
or make a terminal answer as if somebody had typed.
"""

import codecs
import re

# C0 and C1 but for tab and line ends; marks that reverse a text; line ends of Unicode.
_STEERING = r"\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069"
_COLOR = r"\x1b\[[0-9;:]{0,60}m"  # ECMA-48, 8.3.117: select graphic rendition
_TOKEN = re.compile(f"({_COLOR})|[{_STEERING}]")
_BEGUN = re.compile(r"\x1b(?:\[[0-9;:]{0,60})?\Z")
_UNSEEN_IN_JSON = re.compile(f"[{_STEERING}]")
_RESET = "\x1b[0m"


def clean(text: str) -> str:
    """A text without anything but letters, spaces, tabs and line feeds."""
    return "".join(c if c.isprintable() or c in "\n\t" else "?" for c in text)


def clean_json(text: str) -> str:
    """The same JSON: only within its strings can such characters stand, and they can be escaped."""
    return _UNSEEN_IN_JSON.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


class LogFilter:
    """The pieces of a log for a terminal: colors and carriage returns stay, as progress bars need
    them; `?` stands for every other control character. A character or a color may be cut in two."""

    def __init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._held = ""
        self._is_colored = False

    def shown(self, piece: bytes) -> str:
        text = self._held + self._decoder.decode(piece)
        begun = _BEGUN.search(text)
        self._held = begun[0] if begun else ""
        return _TOKEN.sub(self._replaced, text.removesuffix(self._held))

    def rest(self) -> str:
        """What was held back, and the end of a color that was left on."""
        text = _TOKEN.sub("?", self._held + self._decoder.decode(b"", final=True))
        self._held, colored, self._is_colored = "", self._is_colored, False
        return text + _RESET if colored else text

    def _replaced(self, found: re.Match[str]) -> str:
        if found[1] is None:
            return "?"
        self._is_colored = found[1] not in ("\x1b[m", _RESET)
        return found[1]
