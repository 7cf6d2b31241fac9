"""Networks that others have trained, from the library `transformers`."""

from __future__ import annotations

from typing import Any, Literal

from clarion.base.errors import ClarionError


def load_pretrained(
    asked_as: str, model: str, preparing: Literal["AutoTokenizer", "AutoImageProcessor"]
) -> tuple[Any, Any]:
    """What prepares the input of a model, and the model itself.

    The last layer of some models, `pooler`, is often not among the weights that were published; it
    is then None, where the library would fill it with random numbers.

    Args:
        asked_as: what messages call it, such as "text encoder 'transformers:google-t5/t5-small'".
        model: a name on the hub, what is in its cache, or a folder.
        preparing: the class that makes its input.

    Raises:
        ClarionError: if the package is not installed, or the model cannot be had or lacks weights.
    """
    try:
        import transformers  # pyright: ignore[reportMissingImports]
    except ImportError:
        raise ClarionError(
            f"The {asked_as} needs the package transformers, which is not installed. "
            "Install it with: pip install 'clarion[text]'"
        ) from None
    try:
        prepare = getattr(transformers, preparing).from_pretrained(model)
        network, loaded = transformers.AutoModel.from_pretrained(model, output_loading_info=True)
    except (OSError, ValueError, ImportError) as error:
        raise ClarionError(
            f"The {asked_as} cannot be loaded: {' '.join(str(error).split())[:300]}"
        ) from error
    missing = {name for name in loaded["missing_keys"] if not name.startswith("pooler.")}
    if missing:
        raise ClarionError(
            f"The {asked_as} lacks {len(missing)} of its weights, such as {min(missing)!r}."
        )
    if loaded["missing_keys"]:
        network.pooler = None
    return prepare, network
