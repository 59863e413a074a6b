"""What a name may look like, and when two names are the same. Pure."""

import re
import unicodedata

from orchestrator_server.errors import Invalid

MAX_CHARACTERS = 255
# Control and format characters (an invisible or reversed name deceives), line ends, halves
# of a character.
_REFUSED = {"Cc", "Cf", "Zl", "Zp", "Cs", "Co", "Cn"}
_NOT_A_FOLDER = re.compile(
    r"[/\\]|^\.|\.$|^(?:con|prn|aux|nul|com[0-9]|lpt[0-9])(?:\..*)?$", re.IGNORECASE
)


def clean(name: str, *, what: str, pointer: str = "#/name") -> str:
    """The name without surrounding spaces; Invalid if it is empty, long, or deceives the eye."""
    trimmed = name.strip()
    if not trimmed:
        raise Invalid(f"The name of {with_article(what)} cannot be empty.", pointer=pointer)
    if len(trimmed) > MAX_CHARACTERS:
        raise Invalid(
            f"The name of {with_article(what)} has at most {MAX_CHARACTERS} characters.",
            pointer=pointer,
        )
    if any(unicodedata.category(character) in _REFUSED for character in name):
        raise Invalid(
            f"The name of {with_article(what)} cannot contain control or invisible characters.",
            pointer=pointer,
        )
    return trimmed


def clean_plain(name: str, *, what: str, pointer: str = "#/name") -> str:
    """A name that may also become the name of a folder, on any system."""
    cleaned = clean(name, what=what, pointer=pointer)
    if _NOT_A_FOLDER.search(cleaned):
        raise Invalid(
            f"The name of {with_article(what)} cannot contain slashes, begin or end with a dot, or "
            "be a name that Windows keeps for a device.",
            pointer=pointer,
        )
    return cleaned


def with_article(noun: str) -> str:
    """The noun after "a" or "an", by its first letter; "u" is spoken as in "user"."""
    return f"an {noun}" if noun[0] in "aeio" else f"a {noun}"


def readable(text: str) -> str:
    """What a stranger typed in place of a name, bounded, without what a name cannot contain."""
    text = text[:MAX_CHARACTERS]
    if text.isascii() and text.isprintable():
        return text
    return "".join("?" if unicodedata.category(c) in _REFUSED else c for c in text)


def key(name: str) -> str:
    """How the name is compared: full-width, spaced and upper-case spellings of a name are one name
    (UAX 15, NFKC)."""
    folded = unicodedata.normalize("NFKC", name.strip()).casefold()
    return unicodedata.normalize("NFKC", folded)


def pattern(search: str | None) -> str | None:
    """A LIKE pattern, to be used with ESCAPE '\\', that finds `search` anywhere in a name key."""
    if search is None:
        return None
    literal = key(search)
    for special in ("\\", "%", "_"):
        literal = literal.replace(special, "\\" + special)
    return f"%{literal}%"
