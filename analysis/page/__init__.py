"""One page to explore a study with: its value, and the one self-contained HTML file it is written to."""
