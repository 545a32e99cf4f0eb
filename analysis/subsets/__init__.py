"""Every subset of members: the table of scores, the plain reference, and the engine for many."""
