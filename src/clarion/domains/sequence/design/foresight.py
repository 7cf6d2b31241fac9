"""Can predictors rank what is better than all they have seen?

Designs are to be better than all that is known, where no predictor has seen anything. How well such
predictors fare there can be tried within the table: an ensemble that has seen the worse half alone
ranks the better half. Beside it stands what networks do that have seen four fifths of all and rank
the same half in the part they have not seen: the difference is the price of reaching beyond.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

from clarion.domains.sequence.design.known import Known
from clarion.evaluate.metric import Metric
from clarion.evaluate.rank_correlation import rank_correlation
from clarion.train.ensemble import Ensemble, EnsembleConfig, OnStep, fit_ensemble

LEAST = 4
"""Sequences of a half, below which nothing can be said."""


@dataclass(frozen=True)
class Foresight:
    """Rank correlations of predicted and measured values, over the better half of what is known.

    Args:
        beyond: of an ensemble that has seen the worse half alone.
        within: of networks that have seen some of the better half, too, though not what they rank.
    """

    beyond: Metric
    within: Metric


def foresight(
    ensemble: Ensemble,
    known: Known,
    config: EnsembleConfig,
    sign: float,
    on_step: OnStep | None = None,
) -> Foresight | None:
    """How well predictors rank what is better than all they have seen.

    Args:
        ensemble: of all that is known.
        known: sequences and their values.
        config: of the ensemble, after which another one is fitted.
        sign: 1 where much is wanted, -1 where little is.
        on_step: called after each step.

    Returns:
        None where a half holds too few sequences, or the same value or sequence throughout.
    """
    values = sign * known.values
    middle, n = values.median(), len(values)
    # Where many have the value in the middle, they belong where the halves are more alike.
    is_better = min(values > middle, values >= middle, key=lambda part: abs(2 * part.sum() - n))
    worse, better = (part.nonzero()[:, 0] for part in (~is_better, is_better))
    fewest = max(LEAST, 2 * config.num_folds)
    if min(len(worse), len(better)) < fewest or not all(
        values[part].std() > 0 for part in (worse, better)
    ):
        return None
    tokens, size = known.tokens, known.vocabulary.size
    short_sighted = fit_ensemble(tokens[worse], known.values[worse], size, config, on_step)
    with torch.no_grad():
        beyond, within = short_sighted(tokens[better]), ensemble.held_out(tokens)[better]
    if min(len(beyond.unique()), len(within.unique())) < 2:
        return None
    measured = known.values[better].numpy()
    return Foresight(
        rank_correlation(beyond.numpy(), measured), rank_correlation(within.numpy(), measured)
    )
