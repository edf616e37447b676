"""What happens around the training loop: a run, seen from below.

`Run` holds what `training.Trainer` need not show: devices and precision, the
share of each of several processes, sums over batches, the progress bar,
Ctrl-C, checkpoints and the record.
"""
import contextlib
import ctypes
import datetime
import gc
import inspect
import platform
import sys
import time
import warnings
from importlib.metadata import version

import torch
from d2l import torch as d2l
from torch import nn
from tqdm import tqdm

from helpers import checkpoints, distributed, figures, measure, records
from helpers.canvas import Place

QUICK_EPOCHS = 2
DTYPES = {'fp32': torch.float32, 'bf16': torch.bfloat16,
          'fp16': torch.float16}
RULES = {None: 'pytorch', 'init_cnn': 'xavier', 'init_he': 'he'}


@d2l.add_to_class(d2l.Module)
def apply_init(self, inputs, init=None):
    """d2l's own (d2l 6.4), which also keeps the rule for the record.

    Another rule than Xavier's or He's goes by the name of its function.
    """
    self.forward(*inputs)
    if init is not None:
        self.net.apply(init)
    name = getattr(init, '__name__', None if init is None else repr(init))
    self.initial_weights = RULES.get(name, name)


class History(list):
    """One dict an epoch: `epoch`, `train_loss`, `val_loss`, `val_acc`."""
    def __repr__(self):
        rows = [''.join(f'{name:>12}' for name in self[0])] if self else []
        rows += [''.join(f'{value:12.3f}' if isinstance(value, float)
                         else f'{value:12d}' for value in row.values())
                 for row in self]
        return '\n'.join(rows)


