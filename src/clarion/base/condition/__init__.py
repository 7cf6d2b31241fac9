"""What a model may be conditioned on, and the values given for one batch.

A `ConditionSpec` is declared with the model and saved with it. A `Condition` holds one batch of
values, each with a presence mask: any subset may be absent for any sample, and what "absent" means
is learned by the model (an embedding of its own), never a hard-coded class number.
"""

from clarion.base.condition.batch import Condition
from clarion.base.condition.entry import ConditionEntry
from clarion.base.condition.field import FieldEntry
from clarion.base.condition.label import ClassEntry
from clarion.base.condition.sequence import PADDING, SequenceEntry
from clarion.base.condition.spec import CONDITION_ENTRIES, ConditionSpec, encode_condition
from clarion.base.condition.tags import TagsEntry
from clarion.base.condition.text import TextEntry
from clarion.base.condition.vector import VectorEntry

__all__ = [
    "CONDITION_ENTRIES",
    "PADDING",
    "ClassEntry",
    "Condition",
    "ConditionEntry",
    "ConditionSpec",
    "FieldEntry",
    "SequenceEntry",
    "TagsEntry",
    "TextEntry",
    "VectorEntry",
    "encode_condition",
]
