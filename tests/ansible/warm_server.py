"""How do many short programs of Ansible start without importing the same modules each time? Each is a fork of one that has.

    python -m tests.ansible.warm_server SOCKET playbook|module

Ansible-playbook needs a second of processor time before it reads its playbook, and each module nearly half a second before
its first line; a suite of a hundred plays spends most of its time there. What runs is ansible-core's own code with the
arguments, variables, folder and open files of its caller. ``warm_client.py`` is what callers start.
"""

from __future__ import annotations

import array
import contextlib
import importlib
import json
import os
import runpy
import select
import signal
import socket
import sys
import traceback
from collections.abc import Callable

FIRST = {
    "playbook": (
        "ansible.cli.playbook", "ansible.executor.playbook_executor", "ansible.executor.task_executor",
        "ansible.plugins.strategy.linear", "ansible.plugins.action.normal", "ansible.plugins.connection.local",
    ),
    "module": ("ansible.module_utils.basic", "ansible.module_utils.urls", "tempfile", "zipfile", "shutil", "yaml"),
}  # fmt: skip
"""What is imported before the first caller comes."""


ORPHANED_AFTER_S = 5.0


def play(argv: list[str]) -> None:
    from ansible.cli.playbook import PlaybookCLI

    PlaybookCLI.cli_executor(argv)


def module(argv: list[str]) -> None:
    """``argv``: the file that ansible-playbook has put somewhere, and its arguments."""
    sys.argv = argv
    runpy.run_path(argv[0], run_name="__main__")


RUN: dict[str, Callable[[list[str]], None]] = {"playbook": play, "module": module}


def serve(path: str, kind: str) -> None:
    """Until it is killed, or its parent was. One child waits for each program, so that one ends with its caller."""
    parent = os.getppid()
    for name in FIRST[kind]:
        with contextlib.suppress(ImportError):  # another version of ansible-core has not all of them
            importlib.import_module(name)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen(64)
        listener.settimeout(ORPHANED_AFTER_S)
        while os.getppid() == parent:
            try:
                connection, _ = listener.accept()
            except TimeoutError:
                continue
            if os.fork() == 0:
                signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                listener.close()
                _attend(connection, kind)
            connection.close()


def _attend(connection: socket.socket, kind: str) -> None:
    """Never returns."""
    asked, files = _asked(connection)
    program = os.fork()
    if program == 0:
        connection.close()
        os.setpgid(0, 0)
        _become(asked, files)
        os._exit(_status_of(lambda: RUN[kind](asked["argv"])))
    with contextlib.suppress(OSError):  # it may have done so itself
        os.setpgid(program, program)
    for file in files:
        os.close(file)
    ended = os.pidfd_open(program)
    ready, _, _ = select.select([connection, ended], [], [])
    if ended not in ready:  # the caller was killed
        os.killpg(program, signal.SIGKILL)
    _, status = os.waitpid(program, 0)
    with contextlib.suppress(OSError):
        connection.sendall(bytes([os.waitstatus_to_exitcode(status) & 0xFF]))
    os._exit(0)


def _asked(connection: socket.socket) -> tuple[dict[str, list[str]], list[int]]:
    """``argv``, ``environ`` as names and values in turn, ``cwd``; and standard input, output, errors."""
    text, ancillary, _, _ = connection.recvmsg(1 << 20, socket.CMSG_LEN(3 * array.array("i").itemsize))
    files = array.array("i")
    files.frombytes(ancillary[0][2])
    while not text.endswith(b"\n"):
        text += connection.recv(1 << 20)
    return json.loads(text), list(files)


def _become(asked: dict[str, list[str]], files: list[int]) -> None:
    for number, file in enumerate(files):
        os.dup2(file, number)
        os.close(file)
    os.chdir(asked["cwd"][0])
    os.environ.clear()
    pairs = iter(asked["environ"])
    os.environ.update(zip(pairs, pairs, strict=True))


def _status_of(run: Callable[[], None]) -> int:
    """As the interpreter ends a program."""
    status = 0
    try:
        run()
    except SystemExit as left:
        status = left.code if isinstance(left.code, int) else int(left.code is not None)
    except BaseException:  # noqa: BLE001 — as the interpreter does
        traceback.print_exc()
        status = 1
    with contextlib.suppress(OSError, ValueError):
        sys.stdout.flush()
        sys.stderr.flush()
    return status


if __name__ == "__main__":
    serve(sys.argv[1], sys.argv[2])
