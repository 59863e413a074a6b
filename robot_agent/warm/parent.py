"""The parent of warm starts: loads modules once, then forks a process for each job that needs them.

It runs in the environment of a package, so the standard library is all there is; it has one thread,
and nothing of a job is ever in it. Started by `parents.py`, as
`python parent.py <descriptor of a socket> <module to load> …`.
"""

# ruff: noqa: E402 -- what Python itself loads is noted before we load more
import sys

AT_START = frozenset(sys.modules)

import atexit
import contextlib
import ctypes
import gc
import importlib.machinery
import io
import json
import os
import resource
import select
import signal
import socket
import struct
import types

assert sys.platform != "win32"  # noqa: S101 -- for mypy, which then skips this file there

PR_SET_PDEATHSIG = 1  # prctl(2)
KILLED_BEFORE_US = b"500"  # proc(5), oom_score_adj: if memory runs out, the script, not its agent
MARK = "RUNWRIGHT_RESULT"  # by what begins so, a process is known as one of a job
LENGTH = struct.Struct("!I")

# Looked up before there is a child, where what is new costs a page, and a script may change it.
_prctl = ctypes.CDLL(None).prctl if sys.platform == "linux" else lambda *_: 0
_exit = ctypes.PyDLL(None).exit  # of C
_recv_fds = socket.recv_fds  # before Python 3.9 there is none, and each start is a cold one
_listdir = os.listdir
_own_main = sys.modules["__main__"]  # kept: a script is __main__ in its own process


def serve(connection: socket.socket) -> "types.SimpleNamespace | None":
    """Fork for each request. In the child, return its request; None when the agent is gone."""
    awake, wake = os.pipe()
    for end in (awake, wake):
        os.set_blocking(end, False)
    signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    while True:
        ready, _, _ = select.select([connection.fileno(), awake], [], [])
        if awake in ready:
            os.read(awake, 4096)
            _bury(connection)
        if connection.fileno() in ready:
            request, output = _receive(connection)
            if request is None:
                return None
            mother = os.getpid()
            if (child := os.fork()) == 0:
                signal.set_wakeup_fd(-1)
                _become(request, output, mother)
                return request
            os.close(output)
            _send(connection, {"started": child})


def _bury(connection: socket.socket) -> None:
    while True:
        try:
            child, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if child == 0:
            return
        _send(connection, {"ended": child, "code": os.waitstatus_to_exitcode(status)})


def _receive(connection: socket.socket) -> "tuple[types.SimpleNamespace | None, int]":
    """A length with the output's descriptor beside it, then so many bytes of JSON."""
    head, descriptors, _, _ = _recv_fds(connection, LENGTH.size, 1)
    if not head:
        return None, -1
    [size] = LENGTH.unpack(head)
    body = b""
    while len(body) < size:
        if not (piece := connection.recv(size - len(body))):
            return None, -1
        body += piece
    return types.SimpleNamespace(**json.loads(body)), descriptors[0]


def _send(connection: socket.socket, message: "dict[str, int]") -> None:
    content = json.dumps(message).encode()
    with contextlib.suppress(BrokenPipeError):  # the agent is gone, and we with it
        connection.sendall(LENGTH.pack(len(content)) + content)


def _become(request: types.SimpleNamespace, output: int, mother: int) -> None:
    """A process as if it had been started for this job: nothing of its parent's is in its way."""
    os.setsid()
    _die_with(mother)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    for descriptor in (1, 2):
        os.dup2(output, descriptor)
    os.closerange(3, os.sysconf("SC_OPEN_MAX"))
    os.chdir(request.cwd)
    _change_environment(request.env)
    if sys.platform == "linux":
        _show_mark(os.environ[MARK])
    _reseed()


def _change_environment(wanted: "dict[str, str]") -> None:
    """Most of it is as it is to be: what is not touched need not be copied either."""
    for name in os.environ.keys() - wanted.keys():
        del os.environ[name]
    os.environ.update({n: value for n, value in wanted.items() if os.environ.get(n) != value})


def _die_with(mother: int) -> None:
    """It restrains itself, too: nobody else can be sure that it is still there."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a core holds secrets
    _prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != mother:  # she died before we could ask
        os._exit(1)
    with contextlib.suppress(OSError), open("/proc/self/oom_score_adj", "wb", 0) as file:  # noqa: PTH123
        file.write(KILLED_BEFORE_US)  # else there is no such file, or none may write it


def _show_mark(value: str) -> None:
    """In the memory where others read our environment (proc(5), environ) is still that of our
    parent, with room for this."""
    with open("/proc/self/environ", "rb") as file:  # noqa: PTH123
        before = file.read()
    with open("/proc/self/stat", "rb") as file:  # noqa: PTH123
        begins_at = int(file.read().rpartition(b")")[2].split()[47])  # env_start
    at = 0 if before.startswith(MARK.encode()) else before.index(b"\0" + MARK.encode()) + 1
    room = before.index(b"\0", at) - at
    entry = f"{MARK}={value}".encode()[:room].ljust(room, b"\0")
    ctypes.memmove(begins_at + at, entry, room)


def _reseed() -> None:
    """`random` does so itself; NumPy's global generator does not."""
    with contextlib.suppress(KeyError, AttributeError):
        sys.modules["numpy"].random.seed()


