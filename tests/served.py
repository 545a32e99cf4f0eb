"""Commands as real processes that begin at once, for whoever starts them by their path: a folder of stand-ins.

A stand-in for each installed script, and for `python -c`, sends what it was started with (words, folder, environment,
its three files) to a process that has loaded what commands need, which forks; it hands signals on and ends as the
command ends. The workers of a training are forked as well, by tests/warm.py. For what a process is by its start
(loading, a closed file, limits, a namespace) there are the real scripts, in `BIN`.
"""

import atexit
import contextlib
import gc
import importlib
import json
import multiprocessing
import os
import selectors
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import traceback
import types
from multiprocessing.connection import Connection
from pathlib import Path
from types import FunctionType
from typing import Any, NoReturn

from warm import LATER, MODULES, ROOT, TRAINING, Forks

BIN = Path(sys.executable).parent
_STAND_IN = f"""#!{sys.executable} -IS
import json, os, signal, socket, struct, sys

name = os.path.basename(sys.argv[0])
if name == "python" and sys.argv[1:2] != ["-c"]:
    os.execv({sys.executable!r}, [{sys.executable!r}, *sys.argv[1:]])
child, early = 0, []

def hand_on(number, _frame):
    if child:
        os.killpg(child, number)
    else:
        early.append(number)

for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
    signal.signal(number, hand_on)
os.umask(mask := os.umask(0))
words = [os.path.join({str(BIN)!r}, name), *sys.argv[1:]]
asked = {{"words": words, "folder": os.getcwd(), "environment": dict(os.environ), "mask": mask}}
content = json.dumps(asked).encode()
with socket.socket(socket.AF_UNIX) as server:
    server.connect(os.path.join(os.path.dirname(sys.argv[0]), "socket"))
    socket.send_fds(server, [struct.pack("=I", len(content))], [0, 1, 2])
    server.sendall(content)
    answers = server.makefile("rb")
    child = int(answers.readline())
    for number in early:
        os.killpg(child, number)
    status = int(answers.readline())
if status < 0:
    if -status != signal.SIGKILL:
        signal.signal(-status, signal.SIG_DFL)
    os.kill(os.getpid(), -status)
os._exit(status)
"""


class Stands:
    """The stand-ins of a test run, made when the first is asked for.

    shared: a folder that all who share them name; None for the real scripts, taken too where none stands in.
    """

    def __init__(self) -> None:
        self.shared: Path | None = None
        self.folder: Path | None = None
        self.server: socket.socket | None = None  # open as long as they are used

    def script(self, name: str) -> Path:
        """Return what stands in for an installed script, or for "python"."""
        if self.shared is None or not hasattr(os, "pidfd_open"):
            return BIN / name
        if self.folder is None:
            from ensemble.study.atomic import locked

            with locked(self.shared / "served.lock"):
                if not self._found():
                    self._begin()
        assert self.folder is not None
        return self.folder / name

    def seconds_used(self) -> float:
        """Return the processor time of the process that forks, and of those that ended in it."""
        if self.server is None:
            return 0.0
        self.server.sendall(b"?")
        return float(self.server.recv(100))

    def close(self) -> None:
        """Use them no more; who is last ends what was begun."""
        if self.server is not None:
            self.server.close()
        self.shared = self.folder = self.server = None

    def _found(self) -> bool:
        """Look for what another process began."""
        assert self.shared is not None
        note = self.shared / "served"
        if not note.exists():
            return False
        self.folder = Path(note.read_text(encoding="utf-8"))
        self.server = socket.socket(socket.AF_UNIX)
        try:
            self.server.connect(str(self.folder / "socket"))
            self.server.sendall(struct.pack("=I", 0))
            return self.seconds_used() >= 0
        except (OSError, ValueError):  # nobody used it any longer, and it ended
            self.server.close()
            self.folder = self.server = None
            return False

    def _begin(self) -> None:
        assert self.shared is not None
        folder = Path(tempfile.mkdtemp(prefix="kofn-"))  # a socket's path must be short
        for name in (*MODULES, "python"):
            path = folder / name
            path.write_text(_STAND_IN, encoding="utf-8")
            path.chmod(0o700)
        (self.shared / "served").write_text(str(folder), encoding="utf-8")
        command = [sys.executable, __file__, folder]
        with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, cwd="/") as starting:
            assert starting.stdout is not None
            if starting.stdout.read() != b"ready\n" or not self._found():
                raise RuntimeError("the process that forks commands did not begin")


