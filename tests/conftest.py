"""Tests reach no network: pip, and the hub's client before anything imports it, are told so.

Each process computes with one thread: what is tested is small, and threads that wait for each other
on a busy machine take ten times as long.
"""

import os

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["HF_DATASETS_OFFLINE"] = "1"
os.environ["PIP_NO_INDEX"] = "1"
os.environ["OMP_NUM_THREADS"] = "1"
