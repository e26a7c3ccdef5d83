"""The classifier that transformers lacks: one linear layer on the mean of an example's tokens."""

from __future__ import annotations

from typing import Any, cast

from torch import nn
from transformers import PreTrainedModel


class MeanClassifier(nn.Module):
    """Dropout and one linear layer on the mean of an example's last hidden states."""

    def __init__(self, base: PreTrainedModel, classes: int) -> None:
        super().__init__()
        config = cast("Any", base.config)
        if hasattr(base, "pooler"):
            cast("Any", base).pooler = None  # reads the first token; nothing here does
        self.base = base
        self.config = base.config
        dropout = getattr(config, "classifier_dropout", None)
        if dropout is None:
            dropout = getattr(config, "hidden_dropout_prob", getattr(config, "dropout", 0.1))
        self.dropout = nn.Dropout(dropout)
        self.classifier = nn.Linear(config.hidden_size, classes)

    def forward(self, **inputs: Any) -> Any:
        """The encoder's inputs -> an object with `logits` (B, C); the bank has pooled before."""
        from transformers.modeling_outputs import SequenceClassifierOutput

        pooled = self.base(**inputs).last_hidden_state[:, 0]
        return SequenceClassifierOutput(logits=self.classifier(self.dropout(pooled)))