STANDS = Stands()


class Worker:
    """A worker of `ensemble.training.pool` in this process, forked as well; for what it takes of a process."""

    def __init__(self, target: FunctionType, args: tuple[Connection, int], daemon: bool) -> None:
        self._target, self._pipe = target, args[0]

    def start(self) -> None:
        code = (
            "import os, sys\nfrom importlib import import_module\nfrom multiprocessing.connection import Connection\n"
            "getattr(import_module(sys.argv[1]), sys.argv[2])(Connection(os.dup(0)), os.getppid())"
        )
        command = [STANDS.script("python"), "-c", code, self._target.__module__, self._target.__name__]
        self._running = subprocess.Popen(command, stdin=self._pipe.fileno())
        self.terminate, self.kill = self._running.terminate, self._running.kill

    def join(self, timeout: float | None = None) -> None:
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._running.wait(timeout)

    def is_alive(self) -> bool:
        return self._running.poll() is None

    @property
    def exitcode(self) -> int | None:
        return self._running.poll()


class _Server:
    """Forks on demand, until those who keep a connection open are gone."""

    def __init__(self, folder: Path) -> None:
        self.listening = socket.socket(socket.AF_UNIX)
        self.listening.bind(str(folder / "socket"))
        self.listening.listen(64)
        self.selector = selectors.PollSelector()  # what epoll knows would be shared with the children
        self.selector.register(self.listening, selectors.EVENT_READ)
        self.users: set[socket.socket] = set()
        self.children: dict[int, tuple[int, socket.socket]] = {}  # by pidfd: the process, and who asked for it

    def serve(self) -> dict[str, Any] | None:
        """Serve to the end, and return None; in each child return what that is to run."""
        while True:
            for key, _ in self.selector.select():
                if key.fileobj is self.listening:
                    asking, _ = self.listening.accept()
                    asked = self._asked(asking)
                    if asked is not None and self._fork(asking, asked):
                        return asked
                elif isinstance(key.fileobj, int):
                    self._ended(key.fileobj)
                else:
                    assert isinstance(key.fileobj, socket.socket)
                    self._heard(key.fileobj)
            if not self.users and not self.children:
                return None

    def _asked(self, asking: socket.socket) -> dict[str, Any] | None:
        head, files, _, _ = socket.recv_fds(asking, 4, 3)
        (length,) = struct.unpack("=I", head)
        if not length:
            self.users.add(asking)
            self.selector.register(asking, selectors.EVENT_READ)
            return None
        content = b""
        while len(content) < length:
            content += asking.recv(length - len(content))
        return {**json.loads(content), "files": files}

    def _fork(self, asking: socket.socket, asked: dict[str, Any]) -> bool:
        """Return whether this is the child."""
        _load(Path(asked["words"][0]).name)
        pid = os.fork()
        if pid:
            for file in asked["files"]:
                os.close(file)
            asking.sendall(b"%d\n" % pid)
            ending = os.pidfd_open(pid)
            self.children[ending] = pid, asking
            for file in (ending, asking):
                self.selector.register(file, selectors.EVENT_READ)
            return False
        os.setsid()
        self.selector.close()
        for ending, (_, other) in self.children.items():
            os.close(ending)
            other.close()
        for one in (self.listening, asking, *self.users):
            one.close()
        return True

    def _ended(self, ending: int) -> None:
        pid, asking = self.children.pop(ending)
        _, status = os.waitpid(pid, 0)
        self.selector.unregister(ending)
        os.close(ending)
        if asking in self.selector.get_map():
            self.selector.unregister(asking)
            asking.sendall(b"%d\n" % os.waitstatus_to_exitcode(status))
        asking.close()

    def _heard(self, asking: socket.socket) -> None:
        if asking in self.users and asking.recv(1):
            asking.sendall(b"%f" % sum(os.times()[:4]))
            return
        self.selector.unregister(asking)
        if asking in self.users:
            self.users.remove(asking)
            asking.close()
        else:  # who asked was killed, and so is what it stands for
            os.killpg(next(pid for pid, other in self.children.values() if other is asking), signal.SIGKILL)


