"""The figure of self-attention: what it says of order, and what it refuses."""

import numpy as np
import pytest
import traitlets

from attnbook.figures import SelfAttention
from attnbook.figures.self_attention import VECTORS


def test_the_order_of_the_words_does_not_move_an_output():
    sentence = ["the", "bank", "lends", "the", "money"]
    forth = SelfAttention(sentence=sentence, query=1).numbers()
    back = SelfAttention(sentence=sentence[::-1], query=3).numbers()
    np.testing.assert_allclose(back["output"], forth["output"], atol=1e-12)
    np.testing.assert_allclose(back["outputs"][::-1], forth["outputs"], atol=1e-12)
    np.testing.assert_allclose(forth["outputs"][0], forth["outputs"][3], atol=1e-12)


def test_a_vector_of_zeros_asks_for_the_mean():
    figure = SelfAttention(query=0, vectors=VECTORS | {"the": [0.0, 0.0]})
    numbers = figure.numbers()
    np.testing.assert_allclose(numbers["row"], [0.2] * 5)
    np.testing.assert_allclose(numbers["output"], figure.rows().mean(axis=0))
    assert numbers["most"] == "the"  # the first of equal ones


def test_a_place_past_the_end_is_the_last():
    assert SelfAttention(sentence=["the", "bank"], query=9).numbers()["asking"] == 1


@pytest.mark.parametrize("point", [[1.0], [4.0, 0.0], [0.0, -2.0]])
def test_a_vector_that_does_not_fit_is_refused(point):
    with pytest.raises(traitlets.TraitError, match=r"the vector of 'by' is .* from -1\.5 to 3"):
        SelfAttention(vectors=VECTORS | {"by": point})


def test_a_word_without_a_vector_is_named():
    with pytest.raises(ValueError, match=r"no vector for 'loan'; there are vectors for the, bank"):
        SelfAttention(sentence=["the", "loan"]).numbers()
