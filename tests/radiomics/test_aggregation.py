import numpy as np
import pytest

from bundle.radiomics.aggregation import view_vector


def test_the_mean_is_weighted_by_area():
    vector, count = view_vector(np.array([[1.0, 10.0], [4.0, 40.0]]), np.array([200.0, 100.0]))
    np.testing.assert_allclose(vector, [2.0, 20.0])
    assert count == 2


def test_one_lesion_is_itself():
    vector, count = view_vector([[3.0, 5.0]], [17.0])
    assert (vector.tolist(), count) == ([3.0, 5.0], 1)


def test_no_lesion_is_unknown():
    vector, count = view_vector(np.empty((0, 102)), np.empty(0))
    assert vector.shape == (102,)
    assert np.isnan(vector).all()
    assert count == 0


@pytest.mark.parametrize(
    ("vectors", "areas"), [(np.ones((2, 3)), [1.0]), (np.ones(3), [1.0]), (np.ones((1, 3)), [0.0])]
)
def test_what_does_not_fit_is_refused(vectors, areas):
    with pytest.raises(ValueError, match="must"):
        view_vector(vectors, areas)
