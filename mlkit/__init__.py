"""From a table to a model that is deployed, watched and retrained.

For those who program: `fit` learns from a table in memory; each stage of a run is a module, and the
rooms hold what stages share. Whoever only runs `mlkit run` needs no Python: see `mlkit --help`.
"""

import os
import warnings
from typing import TYPE_CHECKING

from mlkit.core.public_api import lazy_imports

__version__ = "0.1.0"

# MLflow and onnxruntime report to their makers how they are used, unless they are told not to.
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

# MLflow and Optuna ask for widgets to draw progress bars with; mlkit says in words how far it is.
warnings.filterwarnings("ignore", message="IProgress not found")

if TYPE_CHECKING:
    from . import automate as automate
    from . import automation as automation
    from . import cli as cli
    from . import collaborate as collaborate
    from . import collaboration as collaboration
    from . import collect as collect
    from . import core as core
    from . import data as data
    from . import deploy as deploy
    from . import deployment as deployment
    from . import evaluate as evaluate
    from . import evaluation as evaluation
    from . import explain as explain
    from . import explanation as explanation
    from . import features as features
    from . import improve as improve
    from . import inference as inference
    from . import models as models
    from . import monitor as monitor
    from . import monitoring as monitoring
    from . import package as package
    from . import packaging as packaging
    from . import pipeline as pipeline
    from . import prepare as prepare
    from . import privacy as privacy
    from . import problem as problem
    from . import protect as protect
    from . import quality as quality
    from . import registry as registry
    from . import retraining as retraining
    from . import score as score
    from . import scoring as scoring
    from . import security as security
    from . import serve as serve
    from . import serving as serving
    from . import sources as sources
    from . import task as task
    from . import template as template
    from . import train as train
    from . import validate as validate
    from .core.errors import DataError as DataError
    from .core.errors import MLKitError as MLKitError
    from .core.errors import MLKitWarning as MLKitWarning
    from .core.errors import PackageError as PackageError
    from .core.errors import RunError as RunError
    from .core.errors import SettingsError as SettingsError
    from .core.errors import StageError as StageError
    from .core.own_feature import feature as feature
    from .inference.predictor import load_predictor as load_predictor
    from .pipeline.compare_models import compare as compare
    from .pipeline.estimators import MLKitClassifier as MLKitClassifier
    from .pipeline.estimators import MLKitRegressor as MLKitRegressor
    from .pipeline.fit import fit as fit
    from .pipeline.saved_model import load as load
    from .sources.examples import load_example as load_example
    from .task.own_metric import metric as metric
else:
    __getattr__, __dir__ = lazy_imports(__name__)
