"""`ooc` in children of a process that has loaded it: to load it costs more processor time than most commands do."""

import atexit
import contextlib
import functools
import gc
import json
import os
import pkgutil
import runpy
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Final, NoReturn

import ooc

SCRIPT: Final = Path(sys.executable).parent / "ooc"

READ_THE_ENVIRONMENT: Final = ("ooc.", "tools.", "services.system.addresses")
"""How the names of the modules begin that may read the environment as they are imported: each command imports them anew."""


def run_command(
    arguments: Sequence[str], environment: Mapping[str, str], *, timeout: float
) -> subprocess.CompletedProcess[str]:
    """Run `ooc` with some arguments and this whole environment, as `subprocess.run` would.

    Raises:
        TimeoutError: it went on for longer; it is not ended.

    """
    request = json.dumps([list(arguments), dict(environment), str(Path.cwd())]).encode()
    with (
        tempfile.TemporaryFile("w+", encoding="utf-8") as output,
        tempfile.TemporaryFile("w+", encoding="utf-8") as errors,
        socket.socket(socket.AF_UNIX) as connection,
    ):
        connection.settimeout(timeout)
        connection.connect(str(_server()))
        socket.send_fds(connection, [b"."], [output.fileno(), errors.fileno()])
        connection.sendall(request)
        connection.shutdown(socket.SHUT_WR)
        code = int(_read(connection))
        for file in (output, errors):
            file.seek(0)
        return subprocess.CompletedProcess(["ooc", *arguments], code, output.read(), errors.read())


@functools.cache
def _server() -> Path:
    """Start the process that has loaded it, and return its socket. It ends with this one."""
    folder = Path(tempfile.mkdtemp())
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    path = folder / "ooc"
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.forked_ooc", str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert process.stdin is not None
    assert process.stdout is not None
    atexit.register(process.wait)
    atexit.register(process.stdin.close)
    with process.stdout as output:
        assert output.readline(), "it ended before it had loaded ooc"
    return path


def _read(connection: socket.socket) -> bytes:
    return b"".join(iter(functools.partial(connection.recv, 1 << 16), b""))


def _serve(path: str) -> NoReturn:
    """Load what its modules import; then run each command that is asked for, until nobody can ask any more."""
    for module in pkgutil.walk_packages(ooc.__path__, "ooc."):
        import_module(module.name)
    for name in [name for name in sys.modules if name.startswith(READ_THE_ENVIRONMENT)]:
        del sys.modules[name]
    gc.collect()
    gc.freeze()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen(16)
        os.write(sys.stdout.fileno(), b"ready\n")
        while sys.stdin.fileno() not in select.select([listener, sys.stdin.fileno()], [], [])[0]:
            with listener.accept()[0] as connection:
                if os.fork() == 0:
                    listener.close()
                    _answer(connection)
    sys.exit()


def _answer(connection: socket.socket) -> NoReturn:
    """Run one command in a child of this one, and send its exit code: minus a signal's number if that ended it."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    _, files, _, _ = socket.recv_fds(connection, 1, 2)
    arguments, environment, folder = json.loads(_read(connection))
    child = os.fork()
    if child == 0:
        connection.close()
        for descriptor, file in enumerate([os.open(os.devnull, os.O_RDONLY), *files]):
            os.dup2(file, descriptor)
            os.close(file)
        os.environ.clear()
        os.environ.update(environment)
        os.chdir(folder)
        sys.argv = [str(SCRIPT), *arguments]
        runpy.run_path(sys.argv[0], run_name="__main__")
        sys.exit()
    _, status = os.waitpid(child, 0)
    with contextlib.suppress(BrokenPipeError):  # who asked has given up
        connection.sendall(str(os.waitstatus_to_exitcode(status)).encode())
    os._exit(0)


if __name__ == "__main__":
    _serve(sys.argv[1])
