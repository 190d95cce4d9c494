"""The films of a run as a dataset that goes on past a film it cannot use."""

import logging
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from torch.utils.data import IterableDataset, get_worker_info
from tqdm import tqdm

from bundle.inference.films import FilmRequest
from bundle.stopping import ending_with_a_sentence

logger = logging.getLogger(__name__)


class FilmDataset(IterableDataset):
    """Films made ready one by one. A film that cannot be used is logged with the reason, and left out.

    The run ends with a sentence where no film at all could be used.

    Args:
        data: the requests; asked for when the iteration starts.
        transform: makes the item of one film, and raises ValueError or OSError for one that cannot be used (within
            MONAI's Compose: as the cause of a RuntimeError).
    """

    def __init__(self, *, data: Iterable[FilmRequest], transform: Callable[[Any], Any]) -> None:
        self.data = data
        self.transform = transform

    def __iter__(self) -> Iterator[Any]:
        if get_worker_info() is not None:
            raise ValueError("films are read in the main process: set num_workers of the dataloader to 0")
        with ending_with_a_sentence():
            requests = list(self.data)
        reasons: list[str] = []
        for request in tqdm(requests, desc="films", unit="film", disable=len(requests) < 2):
            try:
                item = self.transform({"image": request})
            except (ValueError, OSError, RuntimeError) as error:
                reason = _reason(error)
                if reason is None:
                    raise
                reasons.append(reason)
                if len(requests) > 1:
                    logger.warning("Left out: %s", reason)
                continue
            yield item
        with ending_with_a_sentence():
            if len(reasons) == len(requests):
                raise ValueError(reasons[0] if len(requests) == 1 else f"none of the {len(requests)} films can be used")
        if reasons:
            logger.warning("%d of %d films were left out; the reasons stand above.", len(reasons), len(requests))


def _reason(error: BaseException) -> str | None:
    """Give the sentence of bad data; None where the error is a fault of the program."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ValueError | OSError):
            return str(cause)
        cause = cause.__cause__
    return None
