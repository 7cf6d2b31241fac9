"""The model card: what a person finds in the README of a model."""

from __future__ import annotations

from clarion.base.condition import (
    CONDITION_ENTRIES,
    ClassEntry,
    ConditionEntry,
    FieldEntry,
    SequenceEntry,
    TagsEntry,
    TextEntry,
    VectorEntry,
)
from clarion.process.tables import ALL_PROCESSES
from clarion.process.tokens import TokenProcess
from clarion.run.baseline_config import BaselineConfig
from clarion.run.classifier_config import ClassifierConfig
from clarion.run.config import ModelConfig


def card(config: ModelConfig | ClassifierConfig | BaselineConfig) -> str:
    """Markdown that says what was trained and how it is used."""
    if isinstance(config, BaselineConfig):
        return baseline_card(config)
    return model_card(config) if isinstance(config, ModelConfig) else classifier_card(config)


def baseline_card(config: BaselineConfig) -> str:
    """Markdown that says what makes the samples and how it is asked for them."""
    called = config.baseline.called
    return f"""---
library_name: clarion
---
# {called[0].upper()}{called[1:]} of samples of shape {_shape(config)}

It makes a sample in one pass, to be compared with diffusion models. Conditions:

{_conditions(config)}

```python
from clarion.baselines import BaselineModel

model = BaselineModel.load("path/to/this/folder")
samples = model.sample(n=16, seed=0)
```
"""


def classifier_card(config: ClassifierConfig) -> str:
    """Markdown that says what the classifier tells of what, and how it steers."""
    asked = config.classes.class_names[0] if config.classes.class_names else "0"
    return f"""---
library_name: clarion
---
# A classifier of noisy samples of shape {_shape(config)}

It tells `{config.label}`, class of {_values(config.classes)}, of samples noised by the process
`{ALL_PROCESSES.name_of(config.process)}`, and steers diffusion models of the same data and process:

```python
import clarion

model = clarion.load("path/to/a/model")
guidance = "classifier:path/to/this/folder:2"
samples = model.sample(n=16, condition={{"{config.label}": "{asked}"}}, guidance=guidance)
```
"""


def model_card(config: ModelConfig) -> str:
    """Markdown that says what the model makes, what steers it and how to use it."""
    process = f"Process `{ALL_PROCESSES.name_of(config.process)}`"
    if isinstance(config.process, TokenProcess):
        process += f", {config.process.vocabulary} tokens"
        samples = "texts = model.codec.texts(model.sample(n=16, seed=0))"
    else:
        process += f", prediction `{config.prediction_type}`"
        samples = "samples = model.sample(n=16, num_steps=12, seed=0)"
    return f"""---
library_name: clarion
tags: [diffusion]
---
# A diffusion model of samples of shape {_shape(config)}

{process}. Conditions:

{_conditions(config)}

```python
import clarion

model = clarion.load("path/to/this/folder")
{samples}
```
"""


def _shape(config: ModelConfig | ClassifierConfig | BaselineConfig) -> str:
    return " x ".join(map(str, config.shape))


def _conditions(config: ModelConfig | BaselineConfig) -> str:
    """A line for each condition."""
    rows = [
        f"- `{name}`: {CONDITION_ENTRIES.name_of(entry)} of {_values(entry)}"
        for name, entry in config.condition.items()
    ]
    return "\n".join(rows) or "- none"


def _values(entry: ConditionEntry) -> str:
    """What may be given: "3: cat, dog, eel"."""
    if isinstance(entry, ClassEntry):
        return f"{entry.num_classes}: {', '.join(entry.class_names)}".rstrip(": ")
    if isinstance(entry, TagsEntry):
        return f"{entry.num_tags}: {', '.join(entry.tag_names)}"
    if isinstance(entry, VectorEntry):
        names = entry.names or ("",) * entry.size
        units = [f"({unit})" if unit else "" for unit in entry.units or ("",) * entry.size]
        parts = [f"{name} {unit}".strip() for name, unit in zip(names, units, strict=True)]
        return f"{entry.size}: {', '.join(parts)}" if any(parts) else str(entry.size)
    if isinstance(entry, FieldEntry):
        return " x ".join(map(str, entry.shape))
    if isinstance(entry, SequenceEntry) and entry.num_tokens:
        return f"up to {entry.max_length} tokens 0..{entry.num_tokens - 1}"
    if isinstance(entry, SequenceEntry):
        return f"up to {entry.max_length} vectors of {entry.size}"
    if isinstance(entry, TextEntry):
        return f"up to {entry.max_tokens} tokens of {entry.encoder}"
    raise TypeError(f"The card has no words for a {type(entry).__name__}.")
