"""A small classifier of one or two views that tells whether the breast holds a lesion."""

import torch
from monai.networks.nets import DenseNet
from torch import Tensor, nn

_FEATURES = 32


class LesionClassifier(nn.Module):
    """One DenseNet for all views, whose features are joined late: the views are not aligned pixel by pixel.

    Args:
        views: how many views of a breast it sees, 1 or 2.
    """

    def __init__(self, *, views: int) -> None:
        super().__init__()
        if views not in (1, 2):
            raise ValueError(f"views is {views}; it must be 1 or 2")
        self.views = views
        self.encoder = DenseNet(
            spatial_dims=2,
            in_channels=1,
            out_channels=_FEATURES,
            init_features=12,
            growth_rate=8,
            block_config=(2, 4, 4),
            bn_size=2,
        )
        self.head = nn.Linear(views * _FEATURES, 1)

    def forward(self, image: Tensor) -> Tensor:
        """Score breasts.

        Args:
            image: ``[B, V, H, W]``, V views in [0, 1].

        Returns:
            Logits ``[B]``, larger for a lesion.
        """
        if image.shape[1] != self.views:
            raise ValueError(f"the classifier sees {self.views} view(s) of a breast, got {image.shape[1]}")
        features = torch.relu(self.encoder(image.flatten(0, 1)[:, None]))  # [B * V, features]
        return self.head(features.reshape(len(image), -1))[:, 0]
