"""Tests run from any folder; those that need PyTorch are left out where it is not installed."""

import importlib.util
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))
if importlib.util.find_spec("torch"):
    import torch

    torch.set_num_threads(1)
    collect_ignore = []
else:
    collect_ignore = ["test_matcher.py", "test_network.py", "test_samples.py", "test_scenes.py"]
