"""Reads saved predictions and says what every subset of members would have done.

The public names stand in `__init__.pyi`, and are loaded when they are first used, so that `import analysis` costs
nothing. Arrays in, values out: `y_true` int (N,), `y_pred` int (N,), `probs` (N, C), or (M, N, C) of several members.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
