"""Runs scripts, each in a fork of this process, which has imported their modules already: to import PyTorch takes seconds.

Argument: the path of its socket. A request is JSON of a script, its arguments, its folder and the modules that it imports, with the
three standard streams; the reply is the exit status. Ends when its standard input does.
"""

import array
import importlib
import json
import os
import select
import socket
import sys
import traceback
import types


def run(script, args, folder):
    """Runs a script as `python -c` does, and returns the exit status."""
    main = types.ModuleType("__main__")
    sys.modules["__main__"] = main
    sys.argv = ["-c", *args]
    os.chdir(folder)
    try:
        exec(compile(script, "<string>", "exec"), main.__dict__)
        return 0
    except SystemExit as exit:
        if exit.code is None or isinstance(exit.code, int):
            return exit.code or 0
        print(exit.code, file=sys.stderr)
    except BaseException:
        traceback.print_exc()
    return 1


def answer(connection):
    streams = array.array("i")
    length, messages, _, _ = connection.recvmsg(8, socket.CMSG_SPACE(3 * streams.itemsize))
    for _, _, data in messages:
        streams.frombytes(data)
    with connection.makefile("rb") as file:
        request = json.loads(file.read(int.from_bytes(length, "little")))
    for name in request.pop("modules"):
        try:
            importlib.import_module(name)
        except ImportError:
            pass  # one that the script finds itself, or its error
    if os.fork() == 0:
        for target, stream in enumerate(streams):
            os.dup2(stream, target)
        status = run(**request)
        sys.stdout.flush()
        sys.stderr.flush()
        connection.sendall(str(status).encode())
        os._exit(status)
    for stream in streams:
        os.close(stream)


with socket.socket(socket.AF_UNIX) as server:
    server.bind(sys.argv[1])
    server.listen()
    print("ready", flush=True)
    while True:
        ready, _, _ = select.select([server, 0], [], [])
        if 0 in ready:
            break
        connection, _ = server.accept()
        with connection:
            answer(connection)
        try:
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        except ChildProcessError:
            pass
