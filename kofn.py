"""kofn: every public name of `ensemble` and `analysis`, each loaded when it is first used.

The names stand in `ensemble/__init__.pyi` and `analysis/__init__.pyi`.
"""

from pathlib import Path
from typing import Any

import analysis
import ensemble

for _package in (analysis, ensemble):
    _folder = Path(_package.__file__ or next(iter(_package.__path__))).resolve().parent
    if not hasattr(_package, "__all__") or _folder.parent != Path(__file__).resolve().parent:
        raise ImportError(
            f"kofn needs its own package {_package.__name__!r}, and {_folder} stands before it on the path; "
            "rename that folder or run from another one."
        )

__all__ = sorted({*analysis.__all__, *ensemble.__all__})


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(analysis if name in analysis.__all__ else ensemble, name)


def __dir__() -> list[str]:
    return __all__.copy()
