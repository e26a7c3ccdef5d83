"""The bank: R runs over one frozen encoder, moved by one forward and one backward.

The encoder's code is transformers' own. Its leaves are swapped: linear layers become frozen ones
with R low-rank updates, dropout becomes keyed, attention works in strips, the head's linear layers
hold R weights. A hook behind the last layer hands on one row an example, so that pooler and head
run as their authors wrote them.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, cast

import torch
from torch import Tensor, nn

from weft.config import LoraSettings
from weft.errors import BackboneError, ConfigError
from weft.nn.backbone import DTYPES, Backbone, MeanClassifier, position_offset
from weft.nn.dropout import BankDropout, Layout, Step, Stream
from weft.nn.leaves import BankLinear, BankLora, FrozenLinear
from weft.text.packing import Strips, pack
from weft.text.tokens import Tokens

PREFIX = "base_model.model."  # of every name that PEFT saves


class Bank(nn.Module):
    """R slots over one frozen encoder.

    `trained` holds all that is trained, by the names under which PEFT saves it; the first axis of
    each tensor is the slot. Gradients are allocated once and kept, so that a slot's share of them
    is a view for good.

    Args:
        backbone: taken over: its model is changed in place.
        lora: the adapter; every slot has one of this shape.
        slots: R.

    Raises:
        ConfigError: no layer bears the wanted name.
        BackboneError: packing changes what this encoder computes.
    """

    def __init__(self, backbone: Backbone, lora: LoraSettings, slots: int) -> None:
        super().__init__()
        self.backbone, self.lora, self.slots = backbone, lora, slots
        model = backbone.model
        self.pad = int(backbone.tokenizer.pad_token_id or 0)
        self._offset = position_offset(model)
        self._step = Step()
        layers = _layers(model)
        self.targets = target_names(model, lora)
        counts = count_parameters(model, backbone.fresh, lora)
        self.trainable, self.total, self.peft_total = counts
        dtype = torch.float64 if backbone.precision == "float64" else torch.float32
        model.to(dtype)
        self.trained: dict[str, nn.Parameter] = {}
        for name, shape in _shapes(model, self.targets, backbone.fresh, lora.r).items():
            parameter = nn.Parameter(torch.zeros(slots, *shape, dtype=dtype))
            parameter.grad = torch.zeros_like(parameter)
            self.trained[name] = parameter
        reference = _alone(model, self._offset)
        self._swap(model, layers)
        self.model = model
        self._inputs = _accepted(model)
        self._verify(reference)
        for module in cast("nn.Module", layers).modules():
            if isinstance(module, FrozenLinear):
                module.to(DTYPES[backbone.precision])

    # ---- building

    def _swap(self, model: nn.Module, layers: nn.ModuleList) -> None:
        trained = self.trained
        pooling = self.backbone.source.pooling
        for name, module in list(model.named_modules()):
            new: nn.Module | None = None
            if isinstance(module, nn.Dropout):
                new = BankDropout(module.p, self._step)
            elif isinstance(module, nn.Linear) and name in self.backbone.fresh:
                bias = trained.get(f"{PREFIX}{name}.bias")
                new = BankLinear(trained[f"{PREFIX}{name}.weight"], bias, self._step)
            elif isinstance(module, nn.Linear):
                new = FrozenLinear(module, module.weight.dtype)
                if name in self.targets:
                    new = BankLora(
                        new,
                        trained[f"{PREFIX}{name}.lora_A.weight"],
                        trained[f"{PREFIX}{name}.lora_B.weight"],
                        self.lora.lora_alpha / self.lora.r,
                        BankDropout(self.lora.lora_dropout, self._step),
                        self._step,
                    )
            if new is not None:
                parent, _, leaf = name.rpartition(".")
                setattr(model.get_submodule(parent), leaf, new)
        probability = _attention_dropout(model)
        for module in [module for layer in layers for module in layer.modules()]:
            # the attention function is given the layer that called it, and finds its dropout here
            if not isinstance(module, BankDropout | FrozenLinear | BankLora):
                cast("Any", module).bank_dropout = BankDropout(probability, self._step)
        layers[-1].register_forward_hook(self._mean if pooling == "mean" else self._first)

    def _first(self, _module: nn.Module, _inputs: Any, output: Any) -> Any:
        """Hands on each example's first token: (N, S, H) -> (B, 1, H)."""
        assert self._step.layout is not None
        hidden = cast("Tensor", output[0] if isinstance(output, tuple) else output)
        first = hidden.flatten(0, 1).index_select(0, self._step.layout.first)[:, None]
        return (first, *output[1:]) if isinstance(output, tuple) else first

    def _mean(self, _module: nn.Module, _inputs: Any, output: Any) -> Any:
        """Hands on the mean of each example's tokens: (N, S, H) -> (B, 1, H)."""
        assert self._step.layout is not None and self._step.strips is not None
        hidden = cast("Tensor", output[0] if isinstance(output, tuple) else output)
        strips = self._step.strips
        tokens = hidden.flatten(0, 1).index_select(0, torch.from_numpy(strips.place))
        lengths = torch.from_numpy(strips.lengths)
        example = torch.repeat_interleave(torch.arange(len(lengths)), lengths)
        sums = tokens.new_zeros(len(lengths), tokens.shape[-1]).index_add(0, example, tokens)
        mean = (sums / lengths[:, None].to(sums.dtype))[:, None]
        return (mean, *output[1:]) if isinstance(output, tuple) else mean

    def _verify(self, reference: list[tuple[Tensor, Tensor]]) -> None:
        """Packs a few made-up examples and compares with the encoder as it came."""
        tokens = [ids.numpy() for ids, _ in reference]
        lengths = [len(ids) for ids in tokens]
        flat = torch.cat([ids for ids, _ in reference]).numpy()
        offsets = torch.tensor([0, *lengths]).cumsum(0).numpy()
        batch = Tokens(flat, flat * 0, offsets, 0)
        with torch.no_grad():
            ours = self.pooled(pack([(0, batch)], pad=self.pad))
        mean = self.backbone.source.pooling == "mean"
        for row, (_, hidden) in zip(ours, reference, strict=True):
            theirs = hidden.mean(0) if mean else hidden[0]
            if not torch.allclose(row, theirs, rtol=1e-3, atol=1e-4):
                raise BackboneError(
                    f"{self.backbone.source.name} cannot be packed: several texts in one strip "
                    "would change what it computes",
                    found=f"{type(self.model).__name__}, largest difference "
                    f"{(row - theirs).abs().max():.2g}",
                    remedy="use an encoder with absolute positions and full attention: BERT, "
                    "RoBERTa, DistilBERT, ELECTRA and their kin",
                )

    # ---- computing

    def forward(self, strips: Strips, streams: Sequence[Stream] | None = None) -> Tensor:
        """Logits of all examples of a step.

        Args:
            strips: what is computed; each segment names its slot.
            streams: one a segment, for dropout; None: no dropout.

        Returns:
            (B, C), float32 or wider, examples in canonical order.
        """
        return cast("Tensor", self._run(self.model, strips, streams).logits)

    def pooled(self, strips: Strips) -> Tensor:
        """What the encoder hands to the head: (B, H), by first token or mean, no dropout."""
        prefix = "base" if isinstance(self.model, MeanClassifier) else self.model.base_model_prefix
        base = cast("nn.Module", getattr(self.model, prefix))
        return self._run(base, strips, None).last_hidden_state[:, 0]

    def _run(self, module: nn.Module, strips: Strips, streams: Sequence[Stream] | None) -> Any:
        step = self._step
        step.strips, step.streams, step.layout = strips, streams, Layout(strips)
        inputs = {
            "input_ids": torch.from_numpy(strips.ids),
            "attention_mask": step.layout.mask,
            "position_ids": torch.from_numpy(strips.positions + self._offset),
            "token_type_ids": torch.from_numpy(strips.types),
        }
        try:
            return module(**{k: v for k, v in inputs.items() if k in self._inputs})
        finally:
            step.strips = step.streams = step.layout = None

    # ---- slots

    def enter(self, slot: int, seed: int) -> None:
        """Gives a slot the initial weights of a new run: A as PEFT, B zero, head as transformers."""
        generator = torch.Generator().manual_seed(seed)
        spread = float(getattr(self.backbone.config, "initializer_range", 0.02))
        with torch.no_grad():
            for name, tensor in self.state(slot).items():
                if name.endswith("lora_A.weight"):
                    nn.init.kaiming_uniform_(tensor, a=math.sqrt(5), generator=generator)
                elif name.endswith("lora_B.weight") or name.endswith(".bias"):
                    tensor.zero_()
                else:
                    tensor.normal_(0.0, spread, generator=generator)

    def state(self, slot: int) -> dict[str, Tensor]:
        """Views of a slot's trained tensors, by the names under which PEFT saves them."""
        return {name: parameter.detach()[slot] for name, parameter in self.trained.items()}

    def load_state(self, slot: int, state: Mapping[str, Tensor]) -> None:
        """Puts a saved run into a slot; names and shapes must be those of `state`."""
        for name, tensor in self.state(slot).items():
            tensor.copy_(state[name])

    def parameters_of(self, slot: int) -> list[nn.Parameter]:
        """A slot's trained tensors as parameters for an optimiser, gradients attached."""
        views: list[nn.Parameter] = []
        for parameter in self.trained.values():
            view = nn.Parameter(parameter.detach()[slot])
            assert parameter.grad is not None
            view.grad = parameter.grad[slot]
            views.append(view)
        return views


