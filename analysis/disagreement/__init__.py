"""How members differ, and what that is worth."""
