"""The worked analysis: why the networks do what they do, with every step shown and every number checked.

    arrays.py           what the chapters share: the loss, the check of a user's numbers, how tables are written
    parameters.py       how many weights each layer has, as formulas and as counted in the modules
    receptive_field.py  how much of a shoe one unit sees
    conv1d.py           a 1D convolution network by hand, forward and backward
    gnn.py              a graph network by hand, the convolution's generalisation
    page.py             all of it as JSON, Markdown and pictures

Of the pipeline it imports only the networks' definitions. `shoepair analyze` shows all of it in the terminal.
"""
