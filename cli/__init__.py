"""The commands `ens-*`: parse, call the library, print."""
