"""Stages side by side: what `shoepair repro` does in place of `dvc repro`, which runs one after the other.

- `plan`: DVC's own graph, its own order, and its own opinion on which stages have changed, asked in this process. If
  none has, that is all.
- `schedule`: which stages may run now. A stage starts when all that it needs have ended, there are cores for it
  (`train.threads`, if it reads that parameter; else one), and no running stage writes what it reads or writes.
- `stage_process`: a program that reproduces one stage, as `dvc repro --single-item`. DVC decides there again whether
  the stage has changed, restores it from its cache or runs it, stores its outputs and writes its entry in dvc.lock.
  DVC holds the lock of its repository except while the stage itself runs; the program waits for it.
- `running`: starts these processes, reads what their stages print, and ends them. A process ends its stage, orderly,
  when the pipe to it closes: at Ctrl-C, at SIGTERM, and when this program is killed. What DVC stores at that moment is
  stored completely. After a failure what needs the failed stage is left out, and all else runs.
- `lock_entries`: at the end, dvc.lock has its entries in the order of `dvc repro`.
- `display`: a bar for each running stage on a terminal, a line for each finished one.

Code outside knows `dvc repro` only: experiments and the queue run it, and a stage is the same under both.
"""

COMMAND = "`shoepair repro`"  # what messages and the lock call this program
