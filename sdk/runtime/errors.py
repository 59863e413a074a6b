"""What a script raises to say whose fault it was."""


class BusinessError(Exception):
    """The work itself is at fault: trying again would not help. Any other exception means that
    this attempt is at fault, and that another one may succeed."""
