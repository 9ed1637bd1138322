"""EfficientNet-Lite, the pretrained network of the models `efficientnet_*`.

After Tan and Le, "EfficientNet: rethinking model scaling for convolutional neural networks" (2019), and its variant
without squeeze-and-excitation and with ReLU6 by Liu ("Higher accuracy on vision models with EfficientNet-Lite", 2020).
The names of the layers are those of the files of weights. Lite1 and Lite2 have more and wider blocks.

Seven stages of blocks; the maps of 224 pixels are 14 x 14 after the fifth, 7 x 7 after the sixth and seventh, and in
the head, a convolution of 1 x 1.
"""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils import fusion

from shoepair.models.backbone import Backbone, pad_as_tensorflow
from shoepair.models.config import BackboneConfig

KERNELS = (3, 3, 5, 3, 5, 5, 3)  # of the depthwise convolutions of each stage
STRIDES = (1, 2, 2, 2, 1, 2, 1)  # of the first block of each stage
STEM_STRIDE = 2
FIRST_EXPANSION, EXPANSION = 1, 6
EPS, MOMENTUM = 1e-3, 0.01  # of batch normalisation


def _conv(inputs: int, outputs: int, kernel: int = 1, stride: int = 1, groups: int = 1) -> nn.Conv2d:
    padding = kernel // 2 if stride == 1 else 0  # of other strides: see `_convolve`
    return nn.Conv2d(inputs, outputs, kernel, stride, padding, groups=groups, bias=False)


def _norm(channels: int) -> nn.BatchNorm2d:
    return nn.BatchNorm2d(channels, eps=EPS, momentum=MOMENTUM)


def _convolve(x: Tensor, conv: nn.Conv2d, norm: nn.BatchNorm2d) -> Tensor:
    """Pad, convolve and normalise. Only other strides than 1 pad one side more than the other."""
    kernel, stride = conv.kernel_size[0], conv.stride[0]
    result: Tensor = norm(conv(pad_as_tensorflow(x, kernel, stride) if stride > 1 else x))
    return result


class Block(nn.Module):
    """Inverted residual block: expand, convolve each channel, project; add the input where the sizes are the same."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int, expansion: int) -> None:
        super().__init__()
        width = inputs * expansion
        if expansion > 1:
            self._expand_conv, self._bn0 = _conv(inputs, width), _norm(width)
        self._depthwise_conv = _conv(width, width, kernel, stride, groups=width)
        self._bn1 = _norm(width)
        self._project_conv, self._bn2 = _conv(width, outputs), _norm(outputs)
        self.expands, self.adds_input = expansion > 1, stride == 1 and inputs == outputs

    def forward(self, x: Tensor) -> Tensor:
        """Return (B, C', H', H') of (B, C, H, H)."""
        wide = functional.relu6(_convolve(x, self._expand_conv, self._bn0), inplace=True) if self.expands else x
        wide = functional.relu6(_convolve(wide, self._depthwise_conv, self._bn1), inplace=True)
        narrow = _convolve(wide, self._project_conv, self._bn2)
        return x + narrow if self.adds_input else narrow


class EfficientNetLite(Backbone):
    """EfficientNet-Lite without its classes of ImageNet."""

    edge, mean, deviation = 224, 127 / 255, 128 / 255
    depths = ("stage5", "stage6", "stage7", "head")
    stored = ("stage5", "stage6", "stage7")
    compared = ("stage6", "stage7", "head")
    tuned_from = "stage5"

    def __init__(self, config: BackboneConfig) -> None:
        super().__init__(config)
        self._conv_stem, self._bn0 = _conv(3, config.stem, 3, STEM_STRIDE), _norm(config.stem)
        blocks, inputs = [], config.stem
        self.ends = []  # number of blocks until the end of each stage
        for stage, (width, count) in enumerate(zip(config.widths, config.counts, strict=True)):
            for number in range(count):
                stride = 1 if number else STRIDES[stage]
                expansion = EXPANSION if stage else FIRST_EXPANSION
                blocks.append(Block(inputs, width, KERNELS[stage], stride, expansion))
                inputs = width
            self.ends.append(len(blocks))
        self._blocks = nn.ModuleList(blocks)
        self._conv_head, self._bn1 = _conv(inputs, config.head), _norm(config.head)

    @classmethod
    def read_sizes(cls, weights: Mapping[str, Tensor]) -> BackboneConfig:
        """Return the sizes of the layers that weights were trained with; see `Backbone`.

        A stage ends where the channels of the blocks change.
        """
        channels: list[int] = []
        while (name := f"_blocks.{len(channels)}._project_conv.weight") in weights:
            channels.append(len(weights[name]))
        widths = tuple(dict.fromkeys(channels))
        if len(widths) != len(STRIDES):
            message = f"{len(widths)} stages"
            raise ValueError(message)
        counts = tuple(channels.count(width) for width in widths)
        stem, head = len(weights["_conv_stem.weight"]), len(weights["_conv_head.weight"])
        return BackboneConfig(stem=stem, widths=widths, counts=counts, head=head)

    def compute_next(self, x: Tensor, depth: str) -> Tensor:
        """Return the maps of a depth from those before it; see `Backbone`."""
        if depth == "head":
            return functional.relu6(_convolve(x, self._conv_head, self._bn1), inplace=True)
        stage = int(depth.removeprefix("stage"))
        if stage == 5:
            x = functional.relu6(_convolve(x, self._conv_stem, self._bn0), inplace=True)
        for block in self._blocks[0 if stage == 5 else self.ends[stage - 2] : self.ends[stage - 1]]:
            x = block(x)
        return x

    def count_channels(self, depth: str) -> int:
        """Return the channels of the maps of a depth."""
        return self.config.head if depth == "head" else self.config.widths[int(depth.removeprefix("stage")) - 1]

    def map_edge(self, depth: str, photo_edge: int) -> int:
        """Return the edge of the maps of a depth: the photos' halved, rounded up, four or five times."""
        for _ in range(4 if depth == "stage5" else 5):
            photo_edge = -(-photo_edge // 2)
        return photo_edge

    def merge_norms(self) -> None:
        """Merge each batch normalisation into the convolution before it: the same maps, less work, no training."""
        layers: list[tuple[nn.Module, str, str]] = [(self, "_conv_stem", "_bn0"), (self, "_conv_head", "_bn1")]
        for block in self._blocks:
            layers += [(block, "_expand_conv", "_bn0")] if block.expands else []
            layers += [(block, "_depthwise_conv", "_bn1"), (block, "_project_conv", "_bn2")]
        for owner, conv, norm in layers:
            setattr(owner, conv, fusion.fuse_conv_bn_eval(getattr(owner, conv), getattr(owner, norm)))
            setattr(owner, norm, nn.Identity())

    def tuned_modules(self) -> list[nn.Module]:
        """Return the blocks after the fifth stage, and the head."""
        return [*self._blocks[self.ends[4] :], self._conv_head, self._bn1]
