"""Run every notebook, two at a time, and say which do not run and which take long.

`python tools/on_a_copy.py python tools/lessons.py`

Each runs in a process of its own, as in JupyterLab, so that what one sets in its environment reaches no other. These
processes are forks of one that has the large libraries loaded already.
"""

import multiprocessing
import sys
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path

from nbdev.config import get_config
from nbdev.test import nbglob, test_nb

from mlkit.pipeline.engine import PRELOADED_MODULES

_LONG_FIRST = ("12_monitor.ipynb", "10_serve.ipynb", "05_train.ipynb", "07_explain.ipynb")
_SLOWEST = 15  # are named at the end


def run_notebook(path: Path) -> tuple[bool, float]:  # whether it runs, seconds
    config = get_config()
    return test_nb(path, skip_flags=config.tst_flags, do_print=True, basepath=config.config_path)


def run_all(paths: list[Path]) -> dict[Path, tuple[bool, float]]:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([*PRELOADED_MODULES, "nbdev.test", "tools.lesson_libraries"])
    with ProcessPoolExecutor(2, mp_context=context, max_tasks_per_child=1) as pool:
        waiting = {pool.submit(run_notebook, path): path for path in paths}
        return {waiting[each]: each.result() for each in as_completed(waiting)}


if __name__ == "__main__":
    every = sorted(map(Path, nbglob(as_path=True)), key=lambda path: (path.name not in _LONG_FIRST, path))
    results = run_all(every)
    for path in sorted(results, key=lambda path: -results[path][1])[:_SLOWEST]:
        print(f"{results[path][1]:5.0f} s  {path.relative_to(Path.cwd())}")
    failed = [path for path in every if not results[path][0]]
    print("".join(f"Does not run: {path.relative_to(Path.cwd())}\n" for path in failed), end="")
    sys.exit(1 if failed else 0)
