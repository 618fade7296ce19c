"""End-to-end memory networks against calculations by hand, soft lookup and finite differences."""

import math

import numpy
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from attnbook.attention import attention
from attnbook.lookup import soft_lookup
from attnbook.memory import EndToEndMemoryNetwork, position_encoding
from attnbook.tasks import Vocabulary, encode, examples, make_stories

TINY = {
    "sentences": torch.tensor([[0, 0], [1, 2], [3, 2], [3, 0]]),
    "memory": torch.tensor([[3, 2, 1], [1, 2, 0]]),
    "questions": torch.tensor([[1, 3], [2, 0]]),
}


def network(*arguments, seed=0, dtype=torch.float64, std=0.5, **options):
    model = EndToEndMemoryNetwork(*arguments, **options).to(dtype)
    model.reset_parameters(torch.Generator().manual_seed(seed))
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(std / 0.1)
    return model


def softmax(x):
    e = numpy.exp(x - x.max(initial=-numpy.inf))
    return e / e.sum() if len(e) else e


def by_hand(model, sentences, memory, question, ages=None, linear=False, index=0):
    """Sukhbaatar et al. (2015), sections 2 and 4.1, for one model and one question, in NumPy.

    Word by word and slot by slot, for both kinds of tying, from the tables by their names.
    """
    words = model.words[:, :, index].detach().numpy()
    times = None if model.times is None else model.times[:, :, index].detach().numpy()
    d, hops = model.d_model, model.hops
    if model.tying == "adjacent":
        a, c = list(range(hops)), list(range(1, hops + 1))
        b, w, h = 0, hops, numpy.eye(d)
    else:
        a, c = [0] * hops, [1] * hops
        b, w, h = 2, 3, model.mix[:, 0, index].detach().numpy().T

    def code(table, numbers):
        numbers = [n for n in numbers if n]
        total = numpy.zeros(d)
        for j, number in enumerate(numbers, start=1):
            for k in range(1, d + 1):
                factor = 1.0
                if model.encoding == "position":
                    factor = (1 - j / len(numbers)) - (k / d) * (1 - 2 * j / len(numbers))
                if model.encoding == "centred":
                    middle = (len(numbers) + 1) / 2
                    factor = 1 + 4 * (k - (d + 1) / 2) * (j - middle) / (d * len(numbers))
                total[k - 1] += factor * words[number, table, k - 1]
        return total

    u, seen = code(b, question), []
    slots = [slot for slot, s in enumerate(memory) if s]
    for hop in range(hops):
        keys, values = [], []
        for slot in slots:
            age = slot if ages is None else ages[slot]
            key, value = (
                code(a[hop], sentences[memory[slot]]),
                code(c[hop], sentences[memory[slot]]),
            )
            if times is not None:
                key, value = key + times[age, a[hop]], value + times[age, c[hop]]
            keys.append(key)
            values.append(value)
        for _ in range(model.empty):
            keys.append(numpy.zeros(d))
            values.append(numpy.zeros(d))
        scores = numpy.array([u @ key for key in keys])
        weights = scores if linear else softmax(scores)
        o = sum((p * value for p, value in zip(weights, values, strict=True)), numpy.zeros(d))
        u = h @ u + o
        seen.append(weights)
    return words[:, w] @ u, numpy.array(seen)


@pytest.mark.parametrize("tying", ["adjacent", "layerwise"])
@pytest.mark.parametrize("encoding", ["position", "centred", "bag"])
@pytest.mark.parametrize("time", [True, False])
@pytest.mark.parametrize("linear", [True, False])
@pytest.mark.parametrize("hops", [1, 2, 3])
def test_equals_a_calculation_by_hand(tying, encoding, time, linear, hops):
    model = network(4, 5, d_model=3, hops=hops, tying=tying, encoding=encoding, time=time, models=2)
    model.linear = linear
    ages = torch.tensor([[0, 2, 4], [1, 3, 0]])
    for given_ages in (None, ages):
        scores, weights = model(**TINY, ages=given_ages, return_weights=True)
        for row in range(2):
            for index in range(2):
                expected, seen = by_hand(
                    model,
                    TINY["sentences"].tolist(),
                    TINY["memory"][row].tolist(),
                    TINY["questions"][row].tolist(),
                    None if given_ages is None else given_ages[row].tolist(),
                    linear,
                    index,
                )
                numpy.testing.assert_allclose(scores[row, index].detach(), expected, atol=1e-12)
                n = seen.shape[1]
                numpy.testing.assert_allclose(weights[row, index, :, :n].detach(), seen, atol=1e-12)
                assert (weights[row, index, :, n:] == 0).all()