def target_names(model: nn.Module, lora: LoraSettings) -> tuple[str, ...]:
    """The linear layers that get an update: those whose name ends as the settings say.

    Raises:
        ConfigError: none does.
    """
    wanted = lora.target_modules
    if wanted is None:
        from peft.utils import TRANSFORMERS_MODELS_TO_LORA_TARGET_MODULES_MAPPING as KNOWN

        kind = cast("Any", model.config).model_type
        wanted = tuple(KNOWN.get(kind) or ("query", "value", "q_lin", "v_lin", "q_proj", "v_proj"))
    layers = _layers(model)
    inside = {id(module) for module in layers.modules()}
    linear = [
        name
        for name, module in model.named_modules()
        if isinstance(module, nn.Linear) and id(module) in inside
    ]
    found = tuple(n for n in linear if any(n == w or n.endswith(f".{w}") for w in wanted))
    if not found:
        names = sorted({name.rpartition(".")[2] for name in linear})
        raise ConfigError(
            f"no linear layer of the encoder is called {' or '.join(wanted)}",
            remedy=f"choose target_modules among {', '.join(names)}",
        )
    return found


def count_parameters(
    model: nn.Module, head: tuple[str, ...], lora: LoraSettings
) -> tuple[int, int, int]:
    """(trainable, distinct total, the total that PEFT prints) of a model, weights or none.

    PEFT counts the head's frozen original beside its trained copy.
    """
    sizes = {
        name: math.prod(shape)
        for name, shape in _shapes(model, target_names(model, lora), head, lora.r).items()
    }
    update = sum(size for name, size in sizes.items() if ".lora_" in name)
    total = sum(parameter.numel() for parameter in model.parameters()) + update
    trainable = sum(sizes.values())
    return trainable, total, total + trainable - update


