"Where mlkit runs: homes that cannot be written, locales without UTF-8, names in any script."

import os
import subprocess
from pathlib import Path

import pytest

from tests.conftest import COMMAND


def run(place: Path, *words: str, **environment: str) -> str:
    "What `mlkit run` prints on a small table, read as UTF-8."
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "MLKIT_SIGNING_KEY") if name in os.environ}
    own = kept | {"PYTHONPATH": str(Path.cwd()), "XDG_CONFIG_HOME": ""} | environment
    done = subprocess.run([*COMMAND, "run", *words], cwd=place, env=own, capture_output=True)
    assert done.returncode == 0 and not done.stderr, done.stderr.decode(errors="replace")
    return done.stdout.decode("utf-8")


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="this system has no folder that nobody can write")
@pytest.mark.parametrize("home", ["/proc", "/proc/none"])
def test_a_home_that_cannot_be_written_is_no_trouble(tmp_path, home):
    assert "178 rows" in run(tmp_path, "--data", "example:wine", "--out", "r", "--to", "collect", HOME=home)


@pytest.mark.skipif(os.name != "posix", reason="a locale of POSIX")
def test_a_locale_without_utf8_reads_names_in_any_script(tmp_path):
    place = tmp_path / "日本語"
    place.mkdir()
    rows = [f"{number % 7},{'良' if number % 7 > 3 else '悪'}" for number in range(60)]
    (place / "表.csv").write_text("\n".join(["大きさ,評価", *rows]), encoding="utf-8")
    plain = {"LANG": "C", "LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    words = ["--data", "日本語/表.csv", "--target", "評価", "--out", "日本語/r", "--to", "collect"]
    assert "表.csv" in run(tmp_path, *words, **plain)