def test_numbers_that_fit_on_paper():
    """One hop, two words, d = 2, no time, bag: u = (ln 3, 0), m = (1, 0) and (0, 1)."""
    model = EndToEndMemoryNetwork(4, 2, d_model=2, hops=1, encoding="bag", time=False).double()
    with torch.no_grad():
        model.words.zero_()
        model.words[1, 0, 0] = torch.tensor([1.0, 0.0])
        model.words[2, 0, 0] = torch.tensor([0.0, 1.0])
        model.words[3, 0, 0] = torch.tensor([math.log(3), 0.0], dtype=torch.float64)
        model.words[1, 1, 0] = torch.tensor([4.0, 0.0])
        model.words[2, 1, 0] = torch.tensor([0.0, 8.0])
    scores, weights = model(
        torch.tensor([[0], [1], [2]]),
        torch.tensor([[2, 1]]),
        torch.tensor([[3]]),
        return_weights=True,
    )
    # p = softmax(0, ln 3) = (1/4, 3/4); o = (3, 2); u + o = (3 + ln 3, 2)
    numpy.testing.assert_allclose(weights[0, 0, 0].detach(), [0.25, 0.75])
    numpy.testing.assert_allclose(
        scores[0, 0].detach(), [0, 4 * (3 + math.log(3)), 16, 0], rtol=1e-12
    )


@given(st.integers(1, 6), st.integers(0, 1000))
def test_one_hop_with_identity_embeddings_is_soft_lookup(n, seed):
    """A, B and C the identity: a sentence of one word is found by it and says it."""
    size = n + 1
    model = EndToEndMemoryNetwork(
        size, n, d_model=size, hops=1, encoding="bag", tying="layerwise", time=False
    ).double()
    rng = numpy.random.default_rng(seed)
    with torch.no_grad():
        model.words.zero_()
        for table in range(4):
            model.words[:, table, 0] = torch.eye(size)
        model.words[0] = 0
        model.mix.zero_()  # o alone, without u
    sentences = torch.arange(size)[:, None]
    memory = torch.tensor(rng.permutation(n)[None] + 1)
    question = torch.tensor(rng.integers(1, size, (1, 3)))
    scores, weights = model(sentences, memory, question, return_weights=True)
    one_hot = numpy.eye(size)
    query = one_hot[question[0].numpy()].sum(0)
    entries = one_hot[memory[0].numpy()]
    out, looked = soft_lookup(query, entries, entries, return_weights=True)
    numpy.testing.assert_allclose(scores[0, 0].detach(), out, atol=1e-12)
    numpy.testing.assert_allclose(weights[0, 0, 0].detach(), looked, atol=1e-12)


def test_position_encoding_is_the_papers_formula():
    for num_words, d in [(1, 1), (2, 4), (7, 20), (11, 3)]:
        code = position_encoding(num_words, d).numpy()
        assert code.shape == (num_words, d)
        for j in range(1, num_words + 1):
            for k in range(1, d + 1):
                expected = (1 - j / num_words) - (k / d) * (1 - 2 * j / num_words)
                assert code[j - 1, k - 1] == pytest.approx(expected, abs=1e-6)
    # Regression: well-known implementations compute another matrix, about twice this one.
    paper, centred = position_encoding(7, 20), position_encoding(7, 20, centred=True)
    assert abs(centred - paper).max() > 0.5
    assert abs(centred - 2 * paper).max() < 0.25
    assert float(centred.mean()) == pytest.approx(1)
    assert position_encoding(0, 3).shape == (0, 3)


def test_word_order_counts_with_positions_and_not_in_a_bag():
    swapped = {**TINY, "sentences": TINY["sentences"][:, [1, 0]] * (TINY["sentences"][:, 1:] > 0)}
    swapped["sentences"][3] = TINY["sentences"][3]
    for encoding, same in (("bag", True), ("position", False)):
        model = network(4, 3, hops=2, encoding=encoding)
        assert torch.allclose(model(**TINY), model(**swapped), atol=1e-12) == same


@pytest.mark.parametrize("tying", ["adjacent", "layerwise"])
@pytest.mark.parametrize("encoding", ["position", "bag"])
@pytest.mark.parametrize("linear", [True, False])
def test_gradients(tying, encoding, linear):
    model = network(4, 3, d_model=2, hops=2, tying=tying, encoding=encoding, models=2)
    model.linear = linear
    names, values = zip(*model.named_parameters(), strict=True)
    ages = torch.tensor([[0, 1, 2], [0, 2, 2]])

    def scores(*parameters):
        given = dict(zip(names, parameters, strict=True))
        return torch.func.functional_call(model, given, kwargs={**TINY, "ages": ages})

    # No word's row is not a weight: its gradient is held at 0, its finite difference is not.
    used = [v.detach().clone().requires_grad_() for v in values]

    def without_row_0(*parameters):
        words = torch.cat([torch.zeros_like(parameters[0][:1]), parameters[0][1:]])
        return scores(words, *parameters[1:])[..., 1:]

    assert torch.autograd.gradcheck(without_row_0, used)