def _load(name: str) -> None:
    """Load what a command needs, if no earlier one did."""
    before = len(sys.modules)
    trains = name in ("ens-train", "ens-predict", "python")
    for module in (*MODULES.values(), *LATER, *(TRAINING if trains else ())):
        importlib.import_module(module)
    if len(sys.modules) > before:
        gc.collect()
        gc.freeze()
    if len(list(Path("/proc/self/task").iterdir())) > 1:
        raise RuntimeError("the process that forks has threads, and its children could hang")


def _be(asked: dict[str, Any]) -> NoReturn:
    """Be the process that was asked for, and end as Python does, but for taking apart what was loaded."""
    status = 0
    try:
        _run(asked)
    except SystemExit as ended:
        status = ended.code if isinstance(ended.code, int) else int(ended.code is not None)
        if isinstance(ended.code, str):
            sys.stderr.write(f"{ended.code}\n")
    except BaseException as error:
        traceback.print_exc()
        status = 130 if isinstance(error, KeyboardInterrupt) else 1
    atexit._run_exitfuncs()
    try:
        sys.stdout.flush()
    except OSError as error:
        sys.stderr.write(f"Exception ignored in: {sys.stdout!r}\n{error!r}\n")
        status = 120
    os._exit(status)


def _run(asked: dict[str, Any]) -> None:
    for number, file in enumerate(asked["files"]):
        os.dup2(file, number)
    for file in asked["files"]:
        os.close(file)
    os.chdir(asked["folder"])
    os.umask(asked["mask"])
    os.environ.clear()
    os.environ.update(asked["environment"])
    sys.stdin = os.fdopen(0, encoding="utf-8", closefd=False)
    sys.stdout = os.fdopen(1, "w", encoding="utf-8", closefd=False)
    sys.stderr = os.fdopen(2, "w", buffering=1, encoding="utf-8", errors="backslashreplace", closefd=False)
    sys.argv = asked["words"]
    spawned = multiprocessing.get_context
    multiprocessing.get_context = lambda method=None: Forks() if method == "spawn" else spawned(method)  # ty: ignore
    name = Path(sys.argv[0]).name
    main = sys.modules["__main__"] = types.ModuleType("__main__")
    if name == "python":
        _, _, code, *rest = sys.argv
        sys.argv = ["-c", *rest]
        sys.path.insert(0, "")
        exec(compile(code, "<string>", "exec"), vars(main))
    else:
        importlib.import_module(MODULES[name]).main()


def _main(folder: Path) -> dict[str, Any] | None:
    server = _Server(folder)
    if os.fork():  # nobody waits for it: it ends when nobody uses it
        os._exit(0)
    os.setsid()
    sys.path[:0] = [str(ROOT), str(ROOT / "tests")]
    os.write(1, b"ready\n")
    with Path(os.devnull).open("r+b") as nowhere:
        os.dup2(nowhere.fileno(), 1)
    return server.serve()


if __name__ == "__main__":
    if (_asked := _main(Path(sys.argv[1]))) is not None:
        _be(_asked)
    shutil.rmtree(sys.argv[1])
    os._exit(0)
