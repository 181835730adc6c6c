"""What training sees, when.

A plan is a list of stages that share out the run's time. Starts are drawn by their weights:
`dis` and `hypotheses` as stored with the scenes, `spoilt` the exact flow made wrong, `exact` as it is,
`matcher` the network's own.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Stage:
    """A part of the run: its share of the time, crop side, batch, and where first flows come from."""

    share: float
    crop: int
    batch: int
    starts: dict
    matcher_only: bool = False
    motion: float = 0.43
    """Farthest way of a figure in parts of the crop's side; for scenes drawn live."""


@dataclass(frozen=True)
class Plan:
    """Stages and the learning rate, which rises over `warm_up` steps and falls to `low` as a cosine."""

    stages: tuple
    rate: float
    low: float = 1e-5
    warm_up: int = 200
    average: float = 0.999
    """Decay of the averaged weights, which are what is exported."""

    def stage(self, done):
        """The stage when this part of the time is over, 0..=1."""
        end = 0.0
        for stage in self.stages:
            end += stage.share
            if done < end:
                return stage
        return self.stages[-1]


CLASSICAL = {"hypotheses": 0.5, "dis": 0.2, "spoilt": 0.25, "matcher": 0.05}

PLANS = {
    # The product starts the decoder from classical flow; stored scenes carry it.
    "finetune": Plan(
        stages=(Stage(0.7, 192, 8, CLASSICAL), Stage(0.3, 256, 6, CLASSICAL)),
        rate=3e-4,
        warm_up=50,
        average=0.995,
    ),
    # From nothing on a data-centre card: matcher first, then everything, then larger and farther.
    "gpu": Plan(
        stages=(
            Stage(0.3, 256, 64, {"matcher": 1.0}, matcher_only=True),
            Stage(0.55, 256, 32, {"matcher": 0.5, "spoilt": 0.5}),
            Stage(0.15, 384, 16, {"matcher": 0.5, "spoilt": 0.5}),
        ),
        rate=5e-4,
        warm_up=500,
    ),
}
