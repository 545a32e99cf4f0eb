"""The only door to matplotlib: values in, pictures out; nothing is computed here."""
