"""Rules that follow a gradient: that of a reward, or of a classifier."""

from clarion.guide.gradient.reward import Reward, RewardFunction

__all__ = ["Reward", "RewardFunction"]
