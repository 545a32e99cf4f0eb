"""Every subset of many members, exactly: pruning, compiled kernels, and the engine that `analysis.subsets` calls."""
