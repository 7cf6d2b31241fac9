"""Rules that follow a gradient: that of a reward, or of a classifier."""

from clarion.guide.gradient.classifier import ClassifierGuidance
from clarion.guide.gradient.reward import Reward
from clarion.guide.gradient.reward_function import RewardFunction

__all__ = ["ClassifierGuidance", "Reward", "RewardFunction"]
