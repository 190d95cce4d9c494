"""The flow generator: mean, samples, and the line between them."""

from typing import Any

import pytest
import torch

from bundle.networks.flow import FlowGenerator, noise_of, view_of

SMALL: dict[str, Any] = {"grid": (8, 8), "channels": (8, 32), "condition": 16, "prior_components": 3}


def _generator(**settings: Any) -> FlowGenerator:
    """A small generator of random weights; a fresh one predicts its linear prior alone."""
    torch.manual_seed(0)
    generator = FlowGenerator(**SMALL, **settings).eval()
    for parameter in generator.parameters():
        if not parameter.any():  # modulation, attention and head begin at zero
            torch.nn.init.normal_(parameter, std=0.1)
    return generator


@pytest.fixture
def image() -> torch.Tensor:
    draw = torch.Generator().manual_seed(1)
    return torch.rand(2, 2, 32, 32, generator=draw)


@pytest.fixture(autouse=True)
def _without_gradients() -> Any:
    with torch.no_grad():
        yield


class TestViews:
    def test_views_lie_in_the_unit_range(self, image: torch.Tensor) -> None:
        for realism in (0.0, 0.3, 1.0):
            view = _generator(realism=realism)(image)
            assert view.shape == (2, 1, 32, 32)
            assert view.min() >= 0
            assert view.max() <= 1
            assert view.any()

    def test_the_same_film_gives_the_same_view_in_any_batch(self, image: torch.Tensor) -> None:
        generator = _generator(realism=1.0, steps=3)
        together = generator(image)
        torch.testing.assert_close(generator(image[1:]), together[1:], atol=1e-5, rtol=0)
        assert torch.equal(generator(image), together)

    def test_another_sample_is_another_view_with_the_same_mean(self, image: torch.Tensor) -> None:
        generator = _generator()
        first, second = (generator.synthesize(image, sample=number, realism=1.0) for number in (0, 1))
        assert (first - second).abs().mean() > 1e-3

    def test_realism_goes_along_the_line_from_mean_to_sample(self, image: torch.Tensor) -> None:
        generator = _generator(steps=4)
        mean, between, sample = (generator.synthesize(image, realism=realism) for realism in (0.0, 0.25, 1.0))
        torch.testing.assert_close(between, 0.75 * mean + 0.25 * sample)

    def test_one_step_is_the_mean(self, image: torch.Tensor) -> None:
        generator = _generator(steps=1)
        torch.testing.assert_close(generator.synthesize(image, realism=1.0), generator.synthesize(image, realism=0.0))

    def test_unknown_radiomics_are_the_same_however_they_are_said(self, image: torch.Tensor) -> None:
        generator = _generator()
        nan = torch.full((2, 102), torch.nan)
        mean = generator.synthesize(image, realism=0.0)
        assert torch.equal(mean, generator.synthesize(image, nan, torch.tensor([1, 1]), realism=0.0))
        assert not torch.equal(mean, generator.synthesize(image, nan, torch.tensor([0, 0]), realism=0.0))
        assert not torch.equal(mean, generator.synthesize(image, torch.zeros(2, 102), realism=0.0))

    @pytest.mark.parametrize(("realism", "expected"), [(1.0, [0.75, 0.0, 0.0]), (0.0, [0.75, 0.75, 0.0])])
    def test_a_sample_has_an_outline_and_the_mean_fades(self, realism: float, expected: list[float]) -> None:
        state = torch.full((1, 3, 3, 1), 0.5)
        state[0, 2, :, 0] = 2 * torch.tensor([0.55, 0.45, 0.01]) - 1
        torch.testing.assert_close(view_of(state, realism), torch.tensor(expected)[None, None, :, None])

    def test_it_begins_with_the_linear_prior(self, image: torch.Tensor) -> None:
        generator = FlowGenerator(**SMALL)
        generator.prior.mean_target[1, :64] = 0.7
        generator.prior.mean_target[1, 64:] = 0.9
        torch.testing.assert_close(generator(image), torch.full((2, 1, 32, 32), 0.7))


