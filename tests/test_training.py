"""The trainer against a plain loop, and what it says when things go wrong."""
import copy
import json
import math
import pickle
import re
import subprocess
import sys
from functools import partial
from pathlib import Path

import matplotlib
import pytest
import torch
from d2l import torch as d2l
from torch import nn
from torch.nn import functional as F

from helpers import (
    FashionMNIST,
    Trainer,
    init_he,
    load_record,
    load_records,
    load_runs,
    load_sample,
    load_weights,
    records,
    short_training,
    show_record,
)
from helpers.runs import best_precision


class Tiny(d2l.Classifier):
    """A small network that trains in no time."""
    def __init__(self, lr=0.1):
        super().__init__()
        self.save_hyperparameters()
        self.net = nn.Sequential(nn.AvgPool2d(4), nn.Flatten(),
                                 nn.Linear(49, 10))
        self.apply_init([torch.zeros(1, 1, 28, 28)])


class Data(d2l.DataModule):
    """Some batches, in full mode."""
    mode, batch_size, resize = 'full', 4, (28, 28)

    def __init__(self, batches):
        super().__init__()
        self.batches = batches

    def get_dataloader(self, train):
        return self.batches

    def facts(self):
        return {'dataset': 'some', 'train': 6, 'validation': 6,
                'sha256': '0'}


def batches(*sizes):
    torch.manual_seed(3)
    return [(torch.rand(n, 1, 28, 28), torch.randint(10, (n,)))
            for n in sizes]


@pytest.fixture
def results(tmp_path, monkeypatch):
    monkeypatch.setattr(records, 'CHECKOUT', tmp_path)
    monkeypatch.setattr(records, 'PACKAGED', tmp_path / 'packaged')
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path / 'cache'))
    (tmp_path / '_toc.yml').touch()
    return tmp_path / 'results'


def test_it_trains_as_a_plain_loop_does():
    data = FashionMNIST(batch_size=100)
    trainer = Trainer(max_epochs=2, seed=7, precision='fp32')
    model = Tiny()
    plain = copy.deepcopy(model.net)
    history = trainer.fit(model, data)

    optimizer = torch.optim.SGD(plain.parameters(), lr=0.1)
    torch.manual_seed(7)
    for row in history:
        losses = []
        for X, y in data.get_dataloader(train=True):
            loss = F.cross_entropy(plain(X), y, reduction='none')
            optimizer.zero_grad()
            loss.mean().backward()
            optimizer.step()
            losses.append(loss.detach())
        images, labels = data.val.data.float() / 255, data.val.targets
        with torch.no_grad():
            Y_hat = plain(images)
        assert row['train_loss'] == pytest.approx(
            torch.cat(losses).mean().item(), rel=1e-5)
        assert row['val_loss'] == pytest.approx(
            F.cross_entropy(Y_hat, labels).item(), rel=1e-5)
        assert row['val_acc'] == pytest.approx(
            (Y_hat.argmax(1) == labels).float().mean().item())
    for ours, theirs in zip(model.net.parameters(), plain.parameters()):
        assert torch.equal(ours, theirs)


def test_accuracy_counts_images_and_not_batches():
    model = Tiny()
    nn.init.zeros_(model.net[2].weight)
    model.net[2].bias = nn.Parameter(torch.eye(10)[3])  # always says 3
    model.lr = 0.0
    X = torch.zeros(6, 1, 28, 28)
    y = torch.tensor([3, 3, 3, 0, 0, 0])
    data = Data([(X[:5], y[:5]), (X[5:], y[5:])])
    history = Trainer(max_epochs=1).fit(model, data)
    assert history[0]['val_acc'] == pytest.approx(3 / 6)  # not (3/5 + 0) / 2


def test_the_same_seed_gives_the_same_run_and_another_another():
    def final(seed):
        trainer = Trainer(max_epochs=1, seed=seed)
        model, data = d2l.LeNet(), FashionMNIST(batch_size=64)
        model.apply_init([next(iter(data.get_dataloader(True)))[0]],
                         d2l.init_cnn)
        return trainer.fit(model, data)
    assert final(0) == final(0) != final(1)


