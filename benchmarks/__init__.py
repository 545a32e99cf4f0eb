"""Speed and quality figures, each printed by one command: `python -m benchmarks` runs the short ones in turn."""