@pytest.mark.parametrize("encoding", ["position", "bag"])
@pytest.mark.parametrize("tying", ["adjacent", "layerwise"])
def test_no_word_stays_nothing(encoding, tying):
    model = network(4, 3, hops=2, encoding=encoding, tying=tying)
    scores = model(**TINY)
    assert (scores[..., 0] == 0).all()
    # Regression: no word is a class of the softmax too, but its row must not be learned by that.
    loss = -scores.log_softmax(-1)[..., 1].sum()
    (gradient,) = torch.autograd.grad(loss, [model.words])
    assert (gradient[0] == 0).all()
    assert (gradient[1:] != 0).any()
    longer = {
        **TINY,
        "sentences": torch.nn.functional.pad(TINY["sentences"], (0, 3)),
        "questions": torch.nn.functional.pad(TINY["questions"], (0, 2)),
    }
    assert torch.allclose(model(**longer), scores, atol=1e-12)


@pytest.mark.parametrize("linear", [True, False])
def test_padding_gets_no_weight(linear):
    model = network(4, 9, hops=3, models=2)
    model.linear = linear
    scores, weights = model(**TINY, return_weights=True)
    padded = {**TINY, "memory": torch.nn.functional.pad(TINY["memory"], (0, 6))}
    more, wide = model(**padded, return_weights=True)
    assert torch.allclose(more, scores, atol=1e-12)
    assert (wide[..., 3:] == 0).all()
    assert (weights[1, ..., 2] == 0).all()
    if not linear:
        assert torch.allclose(weights.sum(-1), torch.ones(2, 2, 3, dtype=torch.float64))
    # What stands in the row of T for a slot without a sentence does not matter, NaN neither.
    with torch.no_grad():
        model.times[3:] = torch.nan
    assert torch.allclose(model(**padded), scores, atol=1e-12) or linear


def test_a_story_without_sentences_is_answered_from_the_question():
    model = network(4, 3, hops=2)
    scores, weights = model(
        TINY["sentences"], torch.zeros(1, 2, dtype=int), TINY["questions"][:1], return_weights=True
    )
    assert (weights == 0).all()
    expected, _ = by_hand(model, TINY["sentences"].tolist(), [0, 0], [1, 3])
    numpy.testing.assert_allclose(scores[0, 0].detach(), expected, atol=1e-12)


@pytest.mark.parametrize("task", [2, 5])
def test_stories_in_a_batch_equal_the_same_stories_alone(task):
    told = examples(make_stories(task, 20, seed=3))
    words = Vocabulary(told)
    data = encode(told, words)
    model = network(len(words), 50, hops=3, models=2)
    arrays = [torch.as_tensor(x) for x in (data.sentences, data.memory, data.questions)]
    together, weights = model(*arrays, return_weights=True)
    for row, example in enumerate(told):
        alone = encode([example], words)
        scores, seen = model(
            *(torch.as_tensor(x) for x in (alone.sentences, alone.memory, alone.questions)),
            return_weights=True,
        )
        assert torch.allclose(scores[0], together[row], atol=1e-10)
        n = alone.memory.shape[1]
        assert torch.allclose(seen[0], weights[row, ..., :n], atol=1e-10)


def test_each_model_is_its_own():
    model = network(4, 3, hops=2, models=3)
    together, weights = model(**TINY, return_weights=True)
    for index in range(3):
        alone, seen = model.one(index)(**TINY, return_weights=True)
        assert torch.allclose(alone[:, 0], together[:, index], atol=1e-12)
        assert torch.allclose(seen[:, 0], weights[:, index], atol=1e-12)
    layerwise = network(4, 3, hops=2, models=3, tying="layerwise", encoding="bag", time=False)
    assert torch.allclose(layerwise.one(2)(**TINY)[:, 0], layerwise(**TINY)[:, 2], atol=1e-12)


@pytest.mark.parametrize("empty", [1, 2])
def test_empty_memories_take_weight_and_say_nothing(empty):
    model = network(4, 3, hops=2, empty=empty, models=2)
    scores, weights = model(**TINY, return_weights=True)
    assert weights.shape == (2, 2, 2, 3 + empty)
    for row in range(2):
        expected, seen = by_hand(
            model,
            TINY["sentences"].tolist(),
            TINY["memory"][row].tolist(),
            TINY["questions"][row].tolist(),
        )
        n = seen.shape[1] - empty
        numpy.testing.assert_allclose(scores[row, 0].detach(), expected, atol=1e-12)
        numpy.testing.assert_allclose(weights[row, 0, :, :n].detach(), seen[:, :n], atol=1e-12)
        numpy.testing.assert_allclose(weights[row, 0, :, 3:].detach(), seen[:, n:], atol=1e-12)
    # One of them is the softmax with 1 added to the sum: e^s / (1 + Σ e^s).
    assert torch.allclose(model.one(1)(**TINY)[:, 0], scores[:, 1])