def test_d2ls_own_classifiers_and_data_are_trained():
    data = d2l.SyntheticRegressionData(torch.tensor([2.0, -3.4]), 4.2,
                                       num_train=64, num_val=32)
    history = Trainer(max_epochs=3).fit(d2l.LinearRegression(lr=0.1), data)
    assert list(history[0]) == ['epoch', 'train_loss', 'val_loss']
    assert history[-1]['val_loss'] < history[0]['val_loss']


def test_gradients_are_clipped():
    model = Tiny(lr=1.0)
    before = copy.deepcopy(model.net[2])
    Trainer(max_epochs=1, gradient_clip_val=1e-3).fit(model,
                                                      Data(batches(4)))
    moved = sum((p - q).square().sum() for p, q in zip(
        model.net[2].parameters(), before.parameters())).sqrt()
    assert moved.item() == pytest.approx(1e-3, rel=1e-3)


def test_quick_mode_stops_after_two_epochs_and_records_nothing(
        results, capsys):
    history = Trainer(max_epochs=10, name='tiny', chapter='9-9-tiny').fit(
        Tiny(), FashionMNIST(batch_size=128))
    assert [row['epoch'] for row in history] == [1, 2]
    assert 'Quick run: 2 epochs of 512 images' in capsys.readouterr().out
    assert not results.exists()


def test_the_history_prints_as_a_table():
    history = Trainer(max_epochs=2).fit(Tiny(), Data(batches(4, 2)))
    lines = repr(history).split('\n')
    assert lines[0].split() == ['epoch', 'train_loss', 'val_loss', 'val_acc']
    assert [line.split()[0] for line in lines[1:]] == ['1', '2']


def test_a_full_run_is_appended_to_its_record(results, capsys):
    for seed in (0, 1, 0):
        Trainer(max_epochs=1, name='tiny', chapter='9-9-tiny', seed=seed,
                keep_weights=seed == 0).fit(Tiny(), Data(batches(4, 2)))
    record = json.loads((results / 'tiny.json').read_text())
    assert record['hyperparameters'] == {
        'initial_weights': 'pytorch', 'optimizer': 'SGD', 'lr': 0.1,
        'momentum': 0, 'batch_size': 4, 'epochs': 1, 'resize': [28, 28]}
    assert record['model'] == {'parameters': 500, 'macs': 490}
    assert [run['seed'] for run in record['runs']] == [0, 1, 0]
    assert [run['seed'] for run in load_runs('tiny')] == [0, 1]
    line = records.describe_run(record['runs'][0], 6)
    assert line in capsys.readouterr().out
    assert re.match(r'Full run: 1 epochs of 6 images, .*, \w+, \d+ s '
                    r'\([\d,]+ images/s, [\d,]+ MB\): train '
                    r'loss \d\.\d{3}, val loss \d\.\d{3}, val acc', line)
    assert not list(results.glob('*.partial'))


def test_a_record_is_shown_epoch_by_epoch_and_run_by_run(results, capsys):
    for seed in 0, 1, 0:
        Trainer(max_epochs=3, name='tiny', chapter='9-9-tiny',
                seed=seed).fit(Tiny(), Data(batches(4, 2)))
    record = json.loads((results / 'tiny.json').read_text())
    for i, run in enumerate(record['runs']):
        run.update(device=f'chip {i}', precision='fp32', seconds=1234.4)
        for row in run['epochs']:
            row.update(train_loss=i + row['epoch'] / 10, val_loss=7.004,
                       val_acc=0.12345)
    (results / 'tiny.json').write_text(json.dumps(record))
    capsys.readouterr()
    show_record('tiny', (1, 3))
    assert capsys.readouterr().out.split('\n') == [
        'seed 0, chip 2:',
        'epoch  1: training loss 2.10, validation loss 7.00, accuracy 0.123',
        'epoch  3: training loss 2.30, validation loss 7.00, accuracy 0.123',
        'all runs, at the end:',
        'seed 0: accuracy 0.123, chip 0, fp32, 1,234 s',
        'seed 1: accuracy 0.123, chip 1, fp32, 1,234 s',
        'seed 0: accuracy 0.123, chip 2, fp32, 1,234 s', '']


