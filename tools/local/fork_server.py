"""Forks Python programs from one process that has imported their modules already (docs/adr/0051).

`python -m tools.local.fork_server FD MODULE…` imports the modules. Then each byte that it receives on the socket FD, with two
file descriptors, asks for a child: the first descriptor is a file that says what to run, the second takes its output. The
server reads neither, so no child inherits what another was told. It answers `started PID`, in the order of the requests, and
`ended PID CODE` when a child has ended. It exits when the other end of the socket is closed. Who asks: fork_client.py.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import json
import os
import runpy
import select
import signal
import socket
import sys
import threading
from typing import Final

from tools.local import drop_privileges

PR_SET_NAME: Final = 15


def main() -> None:
    """Import the modules and fork; goes on in each child, as the program that it is told to be."""
    descriptor, *modules = sys.argv[1:]
    gc.disable()  # nothing that is made until the first fork is garbage
    for module in modules:
        importlib.import_module(module)
    if threading.active_count() > 1:
        sys.exit(f"one of {', '.join(modules)} starts a thread, which no child would have")
    gc.freeze()
    child = _fork_for(socket.socket(fileno=int(descriptor)))
    gc.enable()
    _run(*child)


def _fork_for(control: socket.socket) -> tuple[int, int, int]:
    """Fork a child for each request.

    Returns in each child, with the process id of the server and the descriptors of its request; never in the server.
    """
    server = os.getpid()
    wakeup, written_by_signals = socket.socketpair()
    written_by_signals.settimeout(0)
    before = signal.signal(signal.SIGCHLD, lambda *_: None)  # a signal that is ignored would write nothing
    signal.set_wakeup_fd(written_by_signals.fileno(), warn_on_full_buffer=False)
    while True:
        readable, _, _ = select.select([control, wakeup], [], [])
        if wakeup in readable:
            wakeup.recv(4096)
            _report_ended(control)
        if control not in readable:
            continue
        request, descriptors, _, _ = socket.recv_fds(control, 1, 2)
        if not request:
            sys.exit()
        pid = os.fork()
        if pid == 0:
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, before)
            for mine in (control, wakeup, written_by_signals):
                mine.close()
            told, output = descriptors
            return server, told, output
        control.sendall(f"started {pid}\n".encode())
        for descriptor in descriptors:
            os.close(descriptor)


def _report_ended(control: socket.socket) -> None:
    """Say which children have ended since the last look."""
    with contextlib.suppress(ChildProcessError):
        while (ended := os.waitpid(-1, os.WNOHANG))[0]:
            pid, status = ended
            control.sendall(f"ended {pid} {os.waitstatus_to_exitcode(status)}\n".encode())


def _run(server: int, told: int, output: int) -> None:
    """Become the program that a request tells of, in a child of the server."""
    os.setsid()
    for descriptor in (1, 2):
        os.dup2(output, descriptor)
    os.close(output)
    with open(told, "rb") as request:
        program = json.load(request)
    drop_privileges.tie_to(server, program["signal_of_death"])
    drop_privileges.LIBC.prctl(PR_SET_NAME, program["name"].encode(), 0, 0, 0)
    os.environ.clear()
    os.environ.update(program["env"])
    module = program["module"]
    if not hasattr(sys.modules.get(module), "__path__"):
        sys.modules.pop(module, None)  # it was imported for what it imports, and is executed now
    sys.argv[1:] = program["arguments"]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
