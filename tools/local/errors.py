"""What stops a local system from starting, said so that the reader knows what to do next."""


class CannotStart(Exception):
    """The local system cannot start. The text names the cause and the way out; print it without a traceback."""
