"""The bank: R runs over one frozen encoder, moved together.

The encoder's code is transformers' own. Its leaves are swapped: linear layers become frozen ones
with R low-rank updates or R biases, dropout becomes keyed, attention works in strips, the head's
linear layers hold R weights. A run that trains every weight shares none, so it has a bank of one
slot, whose tensors are the model's own; all else is as for the others. Where its layers are of a
known build, flat layers take their place and use those leaves' weights. What comes out of the last
layer is one row an example, so that pooler and head run as their authors wrote them.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from typing import Any, cast

import torch
import torch.nn.functional as F  # noqa: N812 (its usual name)
from numpy.typing import NDArray
from torch import Tensor, nn

from weft.config import LoraSettings
from weft.errors import BackboneError
from weft.nn.anatomy import (
    accepted_inputs,
    attention_dropout,
    bare,
    encoder_name,
    layers_of,
    named_modules,
    packable,
    position_offset,
    use_attention,
)
from weft.nn.attention import PACKED, PADDED
from weft.nn.backbone import DTYPES, Backbone
from weft.nn.dropout import Key, Layout, Step, Stream, stream_for
from weft.nn.flat.layers import FlatLayers, parts_of
from weft.nn.flat.rows import Rows
from weft.nn.initial import drawn, slice_of
from weft.nn.leaves import BankLora, FrozenLinear
from weft.nn.placing import away, placed
from weft.nn.shapes import (
    PREFIX,
    Update,
    count_parameters,
    named_as,
    shapes_of,
    target_names,
    usual_targets,
)
from weft.nn.swap import swap
from weft.nn.verify import Reference, agree, reference, refusal
from weft.text.packing import ROWS, Form, Strips, pack

_MANY = 128  # rows: on a device, few shapes of steps count for more than some rows of nobody
Streams = Sequence[Stream | Key]
"""Random bits of a step's runs, one a segment."""


