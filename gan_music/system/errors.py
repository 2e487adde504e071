"""Errors that a user can correct."""


class UserError(Exception):
    """One sentence that says what is wrong, where, and what to do.

    The commands print it alone, without a traceback, and exit with code 1.
    """
