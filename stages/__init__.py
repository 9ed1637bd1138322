"""Stages of the pipeline, one file each; DVC runs them as `python -m stages.NAME`.

Python loads this file before the stage and its libraries, which takes seconds: Ctrl-C must end the stage then,
libraries must print nothing, and code that is edited then must be noted.
"""

import gc
import sys

from shoepair.runtime import interruption, library_output, stage_inputs

if sys.argv[0] == "-m" or interruption.is_spawned():  # Python is starting a stage, or a rank of one
    if not interruption.is_spawned():
        gc.disable()  # until `stage.run`: modules stay, so looking for garbage among them is a tenth of the start
    interruption.handle_imports(interruption.STAGE_LINE)
    library_output.silence_libraries()
stage_inputs.note_code()
