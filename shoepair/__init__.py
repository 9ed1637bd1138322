"""shoepair: from raw class photos of shoes to compared models, as one DVC pipeline.

The modules, low to high, are listed in README.md; each imports only modules above it. The functions that a course
notebook imports are `batches.load_split`, `pairs.generate_same_pair`, `pairs.generate_different_pair`,
`training.train_model` and `training.get_accuracy`.
"""
