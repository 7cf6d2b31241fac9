"""A classifier of spoken digits and their speakers, trained by itself, as a judge of what is drawn.

It hears waveforms alone, through features of its own, and shares nothing with the model that it
judges but the recordings to train on. It is written in plain PyTorch, so that a fault of Clarion's
transforms cannot hide in both.
"""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn import functional as F

NUM_STEPS, BATCH_SIZE, LEARNING_RATE = 400, 48, 3e-3
WINDOW, HOP, NUM_BANDS = 200, 128, 40
SHIFT = 1600


class DigitJudge(nn.Module):
    """Three convolutions over levels in 40 even bands, for waveforms (batch, time) at 8 kHz."""

    def __init__(self) -> None:
        super().__init__()
        self.convolve = nn.Sequential(
            nn.Conv2d(1, 16, 3, padding=1), nn.BatchNorm2d(16), nn.ReLU(), nn.MaxPool2d(2),
            nn.Conv2d(16, 32, 3, padding=1), nn.BatchNorm2d(32), nn.ReLU(), nn.MaxPool2d(2),
            nn.Conv2d(32, 32, 3, padding=1), nn.BatchNorm2d(32), nn.ReLU(),
        )  # fmt: skip
        self.classify = nn.Linear(32 * 10 * 2, 16)

    def embed(self, waveforms: Tensor) -> Tensor:
        """Features (batch, 640): mean and maximum over time in each of ten bands."""
        window = torch.hann_window(WINDOW, device=waveforms.device)
        spectra = torch.stft(waveforms, WINDOW, HOP, window=window, return_complex=True).abs()
        bands = F.adaptive_avg_pool2d(spectra, (NUM_BANDS, spectra.shape[-1]))
        levels = (bands + 1e-3).log()[:, None]
        levels = (levels - levels.mean((2, 3), keepdim=True)) / 2
        h = self.convolve(levels)
        return torch.cat([h.mean(3), h.amax(3)], 1).flatten(1)

    def forward(self, waveforms: Tensor) -> tuple[Tensor, Tensor]:
        """Logits of the ten digits and of the six speakers."""
        logits = self.classify(F.dropout(self.embed(waveforms), 0.3, self.training))
        return logits[:, :10], logits[:, 10:]


def load_or_train(path: Path, waveforms: Tensor, digits: Tensor, speakers: Tensor) -> DigitJudge:
    """The judge from a file or, where there is none, trained (a minute or two) and written."""
    torch.manual_seed(0)
    judge = DigitJudge()
    if path.is_file():
        judge.load_state_dict(load_file(path))
        return judge.eval().requires_grad_(False)
    optimizer = torch.optim.AdamW(judge.parameters(), LEARNING_RATE, weight_decay=0.01)
    for step in range(NUM_STEPS):
        optimizer.param_groups[0]["lr"] = LEARNING_RATE * (1 - step / NUM_STEPS)
        chosen = torch.randint(len(waveforms), (BATCH_SIZE,))
        heard = _disturbed(waveforms[chosen])
        digit, speaker = judge(heard)
        loss = F.cross_entropy(digit, digits[chosen]) + F.cross_entropy(speaker, speakers[chosen])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file(judge.state_dict(), path)
    return judge.eval().requires_grad_(False)


def _disturbed(waveforms: Tensor) -> Tensor:
    """Later or earlier, louder or quieter, in a little noise: what is said stays the same."""
    shift = int(torch.randint(-SHIFT // 4, SHIFT, ()))
    gain = 10 ** ((torch.rand(len(waveforms), 1) - 0.5) * 0.6)
    noise = 10 ** (-2 - 2 * torch.rand(len(waveforms), 1)) * torch.randn_like(waveforms) * 0.1
    return gain * waveforms.roll(shift, 1) + noise
