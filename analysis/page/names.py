"""Names of classes, members and studies as they can stand on a page."""

import unicodedata

JOINERS = "\u200c\u200d"  # without them some scripts, and some emoji, fall apart


def shown(name: str, otherwise: str = "?") -> str:
    """Return a name on one line, each control sign and direction override replaced by a question mark in a diamond.

    otherwise: stands for a name that is blank.
    """
    signs = (
        "\N{REPLACEMENT CHARACTER}" if unicodedata.category(c) in ("Cc", "Cf", "Cs") and c not in JOINERS else c
        for c in " ".join(name.split())
    )
    return "".join(signs).strip(JOINERS + " ") or otherwise
