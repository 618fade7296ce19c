"""Training: the steps, the two tricks, and that restarts in one network do not know each other."""

import copy
from math import ceil

import pytest
import torch

from attnbook.memory import EndToEndMemoryNetwork, History, Schedule, evaluate, random_ages, train
from attnbook.memory import training as module
from attnbook.tasks import Vocabulary, encode, examples, make_stories

TOLD = examples(make_stories(1, 200, seed=1))
WORDS = Vocabulary(TOLD)
DATA = encode(TOLD, WORDS)


def network(models=2, seed=0, **options):
    options = {"hops": 2, "encoding": "centred", "empty": 1, **options}
    model = EndToEndMemoryNetwork(len(WORDS), 12, models=models, **options)
    model.reset_parameters(torch.Generator().manual_seed(seed))
    return model


def losses(model, data=DATA):
    arrays = (data.sentences, data.memory, data.questions)
    scores = model(*(torch.as_tensor(array) for array in arrays))
    answers = torch.as_tensor(data.answers)
    return torch.stack(
        [
            torch.nn.functional.cross_entropy(scores[:, index], answers, reduction="none")
            for index in range(model.models)
        ],
        dim=1,
    )


@pytest.mark.parametrize("tying", ["adjacent", "layerwise"])
@pytest.mark.parametrize("clip", [1e9, 0.5])
def test_a_step_is_that_of_each_model_alone(tying, clip):
    model = network(models=3, tying=tying).double()
    alone = [model.one(index) for index in range(3)]
    module.descend(model, losses(model).sum(0), 0.01, clip)
    for index, one in enumerate(alone):
        optimizer = torch.optim.SGD(one.parameters(), lr=0.01)
        losses(one).sum().backward()
        torch.nn.utils.clip_grad_norm_(one.parameters(), clip)
        optimizer.step()
        for mine, its in zip(model.one(index).parameters(), one.parameters(), strict=True):
            assert torch.allclose(mine, its, atol=1e-7)


def test_no_gradient_is_no_step():
    model = network()
    before = copy.deepcopy(model.state_dict())
    module.descend(model, 0 * losses(model).sum(0), 0.1, 40.0)
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())


def test_restarts_together_are_restarts_alone():
    schedule = Schedule(epochs=3, noise=0.1)
    model = network(models=3)
    alone = model.one(1)
    together = train(model, DATA[:180], DATA[180:], schedule, seed=4)
    single = train(alone, DATA[:180], DATA[180:], schedule, seed=4)
    assert torch.allclose(model.one(1).words, alone.words, atol=1e-5)
    for name in ("loss", "validation_loss", "validation_error"):
        for mine, its in zip(getattr(together, name), getattr(single, name), strict=True):
            assert torch.allclose(mine[1:2], its, atol=1e-4)


def test_seed_decides():
    ends = []
    for seed in (1, 1, 2):
        model = network()
        train(model, DATA, DATA, Schedule(epochs=1, noise=0.1), seed=seed)
        ends.append(model.words.detach())
    assert torch.equal(ends[0], ends[1])
    assert not torch.allclose(ends[0], ends[2])


def test_noise_changes_the_ages_in_training():
    ends = []
    for noise in (0.0, 0.5):
        model = network()
        train(model, DATA, DATA, Schedule(epochs=1, noise=noise), seed=1)
        ends.append(model.words.detach())
    assert not torch.allclose(*ends)


def test_rate_is_halved(monkeypatch):
    rates = []
    monkeypatch.setattr(module, "descend", lambda model, loss, rate, clip: rates.append(rate))
    schedule = Schedule(epochs=5, batch_size=200, rate=0.08, halve_every=2)
    train(network(), DATA, DATA, schedule)
    assert rates == pytest.approx([0.08, 0.08, 0.04, 0.04, 0.02])


def test_rate_starts_anew_after_a_linear_start(monkeypatch):
    rates = []
    monkeypatch.setattr(module, "descend", lambda model, loss, rate, clip: rates.append(rate))
    schedule = Schedule(
        epochs=3, batch_size=200, rate=0.08, halve_every=1, linear_start=2, patience=9
    )
    train(network(), DATA, DATA, schedule)
    assert rates == pytest.approx([0.08, 0.08, 0.08, 0.04, 0.02])


def test_the_paper_s_settings():
    schedule = Schedule()
    assert (schedule.epochs, schedule.batch_size, schedule.rate) == (100, 32, 0.01)
    assert (schedule.halve_every, schedule.clip) == (25, 40.0)
    assert schedule.linear_start == schedule.noise == 0


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"epochs": -1}, ValueError, "epochs must be at least 0; got -1"),
        ({"epochs": 1.5}, TypeError, "epochs must be an integer; got 1.5"),
        ({"batch_size": 0}, ValueError, "batch_size must be at least 1; got 0"),
        ({"rate": 0.0}, ValueError, "rate must be > 0"),
        ({"rate": float("inf")}, ValueError, "rate must be > 0 and finite"),
        ({"halve_every": 0}, ValueError, "halve_every must be at least 1"),
        ({"clip": -1.0}, ValueError, "clip must be > 0"),
        ({"linear_start": -1}, ValueError, "linear_start must be at least 0"),
        ({"patience": 0}, ValueError, "patience must be at least 1"),
        ({"noise": -0.1}, ValueError, "noise must be at least 0; got -0.1"),
    ],
)
def test_errors_in_the_schedule(change, error, message):
    with pytest.raises(error, match=message):
        Schedule(**change)