class Bank(nn.Module):
    """R slots over one frozen encoder.

    `trained` holds all that is trained, by the names under which PEFT saves it; the first axis of
    each tensor is the slot. Gradients are allocated once and kept, so that a slot's share of them
    is a view for good.

    Args:
        backbone: taken over: its model is changed in place.
        update: what every slot trains beside the head: an adapter of this shape, or more, or
            nothing. `head` never moves the encoder: it serves models that are loaded whole. A slot
            may be given a smaller adapter (`adapt`).
        slots: R; 1 where all weights are trained.
        form: how a step's examples lie; None: as close together as this encoder bears.
        device: where it computes, `cpu` or `cuda`.
        trains: whether anything will ask for gradients; without, less memory is taken.

    Raises:
        ConfigError: no layer bears the wanted name.
        BackboneError: neither packed nor padded does the bank compute what this encoder does.
    """

    def __init__(
        self,
        backbone: Backbone,
        update: Update,
        slots: int,
        form: Form | None = None,
        device: str = "cpu",
        *,
        trains: bool = True,
    ) -> None:
        super().__init__()
        assert slots == 1 or update != "all", "runs that train all weights share none"
        self.backbone, self.update, self.slots = backbone, update, slots
        model = cast("nn.Module", backbone.model)
        self.pad = cast("int | None", backbone.tokenizer.pad_token_id) or 0
        self._offset = position_offset(model)
        self.device = torch.device(device)
        self.multiple = _MANY if away(self.device) else ROWS
        """Of what a flat step's rows are rounded up to."""
        self._step = Step(device=self.device)
        self._one_at_a_time = threading.Lock()
        layers = layers_of(model)
        self.form: Form = "padded"
        """How this encoder's examples lie: the first that it bears."""
        lora = isinstance(update, LoraSettings)
        self.targets = target_names(model, update, backbone.fresh) if lora else ()
        self._adapters: list[Update] = [update] * slots
        self._usual = usual_targets(model) if lora else ()
        counts = count_parameters(model, backbone.fresh, update)
        self.trainable, self.total, self.peft_total = counts
        self.dtype = DTYPES[backbone.precision]
        """Of products."""
        dtype = torch.float64 if backbone.precision == "float64" else torch.float32
        model.to(self.device, dtype)
        self.trained: dict[str, nn.Parameter] = {}
        for name, shape in shapes_of(model, update, backbone.fresh).items():
            parameter = nn.Parameter(torch.zeros(slots, *shape, dtype=dtype, device=device))
            parameter.grad = torch.zeros_like(parameter)
            self.trained[name] = parameter
        self._came = {
            PREFIX + name: parameter.detach().clone()
            for name, parameter in model.named_parameters()
            if PREFIX + name in self.trained
        }
        try:
            alone = reference(backbone, self._offset)
        except (RuntimeError, ValueError, TypeError, IndexError) as error:
            raise refusal(backbone, error) from error
        swap(backbone, layers, update, self.trained, self._step)
        self._sites = {n: m for n, m in named_modules(model) if isinstance(m, BankLora)}
        layers[-1].register_forward_hook(self._hand_on)
        if backbone.source.pooling == "mean":
            cast("Any", bare(model)).base_model.register_forward_hook(self._average)
        self.model = model
        self._inputs = accepted_inputs(model)
        forms: tuple[Form, ...] = ("flat", "strips", "padded") if packable(model) else ("padded",)
        self._autocast: torch.dtype | None = None
        flat = self._settle(alone, layers, [f for f in forms if form in (None, f)])
        if flat is not None:
            flat.prepare(DTYPES[backbone.precision], backward=trains)
            return
        for module in cast("nn.Module", layers).modules():
            if isinstance(module, FrozenLinear):
                module.to(DTYPES[backbone.precision])
        if update == "all" and backbone.precision == "bf16":
            self._autocast = torch.bfloat16

    # ---- building

    def _flatten(self, layers: nn.ModuleList) -> FlatLayers | None:
        """Puts flat layers in the place of the encoder's own, where they are of a known build."""
        parts = [parts_of(layer) for layer in layers]
        known = [part for part in parts if part is not None]
        inside = {module for part in known for module in vars(part).values()}
        outside = any(self.model.get_submodule(name) not in inside for name in self.targets)
        if len(known) < len(parts) or outside:
            return None
        first_only = self.backbone.source.pooling == "cls"
        below = self.update in ("biases", "all")
        flat = FlatLayers(list(layers), self._step, first_only=first_only, below=below)
        if not first_only:
            flat.register_forward_hook(self._hand_on)
        for _ in range(len(layers)):
            del layers[-1]
        layers.append(flat)
        return flat

    def _settle(
        self, alone: Reference, layers: nn.ModuleList, forms: Sequence[Form]
    ) -> FlatLayers | None:
        """Takes the first of the forms that changes nothing of what the model computed alone, and
        refuses a model that bears none; the flat layers, where that is the form."""
        self.enter_loaded(0)
        flat: FlatLayers | None = None
        why: Exception | None = None
        for form in forms:
            flat = self._flatten(layers) if form == "flat" else None
            if form == "flat" and flat is None:
                continue
            self.form = form
            try:
                self._try(alone)
                break
            except (
                *(BackboneError, RuntimeError, ValueError, TypeError),
                *(LookupError, AttributeError, AssertionError),
            ) as error:
                why = error
                if flat is not None:
                    flat.give_back(layers)
        else:
            raise refusal(self.backbone, why or f"not {' or '.join(forms)}") from why
        for tensor in self.state(0).values():
            tensor.zero_()
        return flat

    def _try(self, alone: Reference) -> None:
        """Holds what the bank computes in its form against what the model computed by itself."""
        use_attention(self.model, PADDED if self.form == "padded" else PACKED)
        with torch.no_grad():
            strips = pack([(0, alone.tokens)], pad=self.pad, form=self.form)
            agree(self.pooled(strips), alone.pooled, "hidden states", self.backbone)
            agree(self(strips), alone.logits, "logits", self.backbone)
            self._try_dropout(strips)

    def _try_dropout(self, strips: Strips) -> None:
        """One pass as in training: every dropout must be one that the bank can draw for a run.

        Raises:
            BackboneError: attention drops by itself, out of reach.
            RuntimeError: something is dropped that is neither a token's nor an example's.
        """
        self._step.squares = 0
        self(strips, [stream_for(0, 0, self.device)])
        if attention_dropout(self.model) > 0 and self._step.squares == 0:
            raise refusal(self.backbone, "its attention drops by itself, out of the bank's reach")

    def _hand_on(self, _module: nn.Module, _inputs: Any, output: Any) -> Any:
        """Behind the last layer: (N, S, H) -> (B, 1, H), by first token or mean.

        A padded encoder needs it not: its strips are the examples, in order.
        """
        if self.form == "padded":
            return output
        hidden = cast("Tensor", output[0] if isinstance(output, tuple) else output)
        mean = self.backbone.source.pooling == "mean"
        rows = self._mean(hidden) if mean else self._first(hidden)
        return (rows, *output[1:]) if isinstance(output, tuple) else rows

    def _average(self, _module: nn.Module, _inputs: Any, output: Any) -> Any:
        """Behind the whole of a padded encoder: the mean, which it does not take by itself."""
        if self.form == "padded":
            output.last_hidden_state = self._mean(output.last_hidden_state)
        return output

    def _first(self, hidden: Tensor) -> Tensor:
        """Each example's first token: (N, S, H) -> (B, 1, H)."""
        assert self._step.layout is not None
        return hidden.flatten(0, 1).index_select(0, self._step.layout.first)[:, None]

    def _mean(self, hidden: Tensor) -> Tensor:
        """The mean of each example's tokens: (N, S, H) -> (B, 1, H)."""
        strips, rows = self._step.strips, self._step.rows
        assert strips is not None
        if rows is not None:
            lengths, owners = rows.on("lengths"), rows.on("owners")
        else:
            lengths, owners = self._on(strips.lengths), self._on(strips.owners)
        # what is nobody's is added up apart
        sums = hidden.new_zeros(len(lengths) + 1, hidden.shape[-1])
        sums = sums.index_add(0, owners, hidden.flatten(0, 1))[:-1]
        return (sums / lengths[:, None].to(sums.dtype))[:, None]

    # ---- computing

    def forward(
        self,
        strips: Strips,
        streams: Streams | None = None,
        tokens: tuple[Tensor, Tensor] | None = None,
        rows: Rows | None = None,
    ) -> Tensor:
        """Logits of all examples of a step.

        Args:
            strips: what is computed; each segment names its slot.
            streams: one a segment, for dropout; None: no dropout.
            tokens: ids and types (T,) in canonical order, where they are on the device already;
                None: those of the strips.
            rows: of `rows_of`, where the caller made them.

        Returns:
            (B, C), float32 or wider, examples in canonical order.
        """
        logits = cast("Tensor", self._run(self.model, strips, streams, tokens, rows).logits)
        return logits.float() if logits.dtype == torch.bfloat16 else logits

    def pooled(self, strips: Strips) -> Tensor:
        """What the encoder hands to the head: (B, H), by first token or mean, no dropout."""
        base = cast("nn.Module", getattr(self.model, encoder_name(self.model)))
        return self._run(base, strips, None).last_hidden_state[:, 0]

    def _run(
        self,
        module: nn.Module,
        strips: Strips,
        streams: Streams | None,
        tokens: tuple[Tensor, Tensor] | None = None,
        rows: Rows | None = None,
    ) -> Any:
        with self._one_at_a_time:
            return self._run_alone(module, strips, streams, tokens, rows)

    def rows_of(
        self, strips: Strips, streams: Streams | None, there: dict[str, Tensor] | None = None
    ) -> Rows:
        """A flat step's rows.

        Args:
            there: its arrays that lie on the device already, by name.
        """
        return Rows(strips, self.device, offset=self._offset, streams=streams, there=there)

    def _run_alone(
        self,
        module: nn.Module,
        strips: Strips,
        streams: Streams | None,
        tokens: tuple[Tensor, Tensor] | None,
        rows: Rows | None,
    ) -> Any:
        step = self._step
        step.strips, step.streams = strips, streams
        step.calls.clear()
        step.layout = Layout(strips, self.device)
        if self.form == "flat":
            step.rows = rows or self.rows_of(strips, streams)
            if tokens is not None:
                rest = strips.ids.size - len(tokens[0])
                step.rows.there["ids"] = F.pad(tokens[0], (0, rest), value=self.pad)[None]
                step.rows.there["types"] = F.pad(tokens[1], (0, rest))[None]
            ids, types = step.rows.on("ids"), step.rows.on("types")
        elif tokens is None:
            ids, types = self._on(strips.ids), self._on(strips.types)
        else:
            here = self._on(strips.example >= 0)
            ids, types = (step.layout.laid(values, here) for values in tokens)
            ids = torch.where(here, ids, self.pad)
        inputs = {"input_ids": ids, "token_type_ids": types}
        if self.form == "padded":
            inputs["attention_mask"] = self._on(strips.example >= 0).long()
        elif step.rows is not None:
            inputs["position_ids"] = step.rows.on("positions")
        else:
            inputs["attention_mask"] = step.layout.mask
            inputs["position_ids"] = self._on(strips.positions + self._offset)
        kind, autocast = self.device.type, self._autocast
        try:
            with torch.autocast(kind, autocast, enabled=autocast is not None):
                return module(**{k: v for k, v in inputs.items() if k in self._inputs})
        finally:
            step.strips = step.streams = step.layout = step.rows = None

    def _on(self, array: NDArray[Any]) -> Tensor:
        return placed(array, self.device)

    # ---- slots

    @property
    def lora(self) -> LoraSettings:
        """The adapter's shape, of a bank that has adapters."""
        assert isinstance(self.update, LoraSettings)
        return self.update

    @property
    def _head(self) -> set[str]:
        kinds = ("weight", "bias")
        return {f"{PREFIX}{name}.{kind}" for name in self.backbone.fresh for kind in kinds}

    def adapt(self, slot: int, lora: LoraSettings) -> None:
        """Gives a slot an adapter of its own: rank, alpha, dropout and targets, its weights zero.

        Where it is smaller than the bank's, what is left over is zero and stays zero.

        Args:
            lora: of no higher rank than the bank's, and of no other targets.

        Raises:
            ConfigError: the bank has none of its targets.
        """
        assert lora.r <= self.lora.r
        wanted = named_as(lora.target_modules or self._usual, self.targets)
        self._adapters[slot] = lora
        for parameter in self.trained.values():
            parameter.detach()[slot].zero_()
        for name, site in self._sites.items():
            scaling = lora.lora_alpha / lora.r if name in wanted else None
            site.adapt(slot, scaling, lora.lora_dropout)

    @property
    def adapters(self) -> Sequence[Update]:
        """Each slot's own."""
        return tuple(self._adapters)

    def enter(self, slot: int, seed: int, lora: LoraSettings | None = None) -> None:
        """Gives a slot a new run's initial weights: A as PEFT, B zero, the encoder's as it came,
        head as transformers.

        Args:
            lora: the run's own adapter, as `adapt` takes it; None: the bank's.
        """
        if isinstance(self.update, LoraSettings) and self._adapters[slot] != (lora or self.update):
            self.adapt(slot, lora or self.update)
        generator = torch.Generator().manual_seed(seed)  # the same weights on every device
        spread = float(getattr(self.backbone.config, "initializer_range", 0.02))
        with torch.no_grad():
            for name, tensor in self.state(slot).items():
                came = name in self._came and name not in self._head
                tensor.copy_(self._came[name] if came else drawn(name, tensor, spread, generator))

    def enter_loaded(self, slot: int) -> None:
        """Gives a slot the weights of the checkpoint, head and all; low-rank updates are zero."""
        for name, tensor in self.state(slot).items():
            if name in self._came:
                tensor.copy_(self._came[name])
            else:
                tensor.zero_()

    def state(self, slot: int) -> dict[str, Tensor]:
        """Views of a slot's trained tensors, by the names under which PEFT saves them; of a smaller
        adapter than the bank's, those parts that are its own."""
        whole = {name: parameter.detach()[slot] for name, parameter in self.trained.items()}
        lora = self._adapters[slot]
        if lora == self.update or not isinstance(lora, LoraSettings):
            return whole
        own: dict[str, Tensor] = {}
        for name, tensor in whole.items():
            site, low, which = name.removeprefix(PREFIX).partition(".lora_")
            if not low:
                own[name] = tensor
            elif self._sites[site].own[slot] is not None:
                own[name] = tensor[: lora.r] if which.startswith("A") else tensor[:, : lora.r]
        return own

    def load_state(self, slot: int, state: Mapping[str, Tensor]) -> None:
        """Puts a saved run into a slot; names and shapes must be those of `state`."""
        for name, tensor in self.state(slot).items():
            tensor.copy_(state[name])

    def parameters_of(self, slot: int) -> list[nn.Parameter]:
        """A slot's trained tensors as parameters for an optimiser, gradients attached."""
        return [slice_of(parameter, slot) for parameter in self.trained.values()]
