"""Python's garbage collector in a process that stays up."""

import gc


def exempt_from_collection() -> None:
    """Exempt every object made so far from garbage collection: modules, models and rules stay as long as the process.

    Without it each full collection looks at all of them, some 140,000, and blocks the process. Further objects
    are looked at less often than Python's default of each 700: most are events and states, which have no cycles and are
    freed without it (docs/adr/0052).
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 20, 50)
