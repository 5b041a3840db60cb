"""The command `mlkit`: run, show, doctor, score, serve, deploy, keys, history, promote, rollback, improve.

For people at a terminal.
Holds no logic that Python code could want.
"""
