"""A study on disk: what is pinned, and each value beside its file format, its reader and its writer."""
