"""Strong supervision: each lookup of a memory network is told which sentence it should have found.

    θ ← θ - η g,   g = gradient of Σ max(0, γ - s(what is right) + s(what is wrong))

Weston, Chopra and Bordes (2015), section 3.1. The sum is over each fact to find and the answer,
and over all that could have been found or said in its place. Compare `training`: there the answer
is all that is told, and a softmax passes the gradient on to the lookups.
"""

from .._arrays import check_count, check_number
from .._torch import torch
from .training import Tensors, descend


def margin_loss(model, sentences, memory, questions, answers, support, *, margin=0.1):
    """Sum what is missing to a margin: for every fact to find, and for the answer.

        Σ_h Σ_{f ≠ o_h} max(0, γ - s_Ot([x, …], m_oh, f)) + max(0, γ + s_Ot([x, …], f, m_oh))
                      + Σ_{w ≠ r} max(0, γ - s_R([x, m_o1, …], r) + s_R([x, m_o1, …], w))

    Without time, the first line is Σ_{f ≠ o_h} max(0, γ - s_O([x, …], m_oh) + s_O([x, …], f)). The
    facts before o_h are the true ones. The paper draws one wrong f and w in each step; this is the
    whole sum.

    Parameters
    ----------
    model : MemoryNetwork
    sentences, memory, questions : int tensors
        As for the network.
    answers : int tensor, shape (B,)
    support : int tensor, shape (B, F)
        The slots of the supporting facts in the order in which to find them; the first ``hops``
        count, and one that is -1 (there are fewer) does not.
    margin : float, > 0
        γ.

    Returns
    -------
    tensor, shape (B, models)

    References
    ----------
    Weston, Chopra and Bordes (2015), section 3.1, equations 6 to 8, and section 3.4.
    """
    margin = check_number("margin", margin, positive=True)
    if support.ndim != 2 or support.shape[1] < model.hops:
        raise ValueError(
            f"support has shape {tuple(support.shape)}; for {model.hops} hops it must be "
            f"(B, F) with F >= {model.hops}"
        )
    there = (memory > 0)[:, None]  # (B, 1, N)
    slots = torch.arange(memory.shape[1], device=memory.device)
    loss, found = 0, []
    for hop in range(model.hops):
        known = support[:, hop, None] >= 0
        slot = support[:, hop, None].clamp(min=0).expand(-1, model.models)
        wins, loses = model.comparisons(sentences, memory, questions, found, slot)
        missing = (margin - wins).relu()
        if model.u_t is not None:
            missing = missing + (margin + loses).relu()
        wrong = there & (slots != slot[..., None]) & known[..., None]
        loss = loss + missing.where(wrong, 0).sum(-1)
        found.append(slot)
    scores = model.responses(sentences, memory, questions, found)
    right = answers[:, None, None].expand(-1, model.models, 1)
    missing = (margin - scores.gather(2, right) + scores).relu()
    wrong = torch.arange(scores.shape[2], device=scores.device) != right
    return loss + missing.where(wrong, 0).sum(-1)


def train_strongly(
    model,
    data,
    *,
    epochs=40,
    batch_size=32,
    rate=0.001,
    margin=0.1,
    clip=40.0,
    seed=0,
    progress=None,
):
    """Train all models of a memory network on the same batches.

    Parameters
    ----------
    model : MemoryNetwork
        Is changed, beginning with the weights that it has.
    data : Encoded
        With at least ``model.hops`` supporting facts to a question, in the order in which to find
        them; see `attnbook.tasks.encode`.
    epochs, batch_size : int
    rate, margin, clip : float
        η, of the sum over a batch: it falls to 0 in a straight line. γ. A gradient with a greater
        norm than ``clip`` is shortened to it.
    seed : int
        Of the order of the examples.
    progress : function, optional
        Wrapped around the epochs, such as `tqdm.tqdm`.

    Returns
    -------
    list of tensor, each (models,)
        The mean loss in each epoch.
    """
    epochs = check_count("epochs", epochs, least=1)
    generator = torch.Generator().manual_seed(seed)
    data = Tensors(data, next(model.parameters()).device)
    history, epochs = [], range(epochs)
    for epoch in epochs if progress is None else progress(epochs):
        now, total = rate * (1 - epoch / len(epochs)), 0
        for batch in torch.randperm(len(data), generator=generator).split(batch_size):
            memory, questions, answers = data.batch(batch)
            loss = margin_loss(
                model,
                data.sentences,
                memory,
                questions,
                answers,
                data.support[batch],
                margin=margin,
            ).sum(0)
            descend(model, loss, now, clip)
            total = total + loss.detach()
        history.append((total / len(data)).cpu())
    return history


@torch.no_grad()
def evaluate_strongly(model, data, batch_size=250):
    """Return the percentages of wrong answers, and of questions with a wrong fact: (models,) each.

    Parameters
    ----------
    model : MemoryNetwork
    data : Encoded
    batch_size : int
    """
    data = Tensors(data, next(model.parameters()).device)
    wrong, astray = 0, 0
    for batch in torch.arange(len(data)).split(batch_size):
        memory, questions, answers = data.batch(batch)
        scores, found = model(data.sentences, memory, questions)
        wrong = wrong + (scores.argmax(-1) != answers[:, None]).sum(0)
        facts = data.support[batch][:, None, : model.hops]
        astray = astray + ((found != facts) & (facts >= 0)).any(-1).sum(0)
    return (100 * wrong / len(data)).cpu(), (100 * astray / len(data)).cpu()
