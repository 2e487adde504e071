"""What a user did wrong, in one sentence."""


class UserError(Exception):
    """A mistake the user can mend: the message says what was wrong, where, and what to do.

    The commands print it alone, without a traceback, and exit with code 1.
    """
