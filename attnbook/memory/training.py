"""How the end-to-end memory network is trained: gradient descent, with two tricks.

    θ ← θ - η_e · min(1, 40/‖g‖) g,   g = gradient of Σ_batch -log softmax(W u)[answer],
    η_e = η · 2^-⌊e/25⌋

Sukhbaatar et al. (2015), section 4.2. Linear start: the softmax of the hops is left out at first.
Random noise: some empty memories among the sentences, so that the ages in T are not learned by
heart. All models of a network are trained at once, on the same batches, each from its own start.
"""

from dataclasses import dataclass, field
from math import ceil, inf

from .._arrays import check_count, check_number
from .._torch import torch


@dataclass(frozen=True)
class Schedule:
    """The settings of the paper, without the two tricks. ``replace`` changes some.

    Attributes
    ----------
    epochs : int
        Passes through the data, after the linear start.
    batch_size : int
    rate : float
        η, the learning rate in the beginning. The loss is the sum over a batch.
    halve_every : int
        Epochs until the rate is halved.
    clip : float
        A gradient with a greater norm is shortened to this one.
    linear_start : int
        Epochs without the softmax at most; it comes back as soon as the loss on the validation
        data, in the mean over the models, did not fall for ``patience`` epochs. 0 is no linear
        start. With one, the paper has the rate 0.005.
    patience : int
    noise : float
        Empty memories to add at most, in parts of the sentences; 0.1 in the paper.

    Raises
    ------
    TypeError, ValueError
        If a number is not of its kind, or is too small.
    """

    epochs: int = 100
    batch_size: int = 32
    rate: float = 0.01
    halve_every: int = 25
    clip: float = 40.0
    linear_start: int = 0
    patience: int = 2
    noise: float = 0.0

    def __post_init__(self):
        for name in ("epochs", "linear_start"):
            check_count(name, getattr(self, name))
        for name in ("batch_size", "halve_every", "patience"):
            check_count(name, getattr(self, name), least=1)
        for name in ("rate", "clip"):
            check_number(name, getattr(self, name), positive=True, infinite=name == "clip")
        if check_number("noise", self.noise) < 0:
            raise ValueError(f"noise must be at least 0; got {self.noise}")


@dataclass
class History:
    """What happened in each epoch: lists of tensors of shape (models,).

    Attributes
    ----------
    linear : list of bool
        Whether the softmax was left out.
    loss : list of tensor
        Mean loss on the training data, while it changed.
    validation_loss, validation_error : list of tensor
        Mean loss and percentage of wrong answers on the validation data, at the end of the epoch.
    """

    linear: list = field(default_factory=list)
    loss: list = field(default_factory=list)
    validation_loss: list = field(default_factory=list)
    validation_error: list = field(default_factory=list)

    def best(self):
        """Return the number of the best model: least error on the validation data, then loss."""
        error, loss = self.validation_error[-1].tolist(), self.validation_loss[-1].tolist()
        return min(range(len(error)), key=lambda model: (error[model], _or_inf(loss[model])))


def _or_inf(loss):
    return loss if loss == loss else inf  # a loss of NaN is the worst


