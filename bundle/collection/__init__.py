"""A collection made ready: from a folder as it was published to prepared pairs, features and tables."""

from bundle.collection.prepare import COLLECTIONS, PreparationSummary, prepare_collection

__all__ = ["COLLECTIONS", "PreparationSummary", "prepare_collection"]
