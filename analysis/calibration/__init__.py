"""How well confidence agrees with accuracy, and what averaging does to it."""
