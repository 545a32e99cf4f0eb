"""From a plan to trained members: what is left to do, worker processes, the loop, the folds."""
