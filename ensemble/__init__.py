"""Trains image classifiers and keeps their predictions: datasets, models, training, inference, the study folder.

The public names stand in `__init__.pyi`, and are loaded when they are first used, so that `import ensemble` costs
nothing, and loads no torch before something is trained or predicted.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
