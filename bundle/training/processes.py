"""Training by several processes, each with a device of its own, that ``torchrun`` started."""

from __future__ import annotations

import os
from datetime import timedelta

import ignite.distributed as idist
import torch
from torch import nn
from torch.nn.parallel import DistributedDataParallel

LONGEST_WAIT = timedelta(hours=12)  # for the first process, which alone trains the feature network


def process_device() -> torch.device:
    """Join the other processes and return this one's device: a GPU of its own, or the CPU where there is none.

    Raises:
        ValueError: not started by ``torchrun``, or more processes on this machine than GPUs.
    """
    if "WORLD_SIZE" not in os.environ:
        raise ValueError(
            "configs/multi_gpu_train.json is for several processes: start it by torchrun --nproc_per_node N -m "
            "monai.bundle run ..., or leave it out."
        )
    has_gpu = torch.cuda.is_available()
    processes = int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
    if has_gpu and processes > torch.cuda.device_count():
        raise ValueError(
            f"{processes} processes on a machine with {torch.cuda.device_count()} GPUs: lower --nproc_per_node."
        )
    if idist.backend() is None:
        idist.initialize("nccl" if has_gpu else "gloo", timeout=LONGEST_WAIT)
    return idist.device()


def data_parallel(*, network: nn.Module, device: torch.device) -> nn.Module:
    """Put a network on this process's device and let its gradients be averaged over all processes.

    Args:
        network: the same in every process.
        device: what `process_device` returned.
    """
    # Buffers hold the standardizers, which are the same everywhere and never change.
    return idist.auto_model(
        network.to(device, memory_format=torch.channels_last),  # type: ignore[call-overload]
        broadcast_buffers=False,
    )


def part() -> None:
    """Wait for the other processes and part from them, at the run's end.

    The first process still writes when the others are ready. One that ended at once was now and then aborted while its
    interpreter shut down, and with it the run; presumably a thread of its last exchange still held tensors.
    """
    idist.barrier()
    idist.finalize()


def unwrapped(network: nn.Module) -> nn.Module:
    """Return the network itself where `data_parallel` has wrapped it, otherwise the argument."""
    return network.module if isinstance(network, DistributedDataParallel) else network


def is_first_process() -> bool:
    """Tell whether this process writes the run's files; without ``torchrun`` the only one."""
    return idist.get_rank() == 0
