"""Errors, progress, files, parameters, storage, parallel tasks. No output depends on this package.

So no stage lists it among its dependencies. If a change here does change the bytes of an output, raise
`OUTPUT_VERSION`, a parameter of every stage: then all stages run again (test_golden.py fails if it was forgotten).
"""

OUTPUT_VERSION = 1