def test_a_run_with_other_hyperparameters_is_not_recorded(results, capsys):
    Trainer(max_epochs=1, name='tiny', chapter='9-9-tiny').fit(
        Tiny(), Data(batches(4)))
    before = (results / 'tiny.json').read_bytes()
    Trainer(max_epochs=1, name='tiny', chapter='9-9-tiny').fit(
        Tiny(lr=0.2), Data(batches(4)))
    said = capsys.readouterr().out.split('\n')
    warned = next(i for i, line in enumerate(said)
                  if 'will not be recorded: hyperparameters differ' in line)
    assert any(line.startswith('Full run') for line in said[warned:])
    assert (results / 'tiny.json').read_bytes() == before


def fit_tiny(model, **options):
    Trainer(max_epochs=1, name='tiny', chapter='9-9-tiny', **options).fit(
        model, Data(batches(4)))


def test_the_key_holds_the_rule_of_the_weights_and_the_optimizer(results):
    class Decays(Tiny):
        def configure_optimizers(self):
            return torch.optim.SGD(self.parameters(), lr=0.2, momentum=0.9,
                                   weight_decay=0.01)
    model = Decays()
    model.apply_init([torch.zeros(1, 1, 28, 28)], d2l.init_cnn)
    fit_tiny(model, gradient_clip_val=2)
    assert load_record('tiny')['hyperparameters'] == {
        'initial_weights': 'xavier', 'optimizer': 'SGD', 'lr': 0.2,
        'momentum': 0.9, 'weight_decay': 0.01, 'gradient_clip_val': 2,
        'batch_size': 4, 'epochs': 1, 'resize': [28, 28]}


def test_groups_of_parameters_with_rates_of_their_own_are_told_apart(results):
    class Two(Tiny):
        def configure_optimizers(self):
            return torch.optim.Adam([
                {'params': [self.net[2].weight], 'lr': 0.1},
                {'params': [self.net[2].bias], 'betas': (0.8, 0.9)}])
    for _ in range(2):  # what was written is what is compared
        fit_tiny(Two())
    key = load_record('tiny')['hyperparameters']
    assert (key['optimizer'], key['lr']) == ('Adam', [0.1, 0.001])
    assert key['betas'] == [[0.9, 0.999], [0.8, 0.9]]
    assert len(load_record('tiny')['runs']) == 2


def init_zero(module):
    if isinstance(module, nn.Linear):
        nn.init.zeros_(module.weight)


@pytest.mark.parametrize('init,rule', [
    (None, 'pytorch'), (d2l.init_cnn, 'xavier'), (init_he, 'he'),
    (init_zero, 'init_zero')])
def test_a_model_knows_the_rule_of_its_weights(init, rule):
    model = Tiny()
    plain = copy.deepcopy(model.net)
    torch.manual_seed(1)
    model.apply_init([torch.zeros(1, 1, 28, 28)], init)
    torch.manual_seed(1)
    if init:
        plain.apply(init)
    assert torch.equal(model.net[2].weight, plain[2].weight)
    assert model.initial_weights == rule


def test_runs_from_other_weights_are_another_record(results, capsys):
    fit_tiny(Tiny())
    other = Tiny()
    other.apply_init([torch.zeros(1, 1, 28, 28)], init_he)
    trained = Tiny()
    Trainer(max_epochs=1).fit(trained, Data(batches(4)))
    unknown = Tiny()
    del unknown.initial_weights
    for model, says in ((other, 'hyperparameters differ'),
                        (trained, 'hyperparameters differ'),
                        (unknown, 'nothing says from which weights')):
        capsys.readouterr()
        fit_tiny(model)
        assert says in capsys.readouterr().out
    assert len(load_record('tiny')['runs']) == 1


def test_runs_are_chosen_by_what_they_are(results):
    task = {'name': 'tiny', 'hyperparameters': {'initial_weights': 'he'}}
    for seed, device, seconds in ((1, 'a', 1), (0, 'a', 2), (0, 'b', 3),
                                  (0, 'a', 4)):
        records.append_run(task, {'seed': seed, 'device': device,
                                  'seconds': seconds, 'epochs': []})

    def chosen(**facts):
        return [run['seconds'] for run in load_runs('tiny', **facts)]
    assert chosen() == [4, 1]
    assert chosen(device='b') == [3]
    assert chosen(device='a', seed=0) == [4]
    with pytest.raises(ValueError, match="no run with {'seed': 7}"):
        chosen(seed=7)