def test_batches_hold_each_example_once(monkeypatch):
    seen = []
    batch = module.Tensors.batch
    monkeypatch.setattr(
        module.Tensors, "batch", lambda self, which: (seen.append(which), batch(self, which))[1]
    )
    monkeypatch.setattr(module, "evaluate", lambda model, data: (torch.zeros(2), torch.zeros(2)))
    train(network(), DATA, DATA, Schedule(epochs=2))
    assert [len(which) for which in seen] == [32] * 6 + [8] + [32] * 6 + [8]
    first, second = torch.cat(seen[:7]), torch.cat(seen[7:])
    assert first.sort().values.tolist() == second.sort().values.tolist() == list(range(200))
    assert first.tolist() != second.tolist()


@pytest.mark.parametrize("patience", [1, 3])
def test_the_softmax_comes_back_when_validation_stops_falling(monkeypatch, patience):
    ahead = iter([3.0, 2.0, 2.5, 2.6, 2.7] + [1.0] * 99)
    during = []

    def evaluated(model, data):
        during.append(model.linear)
        return torch.full((2,), next(ahead)), torch.zeros(2)

    monkeypatch.setattr(module, "evaluate", evaluated)
    model = network()
    schedule = Schedule(epochs=4, linear_start=20, patience=patience)
    history = train(model, DATA[:32], DATA[:32], schedule)
    linear = 2 + patience
    assert history.linear == during == [True] * linear + [False] * 4
    assert model.linear is False


def test_a_linear_start_has_an_end(monkeypatch):
    ahead = iter(range(100, 0, -1))
    monkeypatch.setattr(
        module, "evaluate", lambda model, data: (torch.full((2,), 1.0 * next(ahead)), None)
    )
    history = train(network(), DATA[:32], DATA[:32], Schedule(epochs=2, linear_start=3))
    assert history.linear == [True, True, True, False, False]


def test_linear_start_leaves_out_the_softmax():
    told = {"epochs": 1, "patience": 9}
    model, plain = network(), network()
    train(model, DATA, DATA, Schedule(linear_start=1, **told))
    train(plain, DATA, DATA, Schedule(**told))
    assert not torch.allclose(model.words, plain.words)


def test_without_noise_ages_are_the_slots():
    memory = torch.tensor([[1, 2, 3, 0], [1, 0, 0, 0]])
    ages = random_ages(memory, 10, 0.0)
    assert ages.tolist() == [[0, 1, 2, 3], [0, 3, 3, 3]] or (ages[0, :3].tolist() == [0, 1, 2])
    assert ages[1, 0] == 0


@pytest.mark.parametrize("noise", [0.1, 0.5])
def test_noise_leaves_gaps_in_the_ages(noise):
    lengths = torch.arange(1, 41).repeat(50)
    memory = (torch.arange(40) < lengths[:, None]).long()
    ages = random_ages(memory, 100, noise, torch.Generator().manual_seed(0))
    assert ages.shape == memory.shape
    blanks = []
    for row, n in zip(ages, lengths.tolist(), strict=True):
        told = row[:n]
        assert (told[1:] > told[:-1]).all()
        assert told[0] >= 0
        assert told[-1] < n + ceil(noise * n - 1e-6)
        blanks.append(int(told[-1]) - (n - 1))
    assert max(blanks) == ceil(noise * 40)
    assert 0.1 < sum(b == 0 for b in blanks) / len(blanks) < 0.8


def test_every_number_of_empty_memories_is_as_likely():
    memory = torch.ones(6000, 10, dtype=int)
    ages = random_ages(memory, 50, 0.2, torch.Generator().manual_seed(0))
    # With z of 10 + z places empty, the last sentence is in the last place with chance 10/(10+z).
    share = sum(10 / (10 + z) * (z == 2) for z in range(3)) / 3
    assert abs(float((ages[:, -1] == 11).float().mean()) - share) < 0.02
    # The first sentence is in the first place with chance 10/(10+z).
    share = sum(10 / (10 + z) for z in range(3)) / 3
    assert abs(float((ages[:, 0] == 0).float().mean()) - share) < 0.02


def test_ages_beyond_the_last_row_are_the_last_row():
    ages = random_ages(torch.ones(300, 10, dtype=int), 10, 0.5, torch.Generator().manual_seed(0))
    assert ages.max() == 9


def test_evaluate_is_the_mean_of_all_examples():
    model = network()
    loss, error = evaluate(model, DATA, batch_size=7)
    expected = losses(model).mean(0).detach()
    assert torch.allclose(loss, expected, atol=1e-5)
    scores = model(*(torch.as_tensor(x) for x in (DATA.sentences, DATA.memory, DATA.questions)))
    wrong = (scores.argmax(-1) != torch.as_tensor(DATA.answers)[:, None]).double().mean(0)
    assert torch.allclose(error.double(), 100 * wrong)


def test_best_is_by_error_then_by_loss_and_never_nan():
    history = History(
        validation_error=[torch.tensor([0.0, 9, 9, 9]), torch.tensor([5.0, 4, 4, 4])],
        validation_loss=[torch.zeros(4), torch.tensor([0.0, torch.nan, 0.3, 0.2])],
    )
    assert history.best() == 3


def test_progress_is_told_of_every_epoch():
    seen = []

    def progress(epochs):
        for epoch in epochs:
            seen.append(epoch)
            yield epoch

    train(network(), DATA[:32], DATA[:32], Schedule(epochs=3), progress=progress)
    assert seen == [0, 1, 2]


def test_learns_the_first_task():
    told, asked = (examples(make_stories(1, n, seed=n)) for n in (1000, 300))
    words = Vocabulary(told + asked)
    told, asked = encode(told, words), encode(asked, words)
    model = EndToEndMemoryNetwork(len(words), 10, hops=1, encoding="centred", models=2)
    model.reset_parameters(torch.Generator().manual_seed(0))
    history = train(model, told[:900], told[900:], Schedule(epochs=20))
    assert evaluate(model, asked)[1].max() < 5
    assert len(history.loss) == 20
