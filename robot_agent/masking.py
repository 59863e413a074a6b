"""Shows that what the agent sends of a job shows none of its secrets: a planted one, in each
spelling, in a log that is cut at any place."""

from sdk.masking.mask import Mask
from sdk.masking.spellings import LINES, SPELLINGS, VALUE, Spelling

BEFORE, AFTER = b"before ", b" after\n"
TOKENS = {
    "a machine key": f"rw_mky_{'7aB' * 16}z",
    "a robot token": f"rw_rbt_{'7aB' * 16}z",
    "the token of another job": f"rw_job_12_3_{'x-_' * 14}z",
}


def self_test() -> list[str]:
    """The names of the spellings, and of the kinds of tokens of ours, that get through; [] if none
    does."""
    mask = Mask([VALUE, LINES])
    planted = {name: spell() for name, spell in SPELLINGS.items()}
    planted |= {name: Spelling(token) for name, token in TOKENS.items()}
    return [name for name, spelled in planted.items() if not _is_covered(mask, spelled)]


def _is_covered(mask: Mask, spelled: Spelling) -> bool:
    """And what is around it stays as it was."""
    content = BEFORE + spelled.text.encode() + AFTER
    for cut in range(len(content) + 1):
        sent = in_pieces(mask, content, cut)
        stays = len(sent) == len(content) and sent.startswith(BEFORE) and sent.endswith(AFTER)
        shown = sent[len(BEFORE) : -len(AFTER)].decode(errors="replace")
        if not (stays and spelled.is_covered_in(shown)):
            return False
    return True


def in_pieces(mask: Mask, content: bytes, cut: int) -> bytes:
    """What the server has in the end of a log that was first looked at when it ended at `cut`."""
    first = mask.piece(content[:cut], 0, cut)
    begin = max(0, len(first) - mask.longest_bytes)
    rest = content[begin:]
    return first + mask.piece(rest, len(first) - begin, len(rest), [len(rest)])
