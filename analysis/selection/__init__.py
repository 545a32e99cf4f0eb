"""Ways to choose an ensemble, one a file: best, greedy, weights, stack. Each gives back a `Chosen`."""
