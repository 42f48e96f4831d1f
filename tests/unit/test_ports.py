"""The ports that tests are given."""

from __future__ import annotations

import itertools
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.ports import FIRST, free_ports
from tools.local.ports import PORTS_OF_A_SYSTEM

ASK = "from tests.ports import free_ports; print(*[free_ports(23)[0] for _ in range(20)])"


def test_two_processes_at_once_are_given_different_rows() -> None:
    """Given processes that ask at the same time, no two rows of ports overlap."""

    def ask(_: int) -> list[int]:
        answer = subprocess.run([sys.executable, "-c", ASK], capture_output=True, text=True, check=True)
        return [int(base) for base in answer.stdout.split()]

    with ThreadPoolExecutor(3) as pool:
        bases = sorted(base for answer in pool.map(ask, range(3)) for base in answer)
    assert all(later - earlier >= PORTS_OF_A_SYSTEM for earlier, later in itertools.pairwise(bases))


@pytest.mark.skipif(sys.platform != "linux", reason="other systems say elsewhere which ports connections take")
def test_no_connection_is_given_one_of_them() -> None:
    """The ports lie below every port that the machine takes for a connection of its own."""
    lowest = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text(encoding="ascii").split()[0])
    assert FIRST <= free_ports(2)[1] < lowest
