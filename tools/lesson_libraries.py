"""What notebooks use and what takes long to import, for the process whose forks run them (lessons.py)."""

import mlflow.store.tracking.sqlalchemy_store  # noqa: F401

from mlkit.explanation.local_attributions import import_shap

import_shap()  # as mlkit imports it: compiled, it would cost every notebook that explains some seconds
