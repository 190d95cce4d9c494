"""The training step: generator and discriminator on one mini-batch of directed pairs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import ignite.distributed as idist
import torch
from ignite.engine import Engine
from monai.engines import Trainer
from monai.engines.utils import IterationEvents
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.swa_utils import AveragedModel
from torch.utils.data import DataLoader

from bundle.losses.adversarial import discriminator_adversarial_loss, generator_adversarial_loss
from bundle.losses.objective import DiscriminatorObjective, GeneratorObjective
from bundle.losses.perceptual import perceptual_loss
from bundle.losses.radiomics import radiomic_loss
from bundle.losses.reconstruction import reconstruction_loss
from bundle.losses.shape import shape_loss
from bundle.losses.structural import structural_loss
from bundle.losses.view import view_loss
from bundle.mixed_precision import uses_bfloat16
from bundle.networks.feature_network import FeatureNetwork, region_windows, window_side
from bundle.networks.generator import composed
from bundle.networks.radimagenet import RadImageNetFeatures
from bundle.switches import read_switch
from bundle.training.activations import checkpoint_activations
from bundle.training.batch import PairedBatch
from bundle.training.compilation import compile_checked
from bundle.training.failures import require_finite
from bundle.training.processes import unwrapped


@contextmanager
def frozen(network: nn.Module) -> Iterator[None]:
    """Let gradients pass through a network without reaching its parameters."""
    network.requires_grad_(False)
    try:
        yield
    finally:
        network.requires_grad_(True)


class ViewSynthesisTrainer(Trainer):
    """MONAI engine for adversarial training on paired views.

    It derives from MONAI's ``Trainer`` and not from its ``AdversarialTrainer``: that one shows the *source* to the
    discriminator as the real image and knows neither accumulation nor clipping.

    The synthetic tissue is judged behind the *real* outline, the synthetic outline by L_shape alone: where it lies, the
    source leaves open. The generator sees nothing of the real outline.

    Generator and discriminator are both judged with the weights that the window of ``accumulation_steps`` mini-batches
    began with, and both step at its end: so the accumulated gradient is the gradient of the large batch.

    Args:
        device: where to run.
        max_epochs: length of the run.
        train_data_loader: yields dictionaries with the fields of ``PairedBatch``.
        generator, discriminator: the networks; for several processes each as `data_parallel` gives it.
        feature_network: trained and frozen; serves L_rad.
        perceptual_network: serves L_percep by its ``hidden``, of images ``[B, 1, H, W]``; the feature network itself,
            or another frozen one.
        average: exponential moving average of the generator, updated after each of its steps.
        generator_optimizer, discriminator_optimizer: their optimizers.
        generator_objective, discriminator_objective: the loss weights.
        spacing_mm: pixel spacing of the canvas.
        accumulation_steps: mini-batches per optimizer step.
        gradient_norm: gradients are clipped to this norm, each network's by itself.
        lesion_weight: what a pixel of the target's lesion counts in L_L1, where the others count 1.
        input_noise: standard deviation of the Gaussian noise on the discriminator's target input; 0 for none.
        amp: autocast to bfloat16: true, false, or ``auto``, where the device has instructions for it.
        compile: run the generator through ``torch.compile``; the first step takes minutes.
        activation_checkpointing: keep fewer activations of generator and feature network; a step takes a third longer.
        train_handlers: handlers with ``attach``.

    Raises:
        ValueError: a setting is out of its range, or the training split holds less than one batch.
    """

    def __init__(
        self,
        *,
        device: torch.device | str,
        max_epochs: int,
        train_data_loader: DataLoader,
        generator: nn.Module,
        discriminator: nn.Module,
        feature_network: FeatureNetwork,
        perceptual_network: FeatureNetwork | RadImageNetFeatures,
        average: AveragedModel,
        generator_optimizer: Optimizer,
        discriminator_optimizer: Optimizer,
        generator_objective: GeneratorObjective,
        discriminator_objective: DiscriminatorObjective,
        spacing_mm: float,
        accumulation_steps: int = 1,
        gradient_norm: float = 1.0,
        lesion_weight: float = 1.0,
        input_noise: float = 0.03,
        amp: bool | str = False,
        compile: bool | str = False,
        activation_checkpointing: bool | str = False,
        train_handlers: Sequence[Any] | None = None,
    ) -> None:
        if accumulation_steps < 1:
            raise ValueError(f"accumulation_steps must be at least 1; got {accumulation_steps}.")
        if not lesion_weight > 0:
            raise ValueError(f"lesion_weight must be positive; got {lesion_weight}.")
        if len(train_data_loader) == 0:
            raise ValueError(
                f"The training split has {len(train_data_loader.dataset)} directed pairs, fewer than one batch of "  # type: ignore[arg-type]
                f"{train_data_loader.batch_size * idist.get_world_size()}: prepare more data or lower batch_size."
            )
        # Convolutions are a third faster with the channels last, on CPUs as on GPUs.
        self.generator = generator.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.discriminator = discriminator.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.feature_network = feature_network.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.feature_network.eval().requires_grad_(False)
        self.perceptual_network = perceptual_network.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.perceptual_network.eval().requires_grad_(False)
        self.average = average
        self.generator_optimizer = generator_optimizer
        self.discriminator_optimizer = discriminator_optimizer
        self.generator_objective = generator_objective
        self.discriminator_objective = discriminator_objective
        self.window_side = window_side(spacing_mm)  # of the square around a lesion that L_rad judges
        self.accumulation_steps = accumulation_steps
        self.gradient_norm = gradient_norm
        self.lesion_weight = lesion_weight
        self.input_noise = input_noise
        super().__init__(
            device=device,
            max_epochs=max_epochs,
            data_loader=train_data_loader,
            handlers=train_handlers,
            decollate=False,
        )
        # Not MONAI's argument: it would make a gradient scaler, which bfloat16 does not need.
        self.amp = uses_bfloat16(amp, device=device)
        self.amp_setting = str(amp).lower()
        self.compile = read_switch(compile, name="compile")
        self._is_compiled = False
        self.activation_checkpointing = read_switch(activation_checkpointing, name="activation_checkpointing")
        if self.activation_checkpointing:
            checkpoint_activations(self.generator)
            checkpoint_activations(self.feature_network)

    @property
    def settings(self) -> dict[str, Any]:
        """Everything here that decides what the run learns, as plain values under the names of the configuration."""
        settings: dict[str, Any] = {
            "batch_size": self.data_loader.batch_size * idist.get_world_size(),
            "accumulation_steps": self.accumulation_steps,
            "gradient_norm": self.gradient_norm,
            "lesion_weight": self.lesion_weight,
            "input_noise": self.input_noise,
            "average#decay": self.average.decay,
            "discriminator_def#windows": list(unwrapped(self.discriminator).windows),  # type: ignore[arg-type]
            "amp": self.amp_setting,
            "compile": self.compile,
            # Of a local file its hash; the feature network is another file of the folder, with settings of its own.
            "perceptual_network": getattr(self.perceptual_network, "weights_hash", "feature_network"),
        }
        for transform in getattr(self.data_loader.dataset.transform, "transforms", ()):
            settings |= {
                f"{name} of {type(transform).__name__}": value
                for name, value in vars(transform).items()
                if isinstance(value, int | float) and not name.startswith("_")
            }
        for network in ("generator", "discriminator"):
            objective, optimizer = getattr(self, f"{network}_objective"), getattr(self, f"{network}_optimizer")
            settings[f"{network}_objective#weights"] = dict(objective.weights)
            settings[f"ramps of the {network}_objective"] = dict(objective.ramps)
            settings[f"learning_rate of the {network}"] = optimizer.defaults["lr"]
            settings[f"decay of the {network}"] = optimizer.defaults.get("decay since")
            settings[f"betas of the {network}"] = optimizer.defaults.get("betas")
        return settings

    @property
    def loss_weights(self) -> dict[str, float]:
        """The present weights of all loss terms, by their names in the run's rows."""
        weights = {f"weight_{term}": weight for term, weight in self.generator_objective.weights.items()}
        return weights | {f"weight_D_{term}": weight for term, weight in self.discriminator_objective.weights.items()}

    def generator_losses(self, batch: PairedBatch, pred: Tensor, breast: Tensor) -> dict[str, Tensor]:
        """Return the seven scalar terms of L_G, each a mean over the whole batch.

        Args:
            batch: the mini-batch.
            pred: ``[B, 1, H, W]`` synthetic tissue behind the real outline.
            breast: ``[B, 1, H, W]`` the generator's logit of the breast.
        """
        # Unwrapped: gradients pass through, none is to be averaged over the processes here.
        patch_logits, view_logits = unwrapped(self.discriminator)(
            self._noisy(pred), batch.image, batch.radiomics, batch.target_view
        )
        windows, masks, fits = region_windows(pred, batch.label_mask, side=self.window_side)
        radiomics = torch.where(fits[:, None], self.feature_network.standardizer(batch.label_radiomics), torch.nan)
        pred_features = self.perceptual_network.hidden(pred)
        with torch.no_grad():
            label_features = self.perceptual_network.hidden(batch.label)
        return {
            "GAN": generator_adversarial_loss(patch_logits),
            "view": view_loss(view_logits, batch.target_view),
            "L1": reconstruction_loss(pred, batch.label, batch.label_mask, lesion_weight=self.lesion_weight),
            "percep": perceptual_loss(pred_features, label_features),
            "SSIM": structural_loss(pred, batch.label),
            "rad": radiomic_loss(self.feature_network(windows, masks), radiomics),
            "shape": shape_loss(breast, batch.label_breast),
        }

    def discriminator_losses(self, batch: PairedBatch, pred: Tensor) -> dict[str, Tensor]:
        """Return the two scalar terms of L_D for ``pred`` ``[B, 1, H, W]`` as in `generator_losses`, detached."""
        condition = (batch.image, batch.radiomics, batch.target_view)
        real_logits, real_view_logits = self.discriminator(self._noisy(batch.label), *condition)
        synthetic_logits, _ = self.discriminator(self._noisy(pred), *condition)
        return {
            "GAN": discriminator_adversarial_loss(real_logits, synthetic_logits),
            "view": view_loss(real_view_logits, batch.target_view),
        }

    def _noisy(self, target: Tensor) -> Tensor:
        return target + self.input_noise * torch.randn_like(target) if self.input_noise else target

    def _iteration(self, engine: Engine, batchdata: Mapping[str, Any]) -> list[dict[str, Any]]:
        """Run one mini-batch; the optimizers step at the end of each window of ``accumulation_steps``.

        Returns:
            Per image, as MONAI's handlers expect it: the synthetic view ``pred`` and its ``tissue``, both
            ``[1, H, W]``, and of the whole mini-batch ``loss``, that of the generator, and ``losses``, all by name.
        """
        device = self.state.device
        batch = PairedBatch.from_dictionary(batchdata, device=device, non_blocking=self.non_blocking)
        position = (self.state.iteration - 1) % self.state.epoch_length  # of this mini-batch within the epoch
        window_start = position - position % self.accumulation_steps
        window = min(self.accumulation_steps, self.state.epoch_length - window_start)

        self.generator.train()
        self.discriminator.train()
        if position == window_start:
            self.generator_optimizer.zero_grad()
            self.discriminator_optimizer.zero_grad()

        image = batch.image.contiguous(memory_format=torch.channels_last)
        autocast = torch.autocast(torch.device(device).type, dtype=torch.bfloat16, enabled=self.amp)
        if self.compile and not self._is_compiled:
            with autocast:
                compile_checked(unwrapped(self.generator), image, batch.radiomics, batch.target_view, True)
            self._is_compiled = True
        with autocast:
            parts = self.generator(image, batch.radiomics, batch.target_view, parts=True).to(batch.label.dtype)
            tissue, breast = parts[:, :1], parts[:, 1:]
            pred = tissue * batch.label_breast
            d_losses = self.discriminator_losses(batch, pred.detach())
            d_total = self.discriminator_objective.total(d_losses)
        (d_total / window).backward()

        with autocast, frozen(self.discriminator):
            g_losses = self.generator_losses(batch, pred, breast)
            g_total = self.generator_objective.total(g_losses)
        (g_total / window).backward()

        losses = {"loss_G": g_total, "loss_D": d_total}
        losses |= {f"loss_{term}": value for term, value in g_losses.items()}
        losses |= {f"loss_D_{term}": value for term, value in d_losses.items()}
        numbers = dict(
            zip(losses, torch.stack([each.detach().float() for each in losses.values()]).tolist(), strict=True)
        )
        self._require_finite(numbers)

        if position == window_start + window - 1:
            self._step()
        engine.state.output = [
            {"pred": view, "tissue": inside, "loss": numbers["loss_G"], "losses": numbers}
            for view, inside in zip(composed(parts.detach()), tissue.detach(), strict=True)
        ]
        engine.fire_event(IterationEvents.MODEL_COMPLETED)
        return engine.state.output

    def _step(self) -> None:
        """Clip the accumulated gradients, let both optimizers step, and the average follow."""
        norms = {
            f"gradient of the {name}": nn.utils.clip_grad_norm_(network.parameters(), self.gradient_norm).item()
            for name, network in (("discriminator", self.discriminator), ("generator", self.generator))
        }
        self._require_finite(norms)
        self.discriminator_optimizer.step()
        self.generator_optimizer.step()
        self.average.update_parameters(unwrapped(self.generator))

    def _require_finite(self, values: Mapping[str, float]) -> None:
        position = (self.state.iteration - 1) % self.state.epoch_length
        require_finite(values, epoch=self.state.epoch, step=position + 1)
