"""Predictions made elsewhere: read from files, checked, and joined with a study's."""