class TestWords:
    @pytest.mark.parametrize(
        ("settings", "label", "description"),
        [
            ({"realism": 0.0, "sample": 4}, "mean", "the posterior mean (blurred)"),
            ({"realism": 1.0, "sample": 4}, "sample 4", "one possible view (sample 4)"),
            (
                {"realism": 0.3},
                "sample 0 at 0.3",
                "0.3 of the way from the posterior mean (blurred) to one possible view (sample 0)",
            ),
        ],
    )
    def test_a_view_says_what_it_is(self, settings: dict[str, Any], label: str, description: str) -> None:
        generator = _generator(**settings)
        assert (generator.label, generator.description) == (label, description)


class TestSampling:
    def test_samples_of_a_known_law_have_its_mean_and_spread(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """For x ~ N(m, s^2) the best prediction is m + t s^2 (x_t - t m) / (t^2 s^2 + (1 - t)^2)."""
        mean, spread = 0.3, 0.5

        def predict(known: Any, state: torch.Tensor, time: torch.Tensor, condition: Any) -> torch.Tensor:
            t = time[:, None, None, None]
            return mean + t * spread**2 * (state - t * mean) / (t**2 * spread**2 + (1 - t) ** 2)

        generator = _generator(steps=100)
        monkeypatch.setattr(generator, "_predict", predict)
        image = torch.rand(4, 2, 32, 32)
        torch.testing.assert_close(generator.synthesize(image, realism=0.0), torch.full((4, 3, 32, 32), mean))
        sample = generator.synthesize(image, realism=1.0)
        assert sample.mean().item() == pytest.approx(mean, abs=0.02)
        assert sample.std().item() == pytest.approx(spread, abs=0.03)


class TestNoise:
    def test_it_is_standard_normal_and_independent(self, image: torch.Tensor) -> None:
        images = torch.cat([image.repeat(4, 1, 4, 4), torch.rand(1, 2, 128, 128)])
        noise = noise_of(images, 0)
        assert noise.mean().item() == pytest.approx(0, abs=0.01)
        assert noise.std().item() == pytest.approx(1, abs=0.01)
        assert (noise**4).mean().item() == pytest.approx(3, abs=0.1)
        pairs = {
            "next row": (noise[:, :, 1:], noise[:, :, :-1]),
            "next column": (noise[..., 1:], noise[..., :-1]),
            "another channel": (noise[:, 0], noise[:, 1]),
            "another film": (noise[0], noise[-1]),
            "another sample": (noise, noise_of(images, 1)),
        }
        for name, (first, second) in pairs.items():
            assert (first * second).mean().item() == pytest.approx(0, abs=0.02), name

    def test_it_is_the_same_everywhere(self) -> None:
        image = torch.linspace(0, 1, 16).reshape(1, 1, 4, 4).repeat(1, 2, 1, 1)
        assert noise_of(image, 0)[0, :, 0, 0].tolist() == pytest.approx([0.1758384, -0.1356537, -0.4401824], abs=1e-6)


class TestExport:
    def test_torchscript_gives_the_same(self, image: torch.Tensor) -> None:
        generator = _generator(realism=0.5, steps=3)
        scripted = torch.jit.script(generator)
        radiomics, view = torch.randn(2, 102), torch.tensor([0, 1])
        for inputs in ((image,), (image, radiomics, view)):
            torch.testing.assert_close(scripted(*inputs), generator(*inputs))


class TestRefusals:
    @pytest.mark.parametrize(
        ("settings", "sentence"),
        [
            ({"steps": 0}, "steps must be a whole number of at least 1; got 0"),
            ({"steps": 2.5}, "steps must be"),
            ({"realism": 1.5}, r"realism must lie in \[0, 1\]"),
            ({"realism": -0.1}, "realism must lie"),
            ({"realism": float("nan")}, "realism must lie"),
            ({"realism": "much"}, "realism must lie"),
            ({"sample": -1}, "sample must be a whole number of at least 0"),
        ],
    )
    def test_settings_out_of_range(self, settings: dict[str, Any], sentence: str) -> None:
        with pytest.raises(ValueError, match=sentence):
            FlowGenerator(**SMALL, **settings)

    @pytest.mark.parametrize("channels", [(32,), (32, 48)])
    def test_channels(self, channels: tuple[int, ...]) -> None:
        with pytest.raises(ValueError, match="two levels or more, the last a multiple of 32"):
            FlowGenerator(grid=(8, 8), channels=channels)
