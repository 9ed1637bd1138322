"""Worked analysis of the networks: parameter counts, receptive fields, and networks computed by hand, step by step.

    numerics.py          shared by the chapters: the loss, checks of a user's numbers, table formats
    parameter_counts.py  parameters of each layer, by formula and as counted in the modules
    receptive_field.py   how much of a shoe one unit sees
    conv1d.py            a 1D convolution network by hand, forward and backward
    gnn.py               a graph network by hand, which generalises the convolution
    page.py              the analysis as JSON, Markdown and pictures

Of the pipeline it imports only the networks' definitions. `shoepair analyze` prints the analysis in the terminal.
"""
