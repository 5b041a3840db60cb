"""The command `mlkit`: from training a model to serving, watching and replacing it, and erasing a person.

For people at a terminal: run, show, compare, doctor, new, score, serve, deploy, monitor, history, promote, rollback, improve, stop, start, keys, audit, privacy, ci, dvc.
Holds no logic that Python code could want.
"""
