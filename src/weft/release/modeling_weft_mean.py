"""A text classifier on the mean of an encoder's last hidden states; needs transformers alone.

transformers has no such class, so this file travels with a model that pools by the mean, and
`trust_remote_code=True` loads it.
"""

from typing import Any, cast

import torch
from torch import nn
from transformers import AutoConfig, AutoModel, PretrainedConfig, PreTrainedModel
from transformers.modeling_outputs import SequenceClassifierOutput


class WeftMeanConfig(PretrainedConfig):
    """The encoder's own configuration, and the labels."""

    model_type = "weft_mean"

    def __init__(self, encoder: Any = None, **others: Any) -> None:
        if isinstance(encoder, dict):
            encoder = cast(Any, AutoConfig).for_model(**encoder)
        self.encoder = encoder
        super().__init__(**others)


class WeftMeanForSequenceClassification(PreTrainedModel):
    """Encoder, mean over the tokens of a text, one linear layer."""

    config_class = WeftMeanConfig
    base_model_prefix = "encoder"
    _supports_sdpa = True

    def __init__(self, config: Any) -> None:
        cast(Any, super()).__init__(config)
        self.encoder: Any = cast(Any, AutoModel).from_config(config.encoder)
        if hasattr(self.encoder, "pooler"):
            self.encoder.pooler = None  # reads the first token; nothing here does
        self.classifier = nn.Linear(config.encoder.hidden_size, config.num_labels)
        self.post_init()

    def forward(
        self, input_ids: torch.Tensor, attention_mask: torch.Tensor, **others: Any
    ) -> SequenceClassifierOutput:
        """Both (B, S), of texts padded on the right -> logits (B, C)."""
        found = self.encoder(input_ids=input_ids, attention_mask=attention_mask, **others)
        real = attention_mask[..., None].to(found.last_hidden_state.dtype)
        mean = (found.last_hidden_state * real).sum(1) / real.sum(1)
        return SequenceClassifierOutput(logits=self.classifier(mean))