RECORD_MANY = '''
import sys
from pathlib import Path
from helpers import records
records.CHECKOUT = Path(sys.argv[1])
task = {'name': 'tiny', 'hyperparameters': {'initial_weights': 'he'}}
print('ready', flush=True)
input()
for i in range(40):
    records.append_run(task, {'seed': int(sys.argv[2]), 'seconds': i,
                              'epochs': []})
'''


def test_two_processes_that_record_at_once_lose_nothing(results):
    both = [subprocess.Popen([sys.executable, '-c', RECORD_MANY,
                              results.parent, str(seed)], text=True,
                             stdin=subprocess.PIPE, stdout=subprocess.PIPE)
            for seed in (0, 1)]
    for process in both:
        assert process.stdout.readline() == 'ready\n'
    for process in both:  # now, both at once
        process.stdin.write('\n')
        process.stdin.flush()
    for process in both:
        process.communicate(timeout=600)
        assert process.returncode == 0
    runs = load_record('tiny')['runs']
    assert {(run['seed'], run['seconds']) for run in runs} == {
        (seed, i) for seed in (0, 1) for i in range(40)}
    assert len(runs) == 80


def test_a_record_begun_meanwhile_under_another_key_is_not_mixed(results):
    run = {'seed': 0, 'seconds': 1, 'epochs': []}
    task = {'name': 'tiny', 'hyperparameters': {'initial_weights': 'he'}}
    records.append_run(task, run)
    task = {'name': 'tiny', 'hyperparameters': {'initial_weights': 'xavier'}}
    with pytest.raises(RuntimeError, match='hyperparameters differ'):
        records.append_run(task, run)


# The short training

def make_tiny():
    return nn.Sequential(nn.Flatten(), nn.Linear(784, 20), nn.ReLU(),
                         nn.Dropout(0.5), nn.Linear(20, 10))


def test_a_short_training_is_a_plain_loop():
    X, y = (part[:70] for part in load_sample(train=True))
    losses, [net] = short_training(
        make_tiny, X, y, steps=5, lr=0.1, batch_size=32, seeds=[3],
        optimizer=partial(torch.optim.SGD, momentum=0.9))
    torch.manual_seed(3)
    plain = make_tiny()
    optimizer = torch.optim.SGD(plain.parameters(), lr=0.1, momentum=0.9)
    expected = []
    for sizes in (32, 32, 6), (32, 32):  # the second epoch is cut
        for i in torch.randperm(70).split(32)[:len(sizes)]:
            loss = F.cross_entropy(plain(X[i]), y[i])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            expected.append(loss.detach())
    assert torch.equal(losses, torch.stack(expected)[None])
    for ours, theirs in zip(net.parameters(), plain.parameters()):
        assert torch.equal(ours, theirs)


def test_a_short_training_of_several_seeds_is_a_row_for_each():
    X, y = load_sample()
    losses, nets = short_training(make_tiny, X, y, steps=4, lr=0.1,
                                  seeds=(5, 2))
    assert losses.shape == (2, 4) and len(nets) == 2
    alone, _ = short_training(make_tiny, X, y, steps=4, lr=0.1, seeds=(2,))
    assert torch.equal(losses[1:], alone) and not torch.equal(*losses)


def test_the_first_loss_of_a_network_of_zeros_is_ln_10():
    def make_zeros():
        net = make_tiny()
        for p in net.parameters():
            nn.init.zeros_(p)
        return net
    losses, _ = short_training(make_zeros, *load_sample(), steps=1, lr=0.1)
    assert losses.item() == pytest.approx(math.log(10))


def test_he_keeps_the_mean_square_behind_relus():
    torch.manual_seed(0)
    net = nn.Sequential(*[layer for _ in range(10) for layer in (
        nn.Linear(1000, 1000), nn.ReLU())]).apply(init_he)
    bias = nn.Linear(1000, 1000).apply(init_he).bias
    assert bias.abs().max() > 0  # PyTorch's own stay
    assert net[0].weight.std().item() == pytest.approx(
        (2 / 1000) ** 0.5, rel=0.01)
    X = torch.randn(100, 1000)
    with torch.no_grad():  # E[relu(z)^2] = var(z) / 2 = mean square of x
        assert net(X).square().mean().item() == pytest.approx(1, rel=0.2)
    conv = nn.Conv2d(16, 400, 3).apply(init_he)
    assert conv.weight.std().item() == pytest.approx(
        (2 / 144) ** 0.5, rel=0.01)


