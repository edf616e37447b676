"""Training by several processes, each with a share of every batch.

PyTorch's torchrun starts them and says so in environment variables; without
it there is one process, and nothing here does anything. Batch normalization
takes its statistics from each process's own share of a batch, so a network
that has it trains a little differently in several processes.
"""
import os

import torch
from torch import distributed, nn


def join():
    """Join the processes that torchrun started, if it did."""
    if (distributed.is_torchelastic_launched()
            and not distributed.is_initialized()):
        with_gpus = torch.cuda.is_available()
        distributed.init_process_group(
            'cpu:gloo,cuda:nccl' if with_gpus else 'gloo')
        if with_gpus:
            torch.cuda.set_device(local_rank())


def rank():
    """The number of this process, 0 for the one that prints and records."""
    return distributed.get_rank() if distributed.is_initialized() else 0


def num_processes():
    """How many processes train together."""
    return distributed.get_world_size() if distributed.is_initialized() else 1


def local_rank():
    """The number of this process on its machine: the GPU that it uses."""
    return int(os.environ.get('LOCAL_RANK', 0)) if num_processes() > 1 else 0


def share(batch):
    """This process's share of a batch and the number of images in it.

    A batch may have fewer images than there are processes: one that gets
    none computes the first image all the same, and counts it 0 times.
    """
    if num_processes() == 1:
        return batch, len(batch[-1])
    own = [part[rank()::num_processes()] for part in batch]
    images = len(own[-1])
    return own if images else [part[:1] for part in batch], images


def add_up(values):
    """The sums over all processes of a list of numbers."""
    sums = torch.tensor(values, dtype=torch.float64)
    if num_processes() > 1:
        distributed.all_reduce(sums)
    return sums.tolist()


def from_first(value):
    """What the first process holds; the others' `value` is not used."""
    if num_processes() == 1:
        return value
    values = [value]
    distributed.broadcast_object_list(values)
    return values[0]


def wait():
    """Wait until every process is here."""
    if num_processes() > 1:
        distributed.barrier()


class Step(nn.Module):
    """A model's training step as a module, the form that DDP wraps."""
    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, batch):
        """The loss of a batch."""
        return self.model.training_step(batch)


def training_step(model, device):
    """The function from a batch to its loss, gradients being averaged.

    With several processes it goes through DistributedDataParallel, which
    also gives them all the first one's weights.
    """
    if num_processes() == 1:
        return model.training_step
    return nn.parallel.DistributedDataParallel(
        Step(model), device_ids=[device] if device.type == 'cuda' else None)
