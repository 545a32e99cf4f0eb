"""The one place that tells which layout a source has."""

from ensemble.datasets.folder import list_folder
from ensemble.datasets.listing import Listing
from ensemble.datasets.source import Source
from ensemble.datasets.tiny_imagenet import list_tiny_imagenet, looks_like_tiny_imagenet


def read_layout(source: Source) -> Listing:
    """List a source's splits, labels, ids and classes; raise `BadInput` where it has no layout known here."""
    return list_tiny_imagenet(source) if looks_like_tiny_imagenet(source) else list_folder(source)
