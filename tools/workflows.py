"""Write the workflows that this repository shares with the projects of `mlkit new`: `python tools/workflows.py`.

ci.yml and release.yml are of this repository alone. All actions are those of mlkit.automation.workflows.ACTIONS.
"""

from pathlib import Path

from mlkit.automation.workflows import render_workflows

ROOT = Path(__file__).resolve().parents[1]


def main() -> None:
    """Write what has changed."""
    for place, text in render_workflows("library", "mlkit").items():
        path = ROOT / place
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main()
