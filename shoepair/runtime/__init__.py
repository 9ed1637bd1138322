"""How work runs: errors, progress, files, storage, tasks. No byte of any output depends on it."""
