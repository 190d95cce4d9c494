import pytest
import torch

from bundle.networks.lesion_classifier import LesionClassifier


@pytest.mark.parametrize("views", [1, 2])
def test_one_logit_per_breast_that_other_breasts_do_not_change(views: int) -> None:
    torch.manual_seed(0)
    network = LesionClassifier(views=views).eval()
    images = torch.rand(3, views, 64, 48)
    with torch.no_grad():
        logits = network(images)
        assert logits.shape == (3,)
        torch.testing.assert_close(network(images[1:2]), logits[1:2])
        for view in range(views):  # every view counts
            changed = images.clone()
            changed[0, view] = 1 - changed[0, view]
            assert network(changed)[0] != logits[0]


def test_both_views_pass_the_same_encoder() -> None:
    one, two = (sum(p.numel() for p in LesionClassifier(views=n).encoder.parameters()) for n in (1, 2))
    assert one == two


def test_other_numbers_of_views_are_refused() -> None:
    with pytest.raises(ValueError, match="views is 3"):
        LesionClassifier(views=3)
    with pytest.raises(ValueError, match=r"sees 2 view\(s\) of a breast, got 1"):
        LesionClassifier(views=2)(torch.rand(1, 1, 64, 48))
