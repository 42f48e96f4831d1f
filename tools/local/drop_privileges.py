"""Becomes the program it is told to run, after tying itself to its supervisor.

`python -I -S drop_privileges.py SUPERVISOR_PID SIGNAL USER PROGRAM ARGUMENT…` (USER `-` means: stay who you are).

Executed as a file, so it imports nothing but the standard library and costs some 15 ms. It keeps its process id,
so the process that started it owns the program. On Linux the kernel sends SIGNAL to the program when its supervisor dies,
however it dies (prctl(2), PR_SET_PDEATHSIG). Elsewhere there is no such thing: what a killed supervisor leaves
behind is ended by the next one, from its pid files.
"""

import ctypes
import os
import pwd
import sys

PR_SET_PDEATHSIG = 1
PR_SET_KEEPCAPS = 8
PR_CAP_AMBIENT = 47
PR_CAP_AMBIENT_RAISE = 2
CAP_DAC_OVERRIDE = 1
CAPABILITY_VERSION_3 = 0x20080522

LINUX = sys.platform == "linux"
LIBC = ctypes.CDLL(None, use_errno=True)


def drop_privileges(user: str) -> None:
    """Stop being root, and be `user` instead.

    PostgreSQL refuses to run as root. On Linux the capability to pass closed directories is kept, since the data
    may lie below one (a home, a temporary folder), and nobody's directory should be opened up for that. If the
    machine does not grant it, the drop still happens, and a path that is open to all still works.
    """
    entry = pwd.getpwnam(user)
    if LINUX:
        LIBC.prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0)
    os.setgroups([])
    os.setgid(entry.pw_gid)
    os.setuid(entry.pw_uid)
    os.environ["HOME"] = "/"
    os.environ["USER"] = os.environ["LOGNAME"] = user
    if LINUX:
        bit = 1 << CAP_DAC_OVERRIDE
        header = (ctypes.c_uint32 * 2)(CAPABILITY_VERSION_3, 0)
        # effective, permitted, inheritable; then the same for capabilities 32 and up
        data = (ctypes.c_uint32 * 6)(bit, bit, bit, 0, 0, 0)
        if LIBC.capset(header, data) == 0:
            LIBC.prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_DAC_OVERRIDE, 0, 0)


def tie_to(supervisor: int, signal: int) -> None:
    """Have the kernel send us `signal` when our parent, the supervisor, ends; exit if it has ended already."""
    if LINUX:
        LIBC.prctl(PR_SET_PDEATHSIG, signal, 0, 0, 0)
    if os.getppid() != supervisor:
        sys.exit("the supervisor died before the program started")


def main() -> None:
    """Drop privileges if asked, tie to the supervisor, become the program."""
    supervisor, signal, user, program, *arguments = sys.argv[1:]
    if user != "-":
        drop_privileges(user)
    tie_to(int(supervisor), int(signal))  # after the change of user, which undoes it
    try:
        os.execvp(program, [program, *arguments])
    except OSError as error:
        sys.exit(f"cannot run {program}: {error.strerror}")


if __name__ == "__main__":
    main()
