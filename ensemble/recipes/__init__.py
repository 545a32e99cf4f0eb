"""The plans that ship, a TOML file each: a base recipe, its named variants, the ranges of further ones."""
