"""Training: the loop of every chapter, a short one, and initial weights."""
import torch
from torch import nn
from torch.nn import functional as F

from helpers.runs import Run


class Trainer(Run):
    """A `d2l.Trainer` (d2l 3.2) for any `d2l.Classifier`.

    `seed` is given to torch's global generator here, so that a network made
    after the trainer starts from the same weights, and again when `fit`
    begins, for the order of the batches. `fit` trains on the first GPU if
    there is one and `num_gpus` is not 0; with torchrun, on one a process.

    `precision` is 'fp32', 'bf16' or 'fp16', by default the fastest that is
    safe here. `channels_last` is the order in memory in which convolutions
    are fastest. Neither changes what is computed, beyond rounding.

    A full run with a `name` is appended to the record `results/<name>.json`,
    which also says to which `chapter` it belongs; `keep_weights` puts the
    weights beside it. Until it is recorded it has a checkpoint after every
    epoch: if it is killed, the same code goes on where it was.

    Raises ValueError for fewer than one epoch, an unknown precision, or a
    name without a chapter. What happens around the loop is in `runs`.
    """
    def fit(self, model, data):
        """Train `model` on `data`; show the curves and one line of text.

        Returns the history, one dict an epoch; its losses and accuracies are
        means over images. A quick run (`fetch.run_mode`) stops after two
        epochs and is not recorded. Ctrl-C ends the training; the history
        then has the epochs before. Raises FloatingPointError for a loss that
        is not finite, ValueError for data without a batch, and RuntimeError
        if the checkpoint there is belongs to another run.
        """
        torch.manual_seed(self.seed)
        self.prepare_data(data)
        self.prepare_model(model)
        self.optim = model.configure_optimizers()
        with self.epochs(data) as epochs:
            for self.epoch in epochs:
                self.fit_epoch()
        return self.history

    def fit_epoch(self):
        """Train on every batch once, then measure on the validation's."""
        self.model.train()
        for batch in self.train_batches():
            with self.autocast():
                loss = self.training_step(batch)
            self.optim.zero_grad()
            self.backward(loss)
            self.step()
        self.model.eval()
        with torch.no_grad(), self.autocast():
            for batch in self.val_batches():
                self.model.validation_step(batch)


def short_training(make_net, X, y, steps, lr, batch_size=32, seeds=(0,),
                   optimizer=torch.optim.SGD):
    """Train a small network once for each seed; return `(losses, nets)`.

    `make_net` is a function that makes the network, its weights drawn from
    the seed, as the order of the batches is; X holds all images and y their
    labels, such as `load_sample` gives. `optimizer` is called with the
    parameters and `lr`. An epoch passes over all images in a new order, its
    last batch may be smaller, and the training ends after `steps` batches.

    `losses` has shape (seeds, steps): the cross-entropy of each batch, in
    nats, before its step; `nets` are the trained networks, in training mode.
    """
    losses, nets = torch.zeros(len(seeds), steps), []
    for row, seed in zip(losses, seeds):
        torch.manual_seed(seed)
        net = make_net().train()
        optim = optimizer(net.parameters(), lr=lr)
        for step, i in enumerate(_batches(len(y), batch_size, steps)):
            loss = F.cross_entropy(net(X[i]), y[i])
            optim.zero_grad()
            loss.backward()
            optim.step()
            row[step] = loss.detach()
        nets.append(net)
    return losses, nets


def _batches(num_images, batch_size, steps):
    """The indices of the images in each of `steps` shuffled batches."""
    while steps > 0:
        for i in torch.randperm(num_images).split(batch_size)[:steps]:
            yield i
            steps -= 1


def init_he(module):
    """Draw the weights of a convolutional or linear layer by He's rule.

    Normal, with standard deviation sqrt(2 / inputs of a unit), which keeps
    the mean square of a signal behind ReLUs (He et al., 2015); the biases
    stay. For `net.apply` or `model.apply_init`.
    """
    if type(module) in (nn.Linear, nn.Conv2d):
        nn.init.kaiming_normal_(module.weight)