class Run(d2l.Trainer):
    """All of `training.Trainer` but its loop."""
    def __init__(self, max_epochs, num_gpus=1, gradient_clip_val=0,
                 name=None, chapter=None, seed=0, keep_weights=False,
                 precision=None, channels_last=True):
        if max_epochs < 1:
            raise ValueError(f'max_epochs={max_epochs} trains nothing: give '
                             f'at least one epoch.')
        if precision not in (None, *DTYPES):
            raise ValueError(f'precision={precision} is not one of '
                             f'{", ".join(DTYPES)}: choose one of them, or '
                             f'None for the fastest that is safe here.')
        if name and not chapter:
            raise ValueError(f'A run named {name} is recorded with its '
                             f"chapter: say chapter='8-7-densenet', or leave "
                             f'the name out.')
        usable = torch.cuda.is_available()  # which d2l does not ask
        super().__init__(max_epochs, num_gpus if usable else 0,
                         gradient_clip_val)
        self.save_hyperparameters()
        distributed.join()
        self.device = (torch.device('cuda', distributed.local_rank())
                       if self.gpus else torch.device('cpu'))
        self.gpus = [self.device] if self.gpus else []
        self.precision = distributed.from_first(
            precision or best_precision(self.device))
        torch.manual_seed(seed)

    def prepare_data(self, data):
        """Make the loaders; images in memory go to the GPU if they fit."""
        super().prepare_data(data)
        if self.num_train_batches == 0:
            raise ValueError('The training data has no batch, so there is '
                             'nothing to train on: check its indices.')
        if self.gpus:
            self.train_dataloader, self.val_dataloader = map(
                self._to_device, (self.train_dataloader, self.val_dataloader))

    def _to_device(self, loader):
        try:
            return loader.to(self.device) if hasattr(loader, 'to') else loader
        except torch.OutOfMemoryError:
            return loader  # prepare_batch brings them over one by one

    def prepare_model(self, model):
        """Put the model where it trains, in the layout that is fastest."""
        super().prepare_model(model)
        _keep_freed_memory()
        if self.channels_last and not any(nn.parameter.is_lazy(p)
                                          for p in model.parameters()):
            model.to(memory_format=torch.channels_last)
        self.loss_of = distributed.training_step(model, self.device)

    def prepare_batch(self, batch):
        """This process's share of a batch, on its device."""
        self.batch_images = len(batch[-1])
        batch, self.own_images = distributed.share(batch)
        return super().prepare_batch(batch)

    def autocast(self):
        """The context in which the network computes in `precision`."""
        return torch.autocast(self.device.type, DTYPES[self.precision],
                              enabled=self.precision != 'fp32')

    @contextlib.contextmanager
    def epochs(self, data):
        """The epochs that are to be trained, with all that surrounds them."""
        self.full = getattr(data, 'mode', 'full') == 'full'
        self.num_epochs = (self.max_epochs if self.full else
                           min(self.max_epochs, QUICK_EPOCHS))
        self.scaler = torch.amp.GradScaler(self.device.type,
                                           enabled=self.precision == 'fp16')
        self.history, self.num_images = History(), 0
        self.seconds, self.peak_memory = 0.0, 0
        if self.gpus:
            gc.collect()  # trainers before this one, with their images
            torch.cuda.reset_peak_memory_stats(self.device)
        self.train_batch_idx = self.val_batch_idx = 0
        self.commit = records.commit(self.chapter)
        self.task = self._find_task(data)
        if self.task:
            self._find_checkpoint()
        self.model.initial_weights = 'trained'  # for another fit
        self.model.plot = self._listen  # how d2l's models report figures
        hook = self.model.register_forward_hook(_in_single_precision)
        place = Place()
        try:
            with tqdm(total=self.num_epochs * self.num_train_batches,
                      initial=len(self.history) * self.num_train_batches,
                      leave=False, file=place.file, mininterval=0.5, ncols=76,
                      unit='batch', disable=distributed.rank() > 0
                      ) as self.bar:
                yield self._each_epoch()
        except KeyboardInterrupt:
            self._stopped()
            return
        finally:
            hook.remove()
            del self.model.plot, self.bar, self.loss_of
        if distributed.rank() == 0:
            self._tell(place)
        distributed.wait()

    def _each_epoch(self):
        while len(self.history) < self.num_epochs:
            start = time.perf_counter()
            self._losses, self._sizes, self._sums = [], [], {}
            yield len(self.history)
            self.history.append(self._row())
            self.seconds += time.perf_counter() - start
            self.peak_memory = max(self.peak_memory,
                                   peak_memory_mb(self.device))
            if self.task:
                self._save_checkpoint()

    def train_batches(self):
        """The batches of an epoch, on the device; the bar moves with them."""
        start = time.perf_counter()
        torch.set_rng_state(distributed.from_first(torch.get_rng_state()))
        for batch in self.train_dataloader:
            if distributed.rank() > 0 and not self._losses:
                torch.manual_seed(self.seed + self.epoch  # its own dropout
                                  + 10 ** 6 * distributed.rank())
            yield self.prepare_batch(batch)
            self.train_batch_idx += 1
            if self.bar.update() and not self.gpus:  # drawn just now
                self._check_finite()
                rate = len(self._losses) * self.batch_images / (
                    time.perf_counter() - start)
                self.bar.set_postfix_str(
                    f'loss {self._losses[-1].item():.3f}, '
                    f'{rate:,.0f} images/s', False)
        self._check_finite()

    def val_batches(self):
        """The batches of the validation, on the device."""
        for batch in self.val_dataloader or ():
            yield self.prepare_batch(batch)
            self.val_batch_idx += 1

    def training_step(self, batch):
        """The loss of a batch, which is also kept for the history."""
        loss = self.loss_of(batch)
        self._losses.append(loss.detach())
        self._sizes.append(self.own_images)
        return loss

    def backward(self, loss):
        """The gradients of a loss, in fp16 of a scaled one."""
        if distributed.num_processes() > 1:  # which average their losses
            loss = loss * (self.own_images * distributed.num_processes()
                           / self.batch_images)
        self.scaler.scale(loss).backward()

    def step(self):
        """Change the weights, by gradients that are clipped if asked for."""
        if self.gradient_clip_val > 0:
            self.scaler.unscale_(self.optim)
            self.clip_gradients(self.gradient_clip_val, self.model)
        self.scaler.step(self.optim)
        self.scaler.update()

    def _row(self):
        """What the history says of the epoch: means over all images."""
        loss, images = distributed.add_up(
            [float(sum(loss * n for loss, n in zip(self._losses,
                                                   self._sizes))),
             sum(self._sizes)])
        self.num_images = round(images)
        row = {'epoch': self.epoch + 1, 'train_loss': loss / images}
        for key, sums in self._sums.items():
            total, images = distributed.add_up([float(n) for n in sums])
            row[f'val_{key}'] = total / images
        return row

    def _listen(self, key, value, train):
        """Stand in for `model.plot`: add up what it is told, by image."""
        if not train:
            total, images = self._sums.get(key, (0, 0))
            value = torch.as_tensor(value).detach()
            self._sums[key] = (total + value * self.own_images,
                               images + self.own_images)

    def _check_finite(self):
        finite = torch.isfinite(torch.stack(self._losses)).tolist()
        if not all(finite):
            batch = finite.index(False)
            raise FloatingPointError(
                f'The loss is {self._losses[batch].item()} in epoch '
                f'{self.epoch + 1}, batch {batch + 1}: try a smaller '
                f'learning rate, and look for a division by zero or a '
                f'logarithm of zero in the network.')

    def _find_checkpoint(self):
        """Go on from the checkpoint of this run, if there is one."""
        self.path = checkpoints.checkpoint_path(self.name, self.seed)
        self.whose = {**self.task, 'seed': self.seed,
                      'device': self.device.type,
                      'precision': self.precision,
                      'channels_last': self.channels_last,
                      'processes': distributed.num_processes(),
                      'torch': str(torch.__version__),
                      'code': checkpoints.code_version(self.model)}
        state = distributed.from_first(
            checkpoints.load_checkpoint(self.path, self.whose)
            if distributed.rank() == 0 else None)
        if state is None:
            return
        self.model.load_state_dict(state['model'])
        self.optim.load_state_dict(state['optimizer'])
        self.scaler.load_state_dict(state['scaler'])
        self.history.extend(state['history'])
        self.num_images = state['num_images']
        self.seconds, self.peak_memory = state['seconds'], state['peak_memory']
        torch.set_rng_state(state['rng'])
        if self.gpus:
            torch.cuda.set_rng_state(state['cuda_rng'], self.device)
        if distributed.rank() == 0:
            print(f'Going on after epoch {len(self.history)} '
                  f'({self.path.name}).')

    def _save_checkpoint(self):
        if distributed.rank() > 0:
            return
        state = {'model': self.model.state_dict(),
                 'optimizer': self.optim.state_dict(),
                 'scaler': self.scaler.state_dict(),
                 'history': list(self.history), 'seconds': self.seconds,
                 'peak_memory': self.peak_memory,
                 'num_images': self.num_images, 'rng': torch.get_rng_state()}
        if self.gpus:
            state['cuda_rng'] = torch.cuda.get_rng_state(self.device)
        try:
            checkpoints.save_checkpoint(self.path, self.whose, state)
        except OSError as error:
            warnings.warn(f'No checkpoint can be written ({error}), so this '
                          f'training begins anew if it is killed: make room, '
                          f'or set XDG_CACHE_HOME to another folder.',
                          stacklevel=2)

    def _stopped(self):
        goes_on = self.task and self.history  # from the checkpoint
        if goes_on:
            self.model.initial_weights = self.task['hyperparameters'][
                'initial_weights']
        if distributed.rank() == 0:
            print(f'Stopped in epoch {self.epoch + 1}: the history holds the '
                  f'{len(self.history)} before it.'
                  + (' The same cell, run again, goes on from there.'
                     if goes_on else ''))

    def _tell(self, place):
        """Show the curves and a line of text; record the run."""
        run = self._describe_run()
        figures.show_runs([self.history], place)
        print(records.describe_run(run, self.num_images,
                                   'Full' if self.full else 'Quick'))
        if not self.full:
            print('(COURSE_RUN=full trains in full.)')
        if self.task:
            weights = {key: value.cpu() for key, value in
                       self.model.state_dict().items()}
            records.append_run(self.task, run,
                               weights if self.keep_weights else None)
            checkpoints.delete_checkpoint(self.path)

    def _find_task(self, data):
        """The record without its runs, or None if none will be written."""
        if not (self.full and self.name):
            return None
        task = self._describe_task(data)
        refusal = records.refusal(task)
        if refusal and distributed.rank() == 0:
            print(refusal)
        return None if refusal else task

    def _describe_task(self, data):
        X_shape = next(iter(data.val_dataloader()))[0].shape
        return {
            'name': self.name, 'chapter': self.chapter,
            'hyperparameters': {
                'initial_weights': getattr(self.model, 'initial_weights',
                                           None),
                **_describe_optimizer(self.optim),
                **({'gradient_clip_val': self.gradient_clip_val}
                   if self.gradient_clip_val else {}),
                'batch_size': data.batch_size, 'epochs': self.max_epochs,
                'resize': list(data.resize)},
            'data': data.facts(),
            'model': {'parameters': measure.count_parameters(self.model),
                      'macs': measure.count_macs(self.model,
                                                 (1, *X_shape[1:]))}}

    def _describe_run(self):
        name = records.device_name(self.device)
        processes = distributed.num_processes()
        return {'seed': self.seed,
                'device': name if processes == 1 else f'{processes} x {name}',
                'threads': torch.get_num_threads(),
                'precision': self.precision,
                'seconds': round(self.seconds, 6),
                'peak_memory_mb': self.peak_memory,
                'date': datetime.date.today().isoformat(),
                'commit': self.commit,
                'versions': {'python': platform.python_version(),
                             'torch': str(torch.__version__),
                             'd2l': version('d2l')},
                'epochs': list(self.history)}