def test_weights_come_back_and_must_be_those_of_the_record(results):
    model = Tiny()
    Trainer(max_epochs=1, name='tiny', chapter='9-9-tiny',
            keep_weights=True).fit(model, Data(batches(4)))
    again = load_weights(Tiny(), 'tiny')
    assert torch.equal(again.net[2].weight, model.net[2].weight)
    assert not again.training
    weights = (results / 'tiny.pt').read_bytes()
    (results / 'tiny.pt').write_bytes(weights[:-1] + b'x')
    with pytest.raises(ValueError, match='does not belong to tiny.json'):
        load_weights(Tiny(), 'tiny')


def test_code_hidden_in_weights_is_not_run(results):
    class Bomb:
        def __reduce__(self):
            return Path.touch, (results / 'went-off',)

    Trainer(max_epochs=1, name='tiny', chapter='9-9-tiny',
            keep_weights=True).fit(Tiny(), Data(batches(4)))
    torch.save({'net.2.weight': Bomb()}, results / 'tiny.pt')
    record = json.loads((results / 'tiny.json').read_text())
    record['runs'][0]['weights_sha256'] = records._sha256(
        results / 'tiny.pt')
    (results / 'tiny.json').write_text(json.dumps(record))
    with pytest.raises(pickle.UnpicklingError):
        load_weights(Tiny(), 'tiny')
    assert not (results / 'went-off').exists()


def test_records_come_in_the_order_of_their_chapters():
    records = load_records()
    assert {'lenet', 'vgg', 'resnet18'} <= {record['name']
                                            for record in records}
    assert 'bench' not in [record.get('name') for record in records]
    chapters = [record['chapter'] for record in records]
    assert chapters == sorted(chapters)


def test_a_damaged_record_is_named(results):
    results.mkdir()
    (results / 'tiny.json').write_text('<<<<<<< HEAD')
    for read in load_records, lambda: load_runs('tiny'):
        with pytest.raises(ValueError, match='tiny.json is no record any mo'):
            read()


def test_a_missing_record_says_what_writes_it(results):
    with pytest.raises(FileNotFoundError, match='no nothing.json yet'):
        load_runs('nothing')


def test_a_record_is_written_whole_or_not_at_all(results):
    results.mkdir()
    path = results / 'some.json'
    path.write_text('good')

    def fail(file):
        file.write(b'half')
        raise OSError('No space left on device')
    with pytest.raises(OSError, match='No space'):
        records.write_whole(path, fail)
    assert path.read_text() == 'good'
    assert [p.name for p in results.iterdir()] == ['some.json']


@pytest.mark.parametrize('epochs', [0, -3])
def test_no_epoch_is_an_error(epochs):
    with pytest.raises(ValueError, match='at least one epoch'):
        Trainer(max_epochs=epochs)


def test_a_name_without_a_chapter_is_an_error():
    with pytest.raises(ValueError, match='with its chapter'):
        Trainer(max_epochs=1, name='tiny')


def test_an_empty_loader_is_an_error():
    with pytest.raises(ValueError, match='no batch'):
        Trainer(max_epochs=1).fit(Tiny(), Data([]))


def test_a_loss_that_is_not_finite_names_epoch_and_batch():
    class Breaks(Tiny):
        count = 0

        def loss(self, Y_hat, Y, averaged=True):
            if self.training:
                self.count += 1
            value = super().loss(Y_hat, Y, averaged)
            return value * (torch.nan if self.count == 5 else 1)

    model = Breaks()
    with pytest.raises(FloatingPointError, match='nan in epoch 2, batch 2'):
        Trainer(max_epochs=3).fit(model, Data(batches(4, 4, 4)))
    assert 'plot' not in vars(model)  # d2l's own method is back


def test_a_trained_model_can_be_copied_and_measured():
    from helpers import count_macs
    model = Tiny()
    Trainer(max_epochs=1).fit(model, Data(batches(4)))
    copy.deepcopy(model)
    assert count_macs(model, (1, 1, 28, 28)) == 490


