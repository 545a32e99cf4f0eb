"""How well each class is told, and what it is taken for."""
