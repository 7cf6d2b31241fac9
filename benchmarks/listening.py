"""What a listening test can find: power and coverage of its analysis, on simulated listeners.

Nobody listens here. Ratings are drawn from a stated model of listeners and items, and analysed as
those of people are:

- how often studies of several sizes find a true gain of the mean rating over the baseline's;
- how often the 95 % intervals hold the truth, for studies in which listeners, items or chance alone
  make the difference.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import numpy as np
from rich.table import Table

from clarion.base.streams import mix_seed
from clarion.evaluate.metric import share
from clarion.listen.analysis import effect_interval
from clarion.listen.mixed_model import fit
from clarion.listen.power import power
from clarion.listen.simulation import ListenerModel
from harness import Benchmark

SIZES = ((6, 20), (10, 20))
GAINS = (0.0, 10.0, 20.0, 30.0)
AT_LEAST = 20.0

SPREADS = {
    "as in the power table": ListenerModel(),
    "listeners disagree on systems": ListenerModel(sd_listener_system=8, sd_residual=5),
    "items suit systems differently": ListenerModel(sd_item_system=10, sd_residual=5),
    "chance alone": ListenerModel(sd_listener_system=0, sd_item_system=0, sd_residual=15),
}
"""What makes ratings of two systems differ, besides the systems."""

COVERED_GAIN = 20.0


def coverage(listeners: int, items: int, model: ListenerModel, studies: int) -> dict[str, Any]:
    """How often intervals hold the truth; ratings are not rounded, so that it is known exactly."""
    means = [model.baseline * (1 + COVERED_GAIN / 100), model.baseline]
    counts = np.zeros(2, int)
    for number in range(studies):
        rng = np.random.default_rng(mix_seed("coverage", number))
        drawn = model.draw(means, listeners, items, rng)
        ours, base = drawn[:, :, 0], drawn[:, :, 1]
        gain = effect_interval("gain", (ours, base), number)
        points = fit(ours - base)
        counts += (
            gain.low <= COVERED_GAIN <= gain.high,
            points.low <= means[0] - means[1] <= points.high,
        )
    bootstrap, mixed = (asdict(share(int(count), studies)) for count in counts)
    return {"bootstrap": bootstrap, "mixed_model": mixed}


def main() -> None:
    """Simulate, print, write."""
    benchmark = Benchmark(__file__, __doc__ or "")
    studies = 20 if benchmark.options.quick else 200
    found: dict[str, Any] = {"simulated": True, "power": [], "coverage": []}
    for listeners, items in SIZES:
        for gain in GAINS:
            row = {"listeners": listeners, "items": items, "gain_percent": gain}
            of = power(listeners, items, gain, AT_LEAST, studies)
            found["power"].append(row | asdict(of))
    for name, model in SPREADS.items():
        for listeners, items in SIZES:
            row = {"spread": name, "listeners": listeners, "items": items}
            found["coverage"].append(row | coverage(listeners, items, model, studies))
    table = Table("listeners", "items", "gain", "bootstrap", "mixed model", title="power, %")
    for row in found["power"]:
        cells = [row["listeners"], row["items"], row["gain_percent"]]
        shares = [100 * row[name]["value"] for name in ("above_0", "by_model")]
        table.add_row(*map(str, cells), *(f"{value:.0f}" for value in shares))
    benchmark.console.print(table)
    table = Table("spread", "listeners", "items", "bootstrap", "mixed model", title="coverage, %")
    for row in found["coverage"]:
        shares = [100 * row[name]["value"] for name in ("bootstrap", "mixed_model")]
        cells = [row["spread"], str(row["listeners"]), str(row["items"])]
        table.add_row(*cells, *(f"{value:.0f}" for value in shares))
    benchmark.console.print(table)
    spreads = {name: asdict(model) for name, model in SPREADS.items()}
    benchmark.write({"studies": studies, "at_least": AT_LEAST, "spreads": spreads}, found)


if __name__ == "__main__":
    main()
