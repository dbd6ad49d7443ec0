"""The base of every error that a user can mend. Every room may use it; it knows none."""


class UserError(ValueError):
    """A mistake, or a situation the user can change. The message says what is wrong, where, and what would be right.

    Every command prints it as it is and ends with exit code 2.
    """
