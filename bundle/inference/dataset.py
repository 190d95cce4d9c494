"""The films of a run as a dataset that goes on past a film it cannot use."""

import logging
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from torch.utils.data import IterableDataset, get_worker_info
from tqdm import tqdm

from bundle.inference.films import FilmRequest
from bundle.stopping import unwrap

logger = logging.getLogger(__name__)


class FilmDataset(IterableDataset):
    """Films made ready one by one. A film that cannot be used is logged with the reason, and left out.

    Args:
        data: the requests; asked for when the iteration starts.
        transform: makes the item of one film, and raises ValueError or OSError for one that cannot be used (within
            MONAI's Compose: as the cause of a RuntimeError).

    Raises:
        ValueError: no film at all could be used; raised by the iteration.
    """

    def __init__(self, *, data: Iterable[FilmRequest], transform: Callable[[Any], Any]) -> None:
        self.data = data
        self.transform = transform

    def __iter__(self) -> Iterator[Any]:
        if get_worker_info() is not None:
            raise ValueError("films are read in the main process: set num_workers of the dataloader to 0")
        requests = list(self.data)
        reasons: list[str] = []
        for request in tqdm(requests, desc="films", unit="film", disable=len(requests) < 2):
            try:
                item = self.transform({"image": request})
            except (ValueError, OSError, RuntimeError) as error:
                reason = unwrap(error)
                if not isinstance(reason, ValueError | OSError):
                    raise
                reasons.append(str(reason))
                if len(requests) > 1:
                    logger.warning("Left out: %s", reason)
                continue
            yield item
        if len(reasons) == len(requests):
            raise ValueError(reasons[0] if len(requests) == 1 else f"none of the {len(requests)} films can be used")
        if reasons:
            logger.warning("%d of %d films were left out; the reasons stand above.", len(reasons), len(requests))
