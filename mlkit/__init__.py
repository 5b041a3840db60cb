"From a table to a model that is deployed, watched and retrained."
import warnings
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"
__all__ = ["fit"]

# MLflow and Optuna ask for widgets to draw progress bars with; mlkit says in words how far it is.
warnings.filterwarnings("ignore", message="IProgress not found")

if TYPE_CHECKING:
    from mlkit.pipeline.fit import fit


def __getattr__(name: str) -> Any:
    "`mlkit.fit` is imported when it is first asked for, so that `import mlkit` costs nothing."
    if name != "fit":
        raise AttributeError(f"module 'mlkit' has no attribute '{name}'")
    from mlkit.pipeline.fit import fit
    return fit
