"""What a package may be, and what it says of itself: the server takes nothing else, and `sdk check`
says so before anything is sent. Nothing of a package is run here."""


class BadPackage(Exception):
    """It is not taken; the message names the entry, and says why."""
