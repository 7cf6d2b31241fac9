"""A U-Net's way down to a vector, and its way up out of one."""

from __future__ import annotations

import pytest
import torch

from clarion.base.condition import ClassEntry, FieldEntry, encode_condition
from clarion.base.errors import ClarionError
from clarion.nets.unet import UNetConfig
from clarion.nets.vectors import Decoder, Encoder

SPEC = {"label": ClassEntry(3)}
CONFIG = UNetConfig(
    base_channels=8, channel_multipliers=(1, 2), blocks_per_level=1, attention_levels=(1,),
    head_width=8,
)  # fmt: skip


def awake(network: torch.nn.Module) -> torch.nn.Module:
    """No weight is 0, so that everything has an effect."""
    torch.manual_seed(0)
    with torch.no_grad():
        for weight in network.parameters():
            weight.add_(0.1 * torch.randn_like(weight))
    return network.double().eval()


@pytest.mark.parametrize(("shape", "patch"), [((2, 8), 1), ((3, 8, 12), 1), ((1, 8, 8), 2)])
def test_shapes_and_what_each_sample_depends_on(shape: tuple[int, ...], patch: int) -> None:
    config = UNetConfig(8, (1, 2), 1, (1,), head_width=8, patch_size=patch)
    encoder, decoder = (
        awake(Encoder(config, shape, SPEC, 5)),
        awake(Decoder(config, shape, SPEC, 5)),
    )
    x, z = torch.randn(3, *shape).double(), torch.randn(3, 5).double()
    condition = encode_condition(SPEC, {"label": [0, 1, None]}, 3)
    assert encoder(x, condition).shape == (3, 5)
    assert decoder(z, condition).shape == (3, *shape)
    for network, given in ((encoder, x), (decoder, z)):
        jacobian = torch.autograd.functional.jacobian(
            lambda v, network=network: network(v, condition).flatten(1).sum(1), given
        )
        assert isinstance(jacobian, torch.Tensor)
        touched = jacobian.flatten(2).abs()
        assert touched[1, 0].max() == touched[1, 2].max() == 0  # nobody else in the batch
        assert touched[1, 1].min() > 0  # every number of its own
        other = encode_condition(SPEC, {"label": [0, 2, None]}, 3)
        changed = (network(given, other) - network(given, condition)).flatten(1).abs().amax(1)
        assert changed[1] > 1e-3
        assert changed[0] == changed[2] == 0


def test_the_encoder_ends_at_the_coarsest_level() -> None:
    encoder = Encoder(CONFIG, (3, 8, 12), {}, 5)
    assert encoder.leave.in_features == 16 * 4 * 6
    assert CONFIG.coarsest((3, 8, 12)) == (16, 4, 6)


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(ClarionError, match="sides divisible by 2"):
        Decoder(CONFIG, (3, 7, 8), {}, 5)
    with pytest.raises(ClarionError, match="'mask' is a field"):
        Decoder(CONFIG, (3, 8, 8), {"mask": FieldEntry(1, (8, 8))}, 5)
