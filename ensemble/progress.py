"""How long work says how far it is: the one alias for functions that hear of it."""

from collections.abc import Callable

# Hears (done, total), in whatever is counted: images, epochs, subsets.
Progress = Callable[[int, int], None]
