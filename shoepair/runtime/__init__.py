"""How work runs: errors, progress, files, parameters, storage, parallel tasks. No output depends on this room.

So no stage lists it among its dependencies. Who changes the bytes of an output through this room all the same raises
`OUTPUT_VERSION`, a parameter of every stage: then all of them run again (test_golden.py finds who forgets it).
"""

OUTPUT_VERSION = 1
