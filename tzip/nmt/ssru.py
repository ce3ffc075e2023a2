"""The simpler simple recurrent unit in the place of a decoder's self-attention (Kim et al. 2019, D19-5632)."""

import torch
from torch import Tensor, nn


class SSRU(nn.Module):
    """A gated mean of all positions so far (Kim et al. 2019, section 3.2).

    f = σ(x W_f + b_f), c = f ⊙ c' + (1 − f) ⊙ (x W), output ReLU(c); c' is the state after the position before,
    zeros at first. States are in float32 at least, whatever the type of the products.
    """

    def __init__(self, width: int):
        super().__init__()
        self.input = nn.Linear(width, width, bias=False)  # W
        self.forget = nn.Linear(width, width)  # W_f, b_f

    def gates(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Of inputs [..., D], the share of the state that is kept, and what is added to it."""
        kind = torch.promote_types(x.dtype, torch.float32)
        keep = self.forget(x).to(kind).sigmoid()
        return keep, (1 - keep) * self.input(x).to(kind)

    def keys_values(self, x_BTD: Tensor) -> tuple[Tensor]:
        """The states after each position [B, T, D]: what attention has keys and values for.

        A scan in log₂ T steps (Hillis & Steele 1986): of two runs of positions, side by side, the shares kept
        are multiplied, and the earlier sum is added as the later run keeps it. Numbers are at most those of the
        recurrence, which has no other products.
        """
        keep, state = self.gates(x_BTD)
        run = 1
        while run < x_BTD.shape[1]:
            earlier = torch.zeros_like(state[:, :run])
            state = state + keep * torch.cat([earlier, state[:, :-run]], dim=1)
            keep = keep * torch.cat([torch.ones_like(earlier), keep[:, :-run]], dim=1)
            run *= 2
        return (state,)

    def step(self, x_ND: Tensor, state_ND: Tensor | None) -> Tensor:
        """The state [N, D] after one more position; None for zeros."""
        keep, added = self.gates(x_ND)
        return added if state_ND is None else keep * state_ND + added

    def forward(self, x: Tensor, states: tuple[Tensor], bias: Tensor | None) -> Tensor:
        """The output at each position, from the states after them; of the inputs' type."""
        return states[0].relu().to(x.dtype)
