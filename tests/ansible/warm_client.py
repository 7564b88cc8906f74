"""What do callers start in the place of a program that ``warm_server`` has ready? This; it needs next to no time itself.

``WARM_SOCKET`` is written in before it is put somewhere. What the server does not run, the real interpreter does.
"""

import os
import socket
import sys
from _json import encode_basestring_ascii as quoted  # importing json itself takes as long as all of the rest

WARM_SOCKET = "@SOCKET@"
INTERPRETER = "@INTERPRETER@"
"""Empty: everything goes to the server. Else only what ansible-playbook has packed; the rest is none of its business."""


def listed(texts):
    return "[" + ",".join(quoted(text) for text in texts) + "]"


def main():
    arguments = sys.argv[1:]
    if INTERPRETER and not (arguments and "/AnsiballZ_" in arguments[0]):
        os.execv(INTERPRETER, [INTERPRETER, *arguments])  # noqa: S606 — as whoever called us would have
    argv = arguments if INTERPRETER else ["ansible-playbook", *arguments]
    environ = [text for pair in os.environ.items() for text in pair]
    cwd = os.getcwd()  # noqa: PTH109 — pathlib takes longer than all of this
    asked = f'{{"argv":{listed(argv)},"environ":{listed(environ)},"cwd":{listed([cwd])}}}\n'.encode()
    with socket.socket(socket.AF_UNIX) as server:
        server.connect(WARM_SOCKET)
        sent = socket.send_fds(server, [asked], [0, 1, 2])
        server.sendall(asked[sent:])
        status = server.recv(1)
    return status[0] if status else 1


sys.exit(main())
