"""What a model may be conditioned on, and the values given for one batch.

A `ConditionSpec` is declared with the model and saved with it. A `Condition` holds one batch of
values, each with a presence mask: any subset may be absent for any sample, and what "absent" means
is learned by the model (an embedding of its own), never a hard-coded class number.
"""

from clarion.base.condition.batch import Condition
from clarion.base.condition.entries import ClassEntry, ConditionEntry, VectorEntry
from clarion.base.condition.spec import CONDITION_ENTRIES, ConditionSpec, encode_condition

__all__ = [
    "CONDITION_ENTRIES",
    "ClassEntry",
    "Condition",
    "ConditionEntry",
    "ConditionSpec",
    "VectorEntry",
    "encode_condition",
]
