"""`mlkit` in forks of a process that has the libraries loaded: what a command does, without the seconds of its start.

For tests that need what a command has made. What is about the start itself, about what a start reads from its
environment, or about an end by force, starts a process of its own with `tests.conftest.COMMAND`.
"""

import gc
import json
import multiprocessing.util
import os
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, NoReturn

COMMAND = [sys.executable, "-c", "from mlkit.cli.main import main; main()"]
LONGEST_MESSAGE = 100_000  # bytes


def run_mlkit(
    *words: str,  # of the command, `mlkit` left out
    cwd: Path,
    env: Mapping[str, str] | None = None,  # None: that of the test
    timeout: float = 600,
) -> subprocess.CompletedProcess:
    """As `subprocess.run([*COMMAND, *words], capture_output=True, text=True)`."""
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        code = run_mlkit_into(out.fileno(), err.fileno(), words, cwd, env, timeout)
        said = []
        for file in (out, err):
            file.seek(0)
            said.append(file.read().decode("utf-8"))
    return subprocess.CompletedProcess([*COMMAND, *words], code, *said)


def run_mlkit_into(
    out: int,  # file descriptors for what it says
    err: int,
    words: Sequence[str],
    cwd: Path,
    env: Mapping[str, str] | None = None,
    timeout: float = 600,
) -> int:  # the exit code
    """The command, to its end."""
    env = dict(os.environ if env is None else env)
    if sys.platform != "linux":
        return subprocess.run(
            [*COMMAND, *words], cwd=cwd, env=env, stdout=out, stderr=err, timeout=timeout
        ).returncode
    return _warm_process(env.get("PYTHONPATH")).run([*words], cwd, env, out, err, timeout)


# ---------------------------------------- the side of the test
class WarmProcess:
    """A process that has imported what commands need, and forks when it is asked."""

    def __init__(self, path: str | None):  # PYTHONPATH
        self.own, other = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        root = str(Path(__file__).parents[1])
        program = (
            f"import sys; sys.path.append({root!r}); from tests.warm import serve; serve({other.fileno()})"
        )
        environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
        environment |= {"PYDEVD_DISABLE_FILE_VALIDATION": "1"} | (
            {"PYTHONPATH": path} if path is not None else {}
        )
        with other:
            self.process = subprocess.Popen(
                [sys.executable, "-c", program],
                env=environment,
                cwd=os.sep,  # Python looks for modules in the current folder first, and mlkit is not there
                pass_fds=[other.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
            )

    def run(
        self, words: list[str], cwd: Path, env: dict[str, str], out: int, err: int, timeout: float
    ) -> int:
        request = json.dumps({"words": words, "cwd": str(cwd), "env": env}).encode()
        assert len(request) < LONGEST_MESSAGE
        self.own.settimeout(timeout)
        socket.send_fds(self.own, [request], [out, err])
        pid = int(self.own.recv(100))
        try:
            return int(self.own.recv(100))
        except TimeoutError:
            os.kill(pid, signal.SIGKILL)
            self.own.settimeout(60)
            self.own.recv(100)
            raise


@cache
def _warm_process(
    path: str | None,
) -> WarmProcess:  # ends with the test process: nobody holds its socket then
    return WarmProcess(path)


# ---------------------------------------- the side of the warm process
def serve(fd: int) -> None:
    """Fork for each request. In a fork this ends with the command, as the program does."""
    with socket.socket(fileno=fd) as requests:
        before = dict(os.environ)
        main = _import_everything()
        set_by_imports = {name: value for name, value in os.environ.items() if before.get(name) != value}
        gc.collect()
        gc.freeze()
        while True:
            message, fds, *_ = socket.recv_fds(requests, LONGEST_MESSAGE, 2)
            if not message:
                return
            request = json.loads(message)
            request["env"] = set_by_imports | request["env"]
            pid = os.fork()
            if not pid:
                requests.close()
                break
            for each in fds:
                os.close(each)
            requests.send(str(pid).encode())
            _, status = os.waitpid(pid, 0)
            requests.send(str(os.waitstatus_to_exitcode(status)).encode())
    _become_command(main, request, fds)


def _import_everything() -> Callable[[], None]:
    """Import what a run imports, and read the code that it takes fingerprints of."""
    from importlib import import_module

    import mlkit.cli.main
    from mlkit.explanation.local_attributions import import_shap
    from mlkit.pipeline.engine import PRELOADED_MODULES
    from mlkit.pipeline.notebooks import list_stages, stage_fingerprint

    stages = list_stages()
    more = [
        "mlflow.store.tracking.sqlalchemy_store",
        "papermill",
        "papermill.engines",
        "mlkit.pipeline.runner",
    ]
    for name in (*PRELOADED_MODULES, *(f"mlkit.{stage}" for stage in stages), *more):
        import_module(name)
    import_shap()
    for stage in stages.values():
        stage_fingerprint(stage, {})
    return mlkit.cli.main.main


def _become_command(main: Callable[[], None], request: dict[str, Any], fds: list[int]) -> None:
    for target, each in enumerate(fds, 1):
        os.dup2(each, target)
        os.close(each)
    os.environ.clear()
    os.environ.update(request["env"])
    os.chdir(request["cwd"])
    sys.argv = ["-c", *request["words"]]
    if request["words"][:1] == ["run"]:  # now, while this is the only thread
        from mlkit.pipeline.engine import start_warm_process

        multiprocessing.util.spawnv_passfds = _fork_fork_server  # type: ignore[attr-defined]
        start_warm_process()
        multiprocessing.util.spawnv_passfds = _START_PROGRAM  # type: ignore[attr-defined]
    main()


_START_PROGRAM = multiprocessing.util.spawnv_passfds  # type: ignore[attr-defined]


def _fork_fork_server(path: Any, words: Any, passed: Sequence[int]) -> int:
    """The warm process of a command is a fork of the command, which is warm already."""
    program = os.fsdecode(words[-1])
    if "multiprocessing.forkserver" not in program:
        return _START_PROGRAM(path, words, passed)
    pid = os.fork()
    return pid or _become_fork_server(program, {0, 1, 2, *passed})


def _become_fork_server(program: str, kept: set[int]) -> NoReturn:
    for fd in map(int, os.listdir("/proc/self/fd")):
        if fd not in kept:
            try:
                os.close(fd)
            except OSError:  # what has listed them
                pass
    code = 1
    try:
        exec(program, {})
    except SystemExit:
        code = 0
    finally:
        os._exit(code)
