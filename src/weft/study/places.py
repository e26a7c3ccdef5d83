"""Where in the configuration each option's setting lies. No torch."""

from __future__ import annotations

PLACES = {
    "folder": "data.folder",
    "text": "data.text",
    "text_pair": "data.text_pair",
    "label": "data.label",
    "positive": "data.positive",
    "validation_size": "data.validation_size",
    "validation": "data.validation",
    "balance": "data.balance",
    "backbone": "backbone.name",
    "revision": "backbone.revision",
    "pooling": "backbone.pooling",
    "precision": "backbone.precision",
    "max_length": "backbone.max_length",
    "r": "lora.r",
    "lora_alpha": "lora.lora_alpha",
    "lora_dropout": "lora.lora_dropout",
    "target_modules": "lora.target_modules",
    "learning_rate": "recipe.learning_rate",
    "bitfit_learning_rate": "bitfit.learning_rate",
    "full_learning_rate": "full.learning_rate",
    "batch_size": "recipe.batch_size",
    "epochs": "recipe.epochs",
    "weight_decay": "recipe.weight_decay",
    "max_grad_norm": "recipe.max_grad_norm",
    "patience": "recipe.patience",
    "min_steps": "recipe.min_steps",
    "evaluations": "recipe.evaluations",
    "sizes": "sizes",
    "seeds": "seeds",
    "seeds_at": "seeds_at",
    "methods": "methods",
    "target": "target",
    "slots": "bank.slots",
    "device": "bank.device",
    "strip_width": "bank.strip_width",
    "exact": "bank.exact",
}
"""By the option's name, with underscores."""

_ALSO = {"rank": "r", "alpha": "lora_alpha", "dropout": "lora_dropout"}
"""Names that people say for an option's."""


def place_of(name: str) -> str:
    """The dotted name of a setting, said by that name or by its option's; else as it was said."""
    option = name.strip().removeprefix("--").replace("-", "_")
    return PLACES.get(_ALSO.get(option, option), name.strip())
