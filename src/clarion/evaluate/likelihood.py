"""The density that a denoiser gives to data: exactly, through the flow that leads data to noise.

With y = x_t / alpha at noise level s = sigma / alpha, and D the denoiser, the solutions of

    dy / d log s = y - D(y, s)

have, at each level, the distribution of noisy data. Along a solution the density changes by

    d log p(y) / d log s = -(dim - tr dD/dy),

so from the density of the noise at t_max, N(0, s² I) as samplers start from it, that at t_min is
known: the density of data with noise of that level left in them. The flow is followed in w = y / r,
r² = s² + d²,

    dw / d log s = (d² y / r² - D) / r,      d log p(w) / d log s = -(dim d² / r² - tr dD/dy),

which stands still for normal data of deviation d, by the classical Runge-Kutta method of order 4 in
equal steps of log s. The trace is the mean of e . (dD/dy) e over probes e that are kept along the
way: random signs have it right on average, scaled unit vectors exactly.

Departure from the sources, where x_t itself is integrated in t: y and log s serve every process.

Sources: Chen et al. 2018, arXiv 1806.07366, theorem 1; Song et al. 2021, arXiv 2011.13456, section
4.3 and appendix D.2; Grathwohl et al. 2019, arXiv 1810.01367 (one probe for the whole way);
Hutchinson 1989, doi 10.1080/03610918908812806 (random signs).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from clarion.base.condition import Condition
from clarion.base.errors import ClarionError
from clarion.base.streams import SampleStreams
from clarion.denoise.denoiser import Denoiser
from clarion.process.gaussian import GaussianProcess


def random_signs(count: int, like: Tensor, streams: SampleStreams) -> Tensor:
    """Probes 1 or -1, (count, batch, *shape), for points (batch, *shape); one stream for each."""
    drawn = streams.uniform((count, *like.shape[1:]), device=like.device)
    return torch.where(drawn < 0.5, -1.0, 1.0).to(like.dtype).transpose(0, 1)


def unit_vectors(like: Tensor) -> Tensor:
    """Probes whose mean is the trace exactly, (dim, batch, *shape): sqrt(dim) times each axis."""
    shape, dim = like.shape[1:], like[0].numel()
    axes = math.sqrt(dim) * torch.eye(dim, dtype=like.dtype, device=like.device)
    return axes.view(dim, 1, *shape).expand(-1, len(like), *shape)


def log_density(
    denoiser: Denoiser,
    y: Tensor,
    probes: Tensor,
    condition: Condition | None = None,
    *,
    num_steps: int = 32,
    sigma_data: float = 1.0,
) -> Tensor:
    """log p(y) in nats at the noise level of t_min, by each probe: (probes, batch) float64.

    The mean over probes is the estimate; for random ones their spread tells its error.

    Args:
        denoiser: of a Gaussian process.
        y: points in model units, (batch, *shape).
        probes: `random_signs` or `unit_vectors`, (probes, batch, *shape).
        condition: what is known of each point.
        num_steps: of the Runge-Kutta method, four evaluations of the denoiser each.
        sigma_data: d, standard deviation of the data in model units.

    Raises:
        ClarionError: for a process of tokens, or fewer than one step.
    """
    process = denoiser.process
    if not isinstance(process, GaussianProcess):
        raise ClarionError(f"A flow leads to numbers, and {process} is of tokens.")
    if num_steps < 1:
        raise ClarionError(f"num_steps must be at least 1, got {num_steps}.")
    ends = torch.tensor([process.t_min, process.t_max], dtype=torch.float64)
    first, last = process.noise_level(ends).log().tolist()
    dim = y[0].numel()

    def slope(w: Tensor, log_level: float) -> tuple[Tensor, Tensor]:
        """dw / d log s, (batch, *shape), and d log p(w) / d log s, (probes, batch)."""
        y, r = w * radius(log_level), radius(log_level)
        share = (sigma_data / r) ** 2
        mean, traces = _mean_and_traces(denoiser, y, math.exp(log_level), probes, condition)
        return (share * y - mean) / r, traces - dim * share

    def radius(log_level: float) -> float:
        return math.hypot(math.exp(log_level), sigma_data)

    w, h = y / radius(first), (last - first) / num_steps
    gained = torch.zeros(len(probes), len(y), dtype=torch.float64, device=y.device)
    for step in range(num_steps):
        u = first + step * h
        w1, p1 = slope(w, u)
        w2, p2 = slope(w + h / 2 * w1, u + h / 2)
        w3, p3 = slope(w + h / 2 * w2, u + h / 2)
        w4, p4 = slope(w + h * w3, u + h)
        w = w + h / 6 * (w1 + 2 * w2 + 2 * w3 + w4)
        gained += h / 6 * (p1 + 2 * p2 + 2 * p3 + p4)
    noise = (w * radius(last)).flatten(1).double() / math.exp(last)
    log_p = -(noise.square().sum(1) + dim * math.log(2 * math.pi)) / 2 - dim * last
    return log_p + dim * math.log(radius(last) / radius(first)) - gained  # of y = r w at both ends


def _mean_and_traces(
    denoiser: Denoiser, y: Tensor, level: float, probes: Tensor, condition: Condition | None
) -> tuple[Tensor, Tensor]:
    """D (batch, *shape), and e . (dD/dy) e for each probe, (probes, batch) float64."""
    process = denoiser.process
    t = process.time_of_noise_level(torch.tensor(level, dtype=torch.float64))
    t = t.clamp(process.t_min, process.t_max)  # the ends have been through a logarithm and back
    with torch.enable_grad():
        at = y.detach().requires_grad_()
        x_t = at * float(process.alpha(t))
        mean = denoiser(x_t, t.to(y).expand(len(y)), condition).mean
        traces = []
        for e in probes:
            (product,) = torch.autograd.grad((mean * e).sum(), at, retain_graph=True)
            traces.append((product * e).flatten(1).double().sum(1))
    denoiser.count_gradients(len(probes) * len(y))
    return mean.detach(), torch.stack(traces)
