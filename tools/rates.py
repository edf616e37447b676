"""Make results/lenet-rates.json and bn-lenet-rates.json, which 8.5 compares.

LeNet and its version with normalization are trained at four learning rates on
all images, longer than in their chapters, whose code this is; on a processor
in fp32. What is recorded is not trained again, so this may be stopped, and two
processes may share it: `tools/rates.py lenet`, `tools/rates.py bn-lenet`.
"""
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
sys.path[:0] = [str(ROOT / 'tests')]

from conftest import definitions  # noqa: E402
from helpers import (FashionMNIST, Trainer, count_macs,  # noqa: E402
                     count_parameters, load_runs)
from helpers.records import append_run  # noqa: E402

RATES, SEEDS, EPOCHS = (0.1, 0.3, 1, 3), (0, 1, 2), 20
NETWORKS = {'lenet': ('7-6', 'LeNet'), 'bn-lenet': ('8-5', 'BNLeNet')}


def is_recorded(record, key):
    try:
        return load_runs(record, **key)
    except (FileNotFoundError, ValueError):
        return []


def train(network, lr, seed):
    """Train the network, and record the run."""
    key = {'recipe': network, 'max_epochs': EPOCHS, 'lr': lr, 'momentum': 0,
           'weight_decay': 0, 'schedule': 'constant', 'augmentation': False,
           'label_smoothing': 0}
    if is_recorded(f'{network}-rates', {**key, 'seed': seed}):
        return
    chapter, name = NETWORKS[network]
    trainer = Trainer(EPOCHS, num_gpus=0, seed=seed, precision='fp32',
                      chapter='8-5-batch-normalization')
    data = FashionMNIST(batch_size=128)
    X, _ = next(iter(data.get_dataloader(train=True)))
    model = definitions(chapter)[name](lr=lr)
    model.apply_init([X], definitions('7-6')['init_cnn'])
    trainer.fit(model, data)
    append_run({
        'name': f'{network}-rates', 'chapter': '8-5-batch-normalization',
        'hyperparameters': {'initial_weights': 'xavier', 'optimizer': 'SGD',
                            'batch_size': 128, 'resize': list(data.resize)},
        'data': data.facts(),
        'model': {'parameters': count_parameters(model),
                  'macs': count_macs(model, X[:1].shape)}},
        {**key, **trainer._describe_run()})


if __name__ == '__main__':
    for seed in SEEDS:
        for lr in RATES:
            for network in sys.argv[1:] or NETWORKS:
                train(network, lr, seed)
