"""All slots' AdamW at once against torch's own, slot by slot."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from weft.config import Recipe
from weft.training.stacked import Decay, Stacked

from .stand_in import close, numbers

SHAPES = {"a": (3, 5), "b": (7,), "c": (2, 1)}
RECIPES = {
    0: (Recipe(learning_rate=1e-2, weight_decay=0.1, max_grad_norm=0.5), 30),
    2: (Recipe(learning_rate=3e-3, max_grad_norm=100.0), 12),
}


class Torchs:
    """One run's clipping, optimiser and schedule as a CPU has them."""

    def __init__(self, weights: list[Tensor], recipe: Recipe, total: int) -> None:
        self.weights = [nn.Parameter(weight.clone()) for weight in weights]
        self.limit = recipe.max_grad_norm
        self.optimiser = torch.optim.AdamW(
            self.weights, lr=recipe.learning_rate, weight_decay=recipe.weight_decay, fused=True
        )
        self.schedule = torch.optim.lr_scheduler.LambdaLR(
            self.optimiser, lambda step: max(0.0, (total - step) / total)
        )

    def step(self, gradients: list[Tensor]) -> None:
        for weight, gradient in zip(self.weights, gradients, strict=True):
            weight.grad = gradient.clone()
        torch.nn.utils.clip_grad_norm_(self.weights, self.limit)
        self.optimiser.step()
        self.schedule.step()


def begun(dtype: torch.dtype) -> tuple[dict[str, nn.Parameter], Stacked]:
    trained: dict[str, nn.Parameter] = {}
    for place, (name, shape) in enumerate(SHAPES.items()):
        trained[name] = nn.Parameter(numbers(place, 3, *shape).to(dtype))
        trained[name].grad = torch.zeros_like(trained[name])
    return trained, Stacked(list(trained.values()))


def feed(trained: dict[str, nn.Parameter], step: int) -> dict[int, list[Tensor]]:
    """Puts gradients where they are kept; of each slot what they are."""
    for place, parameter in enumerate(trained.values()):
        assert parameter.grad is not None
        parameter.grad.copy_(numbers(100 * step + place, *parameter.shape))
    return {
        slot: [p.grad[slot].clone() for p in trained.values() if p.grad is not None]
        for slot in RECIPES
    }


@pytest.mark.parametrize(
    ("dtype", "tolerance"), [(torch.float64, 1e-9), (torch.float32, 1e-5)], ids=str
)
def test_twenty_steps_equal_torchs(dtype: torch.dtype, tolerance: float) -> None:
    """With decay to zero and beyond; one run enters later than the other; slot 1 is empty."""
    trained, stacked = begun(dtype)
    empty = [parameter[1].detach().clone() for parameter in trained.values()]
    theirs: dict[int, Torchs] = {}
    rates: dict[int, Decay] = {}
    for step in range(20):
        for slot, (recipe, total) in RECIPES.items():
            if step == 3 * slot:
                own = [parameter[slot].detach() for parameter in trained.values()]
                theirs[slot] = Torchs(own, recipe, total)
                rates[slot] = Decay(recipe.learning_rate, total)
                stacked.seat(slot, recipe, total)
        gradients = feed(trained, step)
        for slot, own in theirs.items():
            assert rates[slot].get_last_lr() == own.schedule.get_last_lr()
            own.step(gradients[slot])
            rates[slot].step()
        stacked.step(list(theirs))
    for slot, own in theirs.items():
        for parameter, weight in zip(trained.values(), own.weights, strict=True):
            close(parameter[slot], weight, tolerance)
    for parameter, before in zip(trained.values(), empty, strict=True):
        assert torch.equal(parameter[1], before)
        assert parameter.grad is not None
        assert not parameter.grad.any()


def test_a_gradient_that_is_no_number_reaches_its_own_run_alone() -> None:
    """Which shows it, as with torch's, in its next loss; a neighbour's weights are as ever."""
    outcomes: list[Tensor] = []
    for broken in (False, True):
        trained, stacked = begun(torch.float32)
        for slot, given in RECIPES.items():
            stacked.seat(slot, *given)
        for step in range(3):
            feed(trained, step)
            if broken and step == 1:
                assert trained["b"].grad is not None
                trained["b"].grad[0, 4] = float("nan")
            stacked.step(list(RECIPES))
        assert trained["a"][0].isnan().any() == broken
        outcomes.append(torch.cat([trained["a"][slot].detach().flatten() for slot in (1, 2)]))
    assert torch.equal(*outcomes)


def test_its_state_is_told_and_put_back_as_torchs() -> None:
    """Taken from torch's AdamW after four steps, it goes on as that does."""
    trained, stacked = begun(torch.float64)
    recipe, total = RECIPES[0]
    own = Torchs([p[0].detach() for p in trained.values()], recipe, total)
    for step in range(4):
        own.step(feed(trained, step)[0])
    share = stacked.seat(0, recipe, total)
    share.load_state_dict(own.optimiser.state_dict())
    for parameter, weight in zip(trained.values(), own.weights, strict=True):
        parameter.detach()[0] = weight.detach()
    own.step(feed(trained, 4)[0])
    stacked.step([0])
    for parameter, weight in zip(trained.values(), own.weights, strict=True):
        close(parameter[0], weight, 1e-9)
    state = share.state_dict()["state"]
    for number, moments in own.optimiser.state_dict()["state"].items():
        for name, moment in moments.items():
            close(state[number][name], moment, 1e-9)
