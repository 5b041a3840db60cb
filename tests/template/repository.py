"""Git for the tests of the template."""

import os
import subprocess
from pathlib import Path

SOMEBODY = {f"GIT_{role}_{key}": "t" for role in ("AUTHOR", "COMMITTER") for key in ("NAME", "EMAIL")}


def git(folder: Path, *words: str, expect: int = 0) -> str:
    """What Git prints, as one word of text; nobody needs to be known to it."""
    environment = os.environ | SOMEBODY
    done = subprocess.run(["git", *words], cwd=folder, env=environment, capture_output=True, text=True)
    assert done.returncode == expect, done.stdout + done.stderr
    return done.stdout.strip()