def run(argv: "list[str]") -> None:
    """As `python argv…` would run it: the script, or what calls a function of it, which is last."""
    script = argv[0]
    _forget_shadowed(os.path.dirname(argv[-1]))  # noqa: PTH120
    sys.argv = argv
    sys.path.insert(0, os.path.dirname(script))  # noqa: PTH120
    with open(script, "rb") as file:  # noqa: PTH123
        code = compile(file.read(), script, "exec", dont_inherit=True)
    main = types.ModuleType("__main__")
    loader = importlib.machinery.SourceFileLoader("__main__", script)
    main.__dict__.update(__file__=script, __cached__=None, __loader__=loader)
    sys.modules["__main__"] = main
    exec(code, main.__dict__)  # noqa: S102 -- a script is what we are for


def _forget_shadowed(folder: str) -> None:
    """Forget what was loaded, where `folder` has a module of that name: a cold start finds it."""
    there = {entry.partition(".")[0] for entry in _listdir(folder)} - AT_START
    for name in [name for name in sys.modules if name.partition(".")[0] in there]:
        spec = importlib.machinery.PathFinder.find_spec(name.partition(".")[0], [folder])
        if spec is not None and spec.origin is not None:  # a folder without __init__.py gives way
            del sys.modules[name]


def status_of(argv: "list[str]") -> int:
    """What the script ends with; what it raises, Python tells, without our own lines."""
    try:
        run(argv)
    except SystemExit as error:
        code = 0 if error.code is None else error.code
        if type(code) is int and 0 <= code < 256:
            return code
        raise
    except BaseException:
        told = sys.excepthook
        sys.excepthook = lambda kind, error, _: told(kind, error, _theirs(error))
        raise
    return 0


def _theirs(error: BaseException) -> "types.TracebackType | None":
    while (lines := error.__traceback__) and lines.tb_frame.f_code.co_filename == __file__:
        error.__traceback__ = lines.tb_next
    return error.__traceback__


def leave(status: int) -> None:
    """End as Python does, but do not take apart what this process shares with its parent: that
    copies each page of it, and takes longer than many a script. Return if there is more to do."""
    if "threading" in sys.modules:
        sys.modules["threading"]._shutdown()
    atexit._run_exitfuncs()
    if not _is_more_to_do():
        gc.collect()
        _exit(status)


def _is_more_to_do() -> bool:
    """Somebody watches; what is printed is elsewhere; a thread that nobody waits for; a file open
    besides 0 to 2 and this look; an object with a `__del__`, or too many to look at each."""
    state = (sys.gettrace(), sys.getprofile(), sys.stdout, sys.stderr)
    threads, files = len(_listdir("/proc/self/task")), len(_listdir("/proc/self/fd"))
    if state != (None, None, sys.__stdout__, sys.__stderr__) or threads > 1 or files > 4:
        return True
    sys.stdout.flush()
    sys.stderr.flush()
    things = gc.get_objects()  # the parent's are frozen
    return len(things) > 50_000 or bool(_ends(things))


def _ends(things: "list[object]") -> "set[int]":
    """The types, by id, that have a `__del__`."""
    kinds = {id(type(thing)): type(thing) for thing in things}
    return {i for i, kind in kinds.items() if any("__del__" in vars(base) for base in kind.__mro__)}


def main() -> None:
    connection = socket.socket(fileno=int(sys.argv[1]))
    before = _ends(gc.get_objects()) | {*map(id, (types.GeneratorType, io.BytesIO, io.StringIO))}
    del sys.path[0]  # our folder: nothing in it is meant by these names
    for module in sys.argv[2:]:
        importlib.import_module(module)
    # For a module with such an object of its own there is Python's whole end, in each child.
    is_simple = sys.platform == "linux" and _ends(gc.get_objects()) <= before
    compile("", "", "exec")  # the first time, it makes what it needs, which each child would again
    gc.collect()
    gc.freeze()  # else the children's garbage collector would copy what they share
    _send(connection, {"ready": os.getpid()})
    if (request := serve(connection)) is not None:
        connection.detach()
        status = status_of(request.argv)
        if is_simple:
            with contextlib.suppress(BaseException):  # whatever the script did, Python can end it
                leave(status)
        else:
            gc.unfreeze()  # what is frozen is never collected
        sys.exit(status)


if __name__ == "__main__":
    main()
