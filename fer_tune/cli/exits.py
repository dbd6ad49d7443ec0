"""Exit codes of every command."""

DONE = 0
PARTLY_DONE = 1  # trials failed, images were skipped, or a part of the report is missing
USER_ERROR = 2  # a mistake that a message has named
INTERRUPTED = 130
