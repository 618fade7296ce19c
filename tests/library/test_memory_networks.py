"""Memory networks with hard lookups: by hand, by pairs, and their margins."""

import numpy
import pytest
import torch

from attnbook.memory import (
    MemoryNetwork,
    evaluate_strongly,
    margin_loss,
    strong,
    train_strongly,
)
from attnbook.tasks import Vocabulary, encode, examples, make_stories

TINY = {
    "sentences": torch.tensor([[0, 0], [1, 2], [3, 2], [3, 0], [4, 4]]),
    "memory": torch.tensor([[3, 2, 1, 4], [1, 2, 0, 0], [2, 0, 0, 0]]),
    "questions": torch.tensor([[1, 3], [2, 0], [4, 1]]),
}
SUPPORT = torch.tensor([[1, 2], [1, -1], [0, -1]])
ANSWERS = torch.tensor([4, 1, 2])


def network(seed=0, std=0.7, **options):
    model = MemoryNetwork(5, **{"d_model": 3, "models": 2, **options}).double()
    model.reset_parameters(torch.Generator().manual_seed(seed))
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(std / 0.1)
    return model


class ByHand:
    """Weston, Chopra and Bordes (2015), section 3, with feature vectors of D = 3 |W| + 3."""

    def __init__(self, model, index):
        def columns(u):
            return u[:, :, index].detach().numpy().reshape(-1, model.d_model)

        self.words = model.vocabulary_size
        t = numpy.zeros((3, model.d_model)) if model.u_t is None else columns(model.u_t)
        self.u_o = numpy.concatenate([columns(model.u_o), t]).T  # (d, D)
        self.u_r = numpy.concatenate([columns(model.u_r), numpy.zeros_like(t)]).T

    def phi(self, kind, words):
        vector = numpy.zeros(3 * self.words + 3)
        for word in words:
            if word:
                vector[kind * self.words + word] += 1
        return vector

    def phi_x(self, question, found):
        return self.phi(1, question) + sum((self.phi(2, m) for m in found), 0 * self.phi(1, []))

    def s(self, u, phi_x, phi_y):
        return phi_x @ u.T @ u @ phi_y

    def s_ot(self, phi_x, y, y_other, ages):
        x_age, y_age, other_age = ages
        phi_t = self.phi(0, [])
        phi_t[-3:] = x_age > y_age, x_age > other_age, y_age > other_age
        return self.s(self.u_o, phi_x, self.phi(0, y) - self.phi(0, y_other) + phi_t)

    def look_up(self, memory, question, found, time):
        phi_x = self.phi_x(question, [memory[f] for f in found])
        if not time:
            scores = [self.s(self.u_o, phi_x, self.phi(0, m)) for m in memory]
            return int(numpy.argmax(scores))
        x_age = found[-1] if found else -1
        best = 0
        for slot in range(1, len(memory)):
            ages = (x_age, slot, best)
            if self.s_ot(phi_x, memory[slot], memory[best], ages) > 0:
                best = slot
        return best

    def respond(self, memory, question, found):
        phi_x = self.phi_x(question, [memory[f] for f in found])
        return [self.s(self.u_r, phi_x, self.phi(0, [w])) for w in range(self.words)]

    def loss(self, memory, question, answer, support, time, hops, margin):
        total = 0
        for hop in range(hops):
            found, right = support[:hop], support[hop]
            if right < 0:
                continue
            phi_x = self.phi_x(question, [memory[max(f, 0)] for f in found])
            x_age = max(found[-1], 0) if found else -1
            for wrong in set(range(len(memory))) - {right}:
                if time:
                    wins = self.s_ot(phi_x, memory[right], memory[wrong], (x_age, right, wrong))
                    loses = self.s_ot(phi_x, memory[wrong], memory[right], (x_age, wrong, right))
                    total += max(0, margin - wins) + max(0, margin + loses)
                else:
                    y, other = self.phi(0, memory[right]), self.phi(0, memory[wrong])
                    total += max(
                        0, margin - self.s(self.u_o, phi_x, y) + self.s(self.u_o, phi_x, other)
                    )
        scores = self.respond(memory, question, [max(f, 0) for f in support[:hops]])
        for word in set(range(self.words)) - {answer}:
            total += max(0, margin - scores[answer] + scores[word])
        return total


def rows():
    for row in range(3):
        memory = [TINY["sentences"][s].tolist() for s in TINY["memory"][row] if s]
        yield row, memory, TINY["questions"][row].tolist()


@pytest.mark.parametrize("time", [True, False])
@pytest.mark.parametrize("hops", [1, 2])
@pytest.mark.parametrize("seed", range(12))
def test_lookups_and_answers_equal_those_by_hand(time, hops, seed):
    model = network(seed, time=time, hops=hops)
    if time:
        with torch.no_grad():
            model.u_t.mul_(5)  # so that age decides often
    scores, found = model(**TINY)
    assert found.shape == (3, 2, hops)
    for row, memory, question in rows():
        for index in range(2):
            hand, before = ByHand(model, index), []
            for hop in range(hops):
                before.append(hand.look_up(memory, question, before, time))
                assert int(found[row, index, hop]) == before[-1]
            expected = hand.respond(memory, question, before)
            numpy.testing.assert_allclose(scores[row, index].detach(), expected, atol=1e-12)


