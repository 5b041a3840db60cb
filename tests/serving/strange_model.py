"""A model for packages that are to misbehave: it does so for rows that have a weight, so that it can be opened."""

import os
import time
from pathlib import Path

import joblib
import numpy as np

from mlkit.inference.signing import sign_package


class StrangeModel:
    """In the place of the scikit-learn model of a package."""

    def __init__(self, habit: str):
        self.habit = habit

    def output_of_inputs(self, frame) -> np.ndarray:
        weights = frame["weight"].to_numpy()
        if np.isfinite(weights).any():
            if self.habit == "hangs":
                time.sleep(3_600)
            if self.habit == "is slow":
                time.sleep(0.03)
            if self.habit == "is too slow":
                time.sleep(0.5)
            if self.habit == "raises":
                raise ValueError("a cell of 42 kg")
            if self.habit == "dies":
                os._exit(9)
            if self.habit == "fills the memory":
                os.abort()
            if self.habit == "is not finite":
                return np.full((len(frame), 2), np.nan)
        return np.tile([0.25, 0.75], (len(frame), 1))


def make_strange(package: Path, habit: str) -> Path:
    """Give a package another model, and sign it."""
    (package / "model.onnx").unlink()
    joblib.dump(StrangeModel(habit), package / "model.joblib")
    sign_package(package, {"name": "parcels"})
    return package