def test_any_attention_will_do():
    def pytorch(q, k, v, *, mask, scale):
        return torch.nn.functional.scaled_dot_product_attention(
            q, k, v, attn_mask=mask, scale=scale
        )

    book = network(4, 3, hops=3)
    theirs = network(4, 3, hops=3, attend=pytorch)
    assert book.attend is attention
    assert torch.allclose(book(**TINY), theirs(**TINY), atol=1e-12)


def test_adjacent_tying_has_hops_plus_one_tables_and_layerwise_four():
    assert network(4, 3, hops=3).words.shape == (4, 4, 1, 20)
    assert network(4, 3, hops=3).times.shape == (3, 4, 1, 20)
    layerwise = network(4, 3, hops=3, tying="layerwise")
    assert layerwise.words.shape == (4, 4, 1, 20)
    assert layerwise.times.shape == (3, 2, 1, 20)
    assert layerwise.mix.shape == (20, 1, 1, 20)
    assert network(4, 3).mix is None
    assert network(4, 3, time=False).times is None


def test_first_weights_are_drawn_as_in_the_paper():
    model = EndToEndMemoryNetwork(500, 50, models=2)
    assert (model.words[0] == 0).all()
    for weights in (model.words[1:].detach(), model.times.detach()):
        assert abs(float(weights.mean())) < 0.005
        assert abs(float(weights.std()) - 0.1) < 0.005


BAD = [
    (dict(memory=TINY["memory"].float()), TypeError, "memory must be a tensor of int64 or int32"),
    (dict(questions=[[1]]), TypeError, "questions must be a tensor of int64 or int32; got list"),
    (dict(memory=TINY["memory"][0]), ValueError, r"memory has shape \(3,\); it must have two axes"),
    (dict(questions=TINY["questions"][:1]), ValueError, r"must fit together; .*questions \(1, 2\)"),
    (dict(ages=torch.zeros(2, 2, dtype=int)), ValueError, r"must fit together; .*ages \(2, 2\)"),
    (dict(memory=torch.ones(2, 6, dtype=int)), ValueError, "memory has 6 slots, more than .* = 5"),
    (dict(memory=TINY["memory"] + 1), ValueError, "memory has numbers from 1 to 4; .* 0 to 3"),
    (dict(memory=TINY["memory"] - 1), ValueError, "memory has numbers from -1 to 2"),
    (dict(questions=TINY["questions"] + 3), ValueError, "questions has numbers from 3 to 6"),
    (dict(ages=TINY["memory"] + 2), ValueError, "ages has numbers from 2 to 5; .* 0 to 4"),
    (dict(sentences=TINY["sentences"].flip(0)), ValueError, "sentence 0 stands for no sentence"),
]


@pytest.mark.parametrize(("change", "error", "message"), BAD)
def test_errors_in_the_input(change, error, message):
    with pytest.raises(error, match=message):
        network(4, 5)(**{**TINY, **change})


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: EndToEndMemoryNetwork(0, 5), ValueError, "vocabulary_size must be at least 1"),
        (lambda: EndToEndMemoryNetwork(4, 0), ValueError, "memory_size must be at least 1"),
        (lambda: EndToEndMemoryNetwork(4, 5, hops=0), ValueError, "hops must be at least 1"),
        (lambda: EndToEndMemoryNetwork(4, 5, models=1.5), TypeError, "models must be an integer"),
        (lambda: EndToEndMemoryNetwork(4, 5, empty=-1), ValueError, "empty must be at least 0"),
        (lambda: EndToEndMemoryNetwork(4, 5, d_model=0), ValueError, "d_model must be at least 1"),
        (lambda: EndToEndMemoryNetwork(4, 5, tying="none"), ValueError, "tying is 'none'"),
        (lambda: EndToEndMemoryNetwork(4, 5, encoding="rnn"), ValueError, "encoding is 'rnn'"),
        (lambda: EndToEndMemoryNetwork(4, 5, time=1), TypeError, "time must be True or False"),
        (lambda: EndToEndMemoryNetwork(4, 5).one(1), ValueError, "index is 1; there are 1 models"),
        (lambda: position_encoding(-1, 2), ValueError, "num_words must be at least 0"),
        (lambda: position_encoding(2, 0), ValueError, "d_model must be at least 1"),
    ],
)
def test_errors_in_the_options(call, error, message):
    with pytest.raises(error, match=message):
        call()
