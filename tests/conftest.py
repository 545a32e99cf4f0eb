"""What all tests share."""

from hypothesis import settings

# A shared machine pauses at will: time is no property of the code.
settings.register_profile("kofn", deadline=None)
settings.load_profile("kofn")