def train(model, data, validation, schedule=None, *, seed=0, progress=None):
    """Train all models of a network on the same batches.

    Parameters
    ----------
    model : EndToEndMemoryNetwork
        Is changed, beginning with the weights that it has.
    data, validation : Encoded
        See `attnbook.tasks.encode`. The paper has 90 and 10 percent of the questions.
    schedule : Schedule, optional
    seed : int
        Of the order of the examples and of the noise.
    progress : function, optional
        Wrapped around the epochs, such as `tqdm.tqdm`.

    Returns
    -------
    History

    References
    ----------
    Sukhbaatar et al. (2015), section 4.2.
    """
    schedule = Schedule() if schedule is None else schedule
    device = next(model.parameters()).device
    generator = torch.Generator().manual_seed(seed)
    data, history = Tensors(data, device), History()
    validation = Tensors(validation, device)
    model.linear = schedule.linear_start > 0
    lowest, since, epoch = inf, 0, 0
    epochs = range(schedule.linear_start + schedule.epochs)
    for _ in epochs if progress is None else progress(epochs):
        if epoch == schedule.epochs:  # the linear start was shorter than it might have been
            break
        if not model.linear:
            rate, epoch = schedule.rate * 0.5 ** (epoch // schedule.halve_every), epoch + 1
        else:
            rate = schedule.rate
        history.linear.append(model.linear)
        history.loss.append(_epoch(model, data, schedule, rate, generator))
        loss, error = evaluate(model, validation)
        history.validation_loss.append(loss)
        history.validation_error.append(error)
        if model.linear:
            mean = float(loss.nanmean())
            lowest, since = (mean, 0) if mean < lowest else (lowest, since + 1)
            model.linear = since < schedule.patience and len(history.linear) < schedule.linear_start
    model.linear = False
    return history


def _epoch(model, data, schedule, rate, generator):
    """Go through the data once; return the mean loss of each model."""
    total = 0
    for batch in torch.randperm(len(data), generator=generator).split(schedule.batch_size):
        memory, questions, answers = data.batch(batch)
        ages = random_ages(memory, model.memory_size, schedule.noise, generator)
        scores = model(data.sentences, memory, questions, ages=ages)
        loss = _losses(scores, answers).sum(0)  # (models,)
        descend(model, loss, rate, schedule.clip)
        total = total + loss.detach()
    return (total / len(data)).cpu()


def descend(model, loss, rate, clip=inf):
    """Take one step of gradient descent with each model, by its own loss (models,)."""
    parameters = list(model.parameters())
    # A model's weights have no part in another one's loss: the gradient of the sum is each one's.
    gradients = torch.autograd.grad(loss.sum(), parameters)
    norms = sum(g.square().sum(-1).flatten(0, -2).sum(0) for g in gradients).sqrt()  # (models,)
    shorter = (clip / norms).clamp(max=1)[:, None]
    with torch.no_grad():
        for parameter, g in zip(parameters, gradients, strict=True):
            parameter.sub_(rate * shorter * g)


def random_ages(memory, memory_size, noise, generator=None):
    """Return ages (B, N) as if up to ``noise`` times as many empty memories lay in between.

    A story of n sentences gets z = 0, 1, … or ⌈noise · n⌉ empty ones, each as likely, at random
    places. Ages beyond the last row of T become the last one.
    """
    lengths = (memory > 0).sum(1, keepdim=True).cpu()
    slots = memory.shape[1]
    most = (lengths * noise).ceil().long()
    blanks = (torch.rand(lengths.shape, generator=generator) * (most + 1)).long()
    places = slots + ceil(slots * noise)
    # Of the n + z places draw n for the sentences; they keep their order.
    draw = torch.rand(len(memory), places, generator=generator)
    draw = draw.masked_fill(torch.arange(places) >= lengths + blanks, inf)
    chosen = draw.argsort(1).argsort(1) < lengths
    ages = torch.arange(places).masked_fill(~chosen, places).sort(1).values[:, :slots]
    return ages.clamp(max=memory_size - 1).to(memory.device)


@torch.no_grad()
def evaluate(model, data, batch_size=250):
    """Return the mean loss and the percentage of wrong answers of each model: (models,) each.

    Parameters
    ----------
    model : EndToEndMemoryNetwork
    data : Encoded
    batch_size : int

    Returns
    -------
    loss, error : tensors, shape (models,), float32, on the CPU
    """
    if not isinstance(data, Tensors):
        data = Tensors(data, next(model.parameters()).device)
    loss, wrong = 0, 0
    for batch in torch.arange(len(data)).split(batch_size):
        memory, questions, answers = data.batch(batch)
        scores = model(data.sentences, memory, questions)
        loss = loss + _losses(scores, answers).sum(0)
        wrong = wrong + (scores.argmax(-1) != answers[:, None]).sum(0)
    return (loss / len(data)).cpu(), (100 * wrong / len(data)).cpu()


def _losses(scores, answers):
    """Return the negative log-likelihood of the answers: (B, models)."""
    return -scores.log_softmax(-1).gather(2, answers[:, None, None].expand(*scores.shape[:2], 1))[
        ..., 0
    ]


class Tensors:
    """Encoded examples as tensors on a device, in batches."""

    def __init__(self, data, device):
        self.sentences = torch.as_tensor(data.sentences, device=device)
        self.memory = torch.as_tensor(data.memory, device=device)
        self.questions = torch.as_tensor(data.questions, device=device)
        self.answers = torch.as_tensor(data.answers, device=device)
        self.support = torch.as_tensor(data.support, device=device)

    def __len__(self):
        return len(self.answers)

    def batch(self, which):
        """Return memory, questions and answers, without the slots that are empty in all."""
        memory = self.memory[which]
        slots = max(int((memory > 0).sum(1).max()), 1)
        return memory[:, :slots], self.questions[which], self.answers[which]
