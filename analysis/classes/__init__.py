"""How well each class is recognised, and what it is confused with."""