@pytest.mark.parametrize("time", [True, False])
@pytest.mark.parametrize("hops", [1, 2])
@pytest.mark.parametrize("margin", [0.1, 1.0])
def test_loss_equals_the_sums_of_the_paper(time, hops, margin):
    model = network(time=time, hops=hops)
    loss = margin_loss(model, *TINY.values(), ANSWERS, SUPPORT, margin=margin)
    for row, memory, question in rows():
        for index in range(2):
            expected = ByHand(model, index).loss(
                memory, question, int(ANSWERS[row]), SUPPORT[row].tolist(), time, hops, margin
            )
            assert float(loss[row, index].detach()) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("time", [True, False])
def test_gradients(time):
    model = network(time=time, hops=2, models=1, d_model=2)
    names, values = zip(*model.named_parameters(), strict=True)

    def loss(*parameters):
        given = dict(zip(names, parameters, strict=True))
        for name in ("u_o", "u_r"):  # no word is not a weight: its gradient is held at 0
            given[name] = torch.cat([torch.zeros_like(given[name][:, :1]), given[name][:, 1:]], 1)
        given = {f"model.{name}": value for name, value in given.items()}
        return torch.func.functional_call(Loss(model), given, ())

    assert torch.autograd.gradcheck(loss, [v.detach().clone().requires_grad_() for v in values])


class Loss(torch.nn.Module):
    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self):
        return margin_loss(self.model, *TINY.values(), ANSWERS, SUPPORT, margin=0.37)


@pytest.mark.parametrize("time", [True, False])
def test_padding_is_never_found(time):
    for seed in range(10):
        model = network(seed, time=time, hops=2)
        scores, found = model(**TINY)
        assert (found[1] < 2).all()
        assert (found[2] == 0).all()
        padded = {**TINY, "memory": torch.nn.functional.pad(TINY["memory"], (0, 3))}
        more, same = model(**padded)
        assert (same == found).all()
        assert torch.allclose(more, scores)


def test_each_model_is_its_own():
    model = network(hops=2)
    scores, found = model(**TINY)
    for index in range(2):
        alone = MemoryNetwork(5, d_model=3, hops=2).double()
        with torch.no_grad():
            for mine, its in zip(model.parameters(), alone.parameters(), strict=True):
                its.copy_(mine[..., index : index + 1, :])
        its_scores, its_found = alone(**TINY)
        assert torch.allclose(its_scores[:, 0], scores[:, index])
        assert (its_found[:, 0] == found[:, index]).all()


@pytest.mark.parametrize(("task", "hops", "most"), [(1, 1, 2), (2, 2, 25)])
def test_learns_to_find_the_facts_that_it_is_told(task, hops, most):
    told, asked = (examples(make_stories(task, n, seed=n)) for n in (600, 200))
    words = Vocabulary(told + asked)
    torch.manual_seed(0)
    model = MemoryNetwork(len(words), hops=hops, models=2)
    history = train_strongly(model, encode(told, words), epochs=12)
    wrong, astray = evaluate_strongly(model, encode(asked, words))
    assert wrong.max() <= most
    assert astray.max() <= most
    assert (history[-1] < 0.5 * history[0]).all()


def test_of_equal_memories_the_newest_is_found():
    model = network()
    with torch.no_grad():
        model.u_t.zero_()
    memory = torch.tensor([[1, 2, 1, 2]])
    _, found = model(TINY["sentences"], memory, TINY["questions"][:1])
    assert (found < 2).all()


def test_no_word_stays_nothing():
    model = network(hops=2)
    margin_loss(model, *TINY.values(), ANSWERS, SUPPORT, margin=9.0).sum().backward()
    assert (model.u_o.grad[:, 0] == 0).all()
    assert (model.u_r.grad[:, 0] == 0).all()


def test_rate_falls_to_0_in_a_straight_line(monkeypatch):
    told = examples(make_stories(1, 20, seed=1))
    words, rates = Vocabulary(told), []
    monkeypatch.setattr(strong, "descend", lambda model, loss, rate, clip: rates.append(rate))
    train_strongly(MemoryNetwork(len(words)), encode(told, words), epochs=4, rate=0.8)
    assert rates == pytest.approx([0.8, 0.6, 0.4, 0.2])


def test_without_time_the_latest_place_cannot_be_told():
    told = examples(make_stories(1, 400, seed=1))
    words = Vocabulary(told)
    model = MemoryNetwork(len(words), time=False)
    train_strongly(model, encode(told, words), epochs=6)
    wrong, astray = evaluate_strongly(model, encode(told, words))
    assert astray > 15
    assert wrong > 10


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: MemoryNetwork(0), "vocabulary_size must be at least 1"),
        (lambda: MemoryNetwork(5, hops=0), "hops must be at least 1"),
        (lambda: MemoryNetwork(5, models=0), "models must be at least 1"),
        (lambda: MemoryNetwork(5, d_model=0), "d_model must be at least 1"),
        (
            lambda: margin_loss(network(hops=3), *TINY.values(), ANSWERS, SUPPORT),
            r"support has shape \(3, 2\); for 3 hops it must be \(B, F\) with F >= 3",
        ),
        (
            lambda: margin_loss(network(), *TINY.values(), ANSWERS, SUPPORT, margin=0),
            "margin must be > 0",
        ),
        (lambda: train_strongly(network(), None, epochs=0), "epochs must be at least 1"),
    ],
)
def test_errors(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_time_is_a_switch():
    with pytest.raises(TypeError, match="time must be True or False"):
        MemoryNetwork(5, time=1)
