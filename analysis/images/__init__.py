"""Which images a picture shows, and what was said of them."""
