"""The network between our programs and the servers: every message takes a while, and some are lost."""

import random


class Network:
    """Delays and losses, by the run's chance. `trouble` is 0 on a good day, and 1 on the worst."""

    def __init__(self, chance: random.Random) -> None:
        self._chance = chance
        self.trouble = 0.0

    def delay(self) -> float:
        """How long the next message is under way, in seconds."""
        if self._chance.random() < 0.02 * self.trouble:
            return self._chance.uniform(0.2, 3.0)
        return self._chance.random() * 0.004

    def loses(self) -> bool:
        """Whether the next message is lost, and its connection with it."""
        return self._chance.random() < 0.01 * self.trouble
