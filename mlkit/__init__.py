"From a table to a model that is deployed, watched and retrained."
__version__ = "0.1.0"
