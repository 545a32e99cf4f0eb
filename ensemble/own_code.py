"""A user's own function by name, "package.module:function", wherever a name of ours could stand."""

import contextlib
import importlib
import inspect
import sys
import traceback
from collections.abc import Callable, Generator, Mapping
from pathlib import Path
from typing import Any

from ensemble.errors import BadInput, KofnError, nearest, reason_of
from ensemble.machine import is_out_of_memory


def is_own(text: str) -> bool:
    """Say whether a text is written package.module:function."""
    module, colon, function = text.partition(":")
    return bool(colon) and function.isidentifier() and all(part.isidentifier() for part in module.split("."))


def own_function(text: str, argument: str) -> Callable[..., Any]:
    """Import the function of "package.module:function", from the folder at hand or what is installed.

    argument: which one named it, for messages. Raises `BadInput` where it is not there or its module cannot be
    imported.
    """
    module, _, name = text.partition(":")
    if str(Path.cwd()) not in sys.path:
        sys.path.append(str(Path.cwd()))  # a command's script does not look there by itself
    where = f"{argument}={text!r}"
    try:
        with contextlib.redirect_stdout(sys.stderr):  # standard output is a command's own
            found = importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{module}.".startswith(f"{error.name}."):
            raise BadInput(f"{where}: its module {module} needs {error.name}, which is missing; install it.") from error
        raise BadInput(
            f"{where}: there is no module {error.name}, neither in {Path.cwd()} nor installed; check the name, or run "
            "from the folder that holds it."
        ) from error
    except (Exception, SystemExit) as error:
        reason = f"{type(error).__name__}: {reason_of(error)}"
        raise BadInput(f"{where}: its module cannot be imported, {reason}; mend it.") from error
    function = getattr(found, name, None)
    if not callable(function):
        known = [key for key, value in vars(found).items() if callable(value) and not key.startswith("_")]
        lacks = "is no function" if hasattr(found, name) else "is not in it"
        raise BadInput(f"{where}: {name} {lacks}; {nearest(name, known)}.")
    return function


def called(function: Callable[..., Any], where: str, offered: Mapping[str, Any]) -> Any:
    """Call a user's function with those of the offered arguments that it takes by name.

    Raises `BadInput` where it needs others, or raises itself.
    """
    try:
        parameters = inspect.signature(function).parameters
    except (TypeError, ValueError) as error:
        raise BadInput(f"{where}: does not tell its arguments; write a function of Python's around it.") from error
    takes_all = any(p.kind is p.VAR_KEYWORD for p in parameters.values())
    lacking = [
        name
        for name, p in parameters.items()
        if p.default is p.empty and p.kind not in (p.VAR_KEYWORD, p.VAR_POSITIONAL) and name not in offered
    ]
    if lacking:
        raise BadInput(f"{where}: needs an argument {lacking[0]!r}; it is called with {', '.join(offered) or 'none'}.")
    try:
        with contextlib.redirect_stdout(sys.stderr):
            return function(**{name: value for name, value in offered.items() if takes_all or name in parameters})
    except (Exception, SystemExit) as error:
        reason = f"{type(error).__name__}: {reason_of(error)}"
        raise BadInput(f"{where}: raised {reason}; mend the function.") from error


@contextlib.contextmanager
def own_errors(name: str) -> Generator[None]:
    """Raise as `BadInput` what a user's own network raises while it runs or is differentiated.

    name: of the model; for one that is not the user's nothing is changed, and so where memory runs out.
    """
    try:
        yield
    except KofnError:
        raise
    except Exception as error:
        if not is_own(name) or is_out_of_memory(error) or not _beneath_a_network(error):
            raise
        raise BadInput(
            f"model={name!r}: raised {type(error).__name__} while it was run ({reason_of(error)}); mend the network."
        ) from error


def _beneath_a_network(error: BaseException) -> bool:
    """Say whether the last code of ours on the way to an error was one that calls a network, or its gradient."""
    ours = str(Path(__file__).parent)
    frames = traceback.extract_tb(error.__traceback__)
    last = max((i for i, frame in enumerate(frames) if frame.filename.startswith(ours)), default=len(frames))
    return [f.name for f in frames[last + 1 : last + 2]] in (["_wrapped_call_impl"], ["backward"])
