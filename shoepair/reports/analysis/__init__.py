"""The worked analysis of the networks: parameters, receptive fields, a 1D convolution and a graph network by hand."""