def _describe_optimizer(optim):
    """Its name, rate and momentum, and all else that is not its default.

    Settings of several groups of parameters that differ become lists.
    """
    found = {'optimizer': type(optim).__name__, 'lr': None, 'momentum': 0}
    for key, parameter in inspect.signature(type(optim)).parameters.items():
        values = [group.get(key, parameter.default)
                  for group in optim.param_groups]
        if key != 'params' and (key in found or any(
                value != parameter.default for value in values)):
            same = all(value == values[0] for value in values)
            found[key] = values[0] if same else values
    return found


def best_precision(device):
    """'bf16' where the hardware has it, else 'fp16' on a GPU, else 'fp32'.

    Weights stay in fp32: only convolutions and matrix products are rounded.
    """
    if device.type == 'cuda':
        has_it = torch.cuda.is_bf16_supported(including_emulation=False)
        return 'bf16' if has_it else 'fp16'
    return 'bf16' if torch.cpu._is_avx512_bf16_supported() else 'fp32'


def _in_single_precision(module, arguments, output):
    """Give the loss its logits in fp32, whatever the layers computed in."""
    return output.float()


def _keep_freed_memory():
    """Let glibc keep freed blocks for the next step.

    By default it returns large ones to the kernel, and a third of a step on
    a CPU goes into getting them back, page by page.
    """
    if sys.platform == 'linux':
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(-4, 0)  # M_MMAP_MAX, blocks
        mallopt(-1, 2 ** 31 - 1)  # M_TRIM_THRESHOLD, bytes


def peak_memory_mb(device):
    """The most memory that was in use so far, in MB; 0 on Windows' CPUs."""
    if device.type == 'cuda':
        return torch.cuda.max_memory_allocated(device) // 2 ** 20
    if sys.platform == 'win32':
        return 0
    import resource
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak // 2 ** (20 if sys.platform == 'darwin' else 10)
