"""Tests reach no network: pip, and the hub's client before anything imports it, are told so."""

import os

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["HF_DATASETS_OFFLINE"] = "1"
os.environ["PIP_NO_INDEX"] = "1"