def _shapes(
    model: nn.Module, targets: Sequence[str], head: Sequence[str], r: int
) -> dict[str, tuple[int, ...]]:
    """Shapes of one run's trained tensors, by PEFT's names for them."""
    shapes: dict[str, tuple[int, ...]] = {}
    for name in targets:
        layer = cast("nn.Linear", model.get_submodule(name))
        shapes[f"{PREFIX}{name}.lora_A.weight"] = (r, layer.in_features)
        shapes[f"{PREFIX}{name}.lora_B.weight"] = (layer.out_features, r)
    for name in head:
        layer = cast("nn.Linear", model.get_submodule(name))
        shapes[f"{PREFIX}{name}.weight"] = (layer.out_features, layer.in_features)
        if layer.bias is not None:
            shapes[f"{PREFIX}{name}.bias"] = (layer.out_features,)
    return shapes


def _layers(model: nn.Module) -> nn.ModuleList:
    """The encoder's layers: its longest list of modules."""
    lists = [module for module in model.modules() if isinstance(module, nn.ModuleList)]
    if not lists:
        raise BackboneError(
            f"{type(model).__name__} has no list of layers",
            remedy="use an encoder built of layers: BERT, RoBERTa, DistilBERT, ELECTRA and kin",
        )
    return max(lists, key=len)


def _attention_dropout(model: nn.Module) -> float:
    config = cast("Any", model.config)
    for name in ("attention_probs_dropout_prob", "attention_dropout"):
        if hasattr(config, name):
            return float(getattr(config, name))
    return 0.0


def _accepted(model: nn.Module) -> set[str]:
    import inspect

    base = model.base if isinstance(model, MeanClassifier) else model
    return set(inspect.signature(cast("nn.Module", base).forward).parameters)


def _alone(model: nn.Module, offset: int) -> list[tuple[Tensor, Tensor]]:
    """(ids, last hidden states) of a few made-up examples, each by itself, as the encoder came."""
    config = cast("Any", model.config)
    implementation = config._attn_implementation
    base = model.base if isinstance(model, MeanClassifier) else model
    encoder = cast("Any", base).base_model
    generator = torch.Generator().manual_seed(7)
    low = min(offset + 8, config.vocab_size - 2)
    rows: list[tuple[Tensor, Tensor]] = []
    encoder.set_attn_implementation("eager")
    try:
        for length in (5, 9, 3):
            ids = torch.randint(low, config.vocab_size, (length,), generator=generator)
            with torch.no_grad():
                hidden = encoder(input_ids=ids[None]).last_hidden_state[0]
            rows.append((ids, hidden))
    finally:
        encoder.set_attn_implementation(implementation)
    return rows
