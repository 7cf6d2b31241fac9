"""The model card: what a person finds in the README of a model."""

from __future__ import annotations

from clarion.base.condition import CONDITION_ENTRIES, ClassEntry
from clarion.process.tables import PROCESSES
from clarion.run.config import ModelConfig


def model_card(config: ModelConfig) -> str:
    """Markdown that says what the model makes, what steers it and how to use it."""
    rows = []
    for name, entry in config.condition.items():
        detail = ""
        if isinstance(entry, ClassEntry):
            detail = f" of {entry.num_classes}: {', '.join(entry.class_names)}".rstrip(": ")
        rows.append(f"- `{name}`: {CONDITION_ENTRIES.name_of(entry)}{detail}")
    conditions = "\n".join(rows) or "- none"
    shape = " x ".join(map(str, config.shape))
    return f"""---
library_name: clarion
tags: [diffusion]
---
# A diffusion model of samples of shape {shape}

Process `{PROCESSES.name_of(config.process)}`, prediction `{config.prediction_type}`. Conditions:

{conditions}

```python
import clarion

model = clarion.load("path/to/this/folder")
samples = model.sample(n=16, num_steps=12, seed=0)
```
"""