def test_settings_of_the_reader_are_left_alone():
    settings = dict(matplotlib.rcParams)
    threads = torch.get_num_threads()
    Trainer(max_epochs=1).fit(Tiny(), FashionMNIST(batch_size=128))
    assert dict(matplotlib.rcParams) == settings
    assert torch.get_num_threads() == threads
    assert torch.is_grad_enabled()


def test_lenet_is_bitwise_that_of_d2ls_trainer_with_the_switches_off():
    finals = []
    for make in (lambda: Trainer(max_epochs=2, precision='fp32',
                                 channels_last=False),
                 lambda: d2l.Trainer(max_epochs=2)):
        trainer, data = make(), FashionMNIST(batch_size=128)
        torch.manual_seed(5)
        model = d2l.LeNet(lr=0.5)
        model.apply_init([torch.zeros(1, 1, 28, 28)], d2l.init_cnn)
        model.plot = lambda *_, **__: None  # d2l's draws after every batch
        torch.manual_seed(0)
        trainer.fit(model, data)
        finals.append(model.state_dict())
    ours, theirs = finals
    for name, value in theirs.items():
        assert torch.equal(ours[name], value), name


@pytest.mark.parametrize('precision', ['bf16', 'fp16'])
def test_lower_precision_stays_close_and_is_named(precision, capsys):
    histories = {}
    for each in ('fp32', precision):
        trainer = Trainer(max_epochs=2, precision=each)
        model = Tiny(lr=0.1)
        nn.init.constant_(model.net[2].weight, 0.01)
        histories[each] = trainer.fit(model, FashionMNIST(batch_size=128))
        assert {p.dtype for p in model.parameters()} == {torch.float32}
    assert f', {precision}, ' in capsys.readouterr().out
    exact, rounded = histories['fp32'][-1], histories[precision][-1]
    assert rounded['train_loss'] == pytest.approx(exact['train_loss'],
                                                  rel=0.01)
    assert rounded != exact  # it did compute in another precision


def test_the_loss_of_a_rounded_network_is_not_rounded():
    seen = []

    class Looks(Tiny):
        def loss(self, Y_hat, Y, averaged=True):
            value = super().loss(Y_hat, Y, averaged)
            seen.append((Y_hat.dtype, value.dtype))
            return value

    Trainer(max_epochs=1, precision='bf16').fit(Looks(), Data(batches(4)))
    assert set(seen) == {(torch.float32, torch.float32)}


def test_fp16_leaves_out_a_step_whose_gradients_overflow():
    model = Tiny()
    data = Data(batches(4))
    data.batches[0][0].mul_(100)  # the scaled gradient is above 65504
    before = model.net[2].weight.clone()
    Trainer(max_epochs=1, precision='fp16').fit(model, data)
    assert torch.equal(model.net[2].weight, before)


def test_a_gpu_that_torch_cannot_use_is_left_alone(monkeypatch):
    monkeypatch.setattr(torch.cuda, 'device_count', lambda: 1)
    monkeypatch.setattr(torch.cuda, 'is_available', lambda: False)
    trainer = Trainer(max_epochs=1)
    assert trainer.device.type == 'cpu' and not trainer.gpus
    assert len(trainer.fit(Tiny(), Data(batches(4)))) == 1


@pytest.mark.parametrize('cpu,gpu,expected', [
    (True, None, 'bf16'), (False, None, 'fp32'), (False, True, 'bf16'),
    (True, False, 'fp16')])
def test_the_precision_is_what_the_hardware_has(monkeypatch, cpu, gpu,
                                                expected):
    monkeypatch.setattr(torch.cpu, '_is_avx512_bf16_supported', lambda: cpu)
    monkeypatch.setattr(torch.cuda, 'is_bf16_supported',
                        lambda including_emulation: gpu)
    device = torch.device('cpu' if gpu is None else 'cuda')
    assert best_precision(device) == expected


def test_an_unknown_precision_is_an_error():
    with pytest.raises(ValueError, match='precision=half is not one of fp32'):
        Trainer(max_epochs=1, precision='half')


def test_images_that_do_not_fit_on_the_device_stay_where_they_are():
    class Large:
        def to(self, device):
            raise torch.OutOfMemoryError

    loader = Large()
    assert Trainer(max_epochs=1)._to_device(loader) is loader
