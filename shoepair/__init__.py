"""shoepair: from raw class photos of shoes to compared models, as one DVC pipeline.

The modules, low to high, are listed in README.md; each imports only modules above it. The functions that a course
notebook imports are `batches.load_split`, `pairs.generate_same_pair`, `pairs.generate_different_pair`,
`training.train_model` and `training.get_accuracy`.
"""

import os

# Torch's threads wait for one another by spinning, unless told otherwise before torch is loaded. Where anything else
# runs on the machine, a spinning thread holds the core that the other one is waiting for: on 2 busy cores training
# took 2.6 times as long. No result depends on it.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
