"""Which images a picture shows, and what was predicted."""
