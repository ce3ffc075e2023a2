"""The Transformer of Vaswani et al. (2017), also with other mixers; every matrix is a Linear of its own.

Shape suffixes: B sentences, S source pieces, T target pieces, D model width, F feed-forward width,
H heads, K width of a head, V vocabulary.
"""

import dataclasses
import math
from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils import parametrize

from tzip.data.pieces import BEGIN, END, PAD
from tzip.nmt.dropout import Dropout
from tzip.nmt.options import Config
from tzip.nmt.ssru import SSRU

NO_NUMBERS = "the model's scores are not numbers; its weights are damaged, or too large for float32"
Places = dict[str, list[tuple[nn.Module, str]]]  # tensor name → the modules and attributes that hold it


class Sign(torch.autograd.Function):
    """sign(x), sign(0) = +1; the gradient passes where |x| ≤ 1 (BinaryNet, arXiv 1602.02830, equation 4)."""

    @staticmethod
    def forward(ctx, x: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        return torch.where(x >= 0, 1.0, -1.0).to(x.dtype)

    @staticmethod
    def backward(ctx, gradient: Tensor) -> Tensor:
        (x,) = ctx.saved_tensors
        return gradient * (x.abs() <= 1)


def binarized(x: Tensor) -> Tensor:
    """The sign of each feature times their mean magnitude; [..., D] (XNOR-Net, arXiv 1603.05279)."""
    return Sign.apply(x) * x.abs().mean(-1, keepdim=True)


class Attention(nn.Module):
    """Multi-head scaled dot-product attention (Vaswani et al. 2017, section 3.2)."""

    def __init__(self, config: Config):
        super().__init__()
        self.heads = config.heads
        self.query = nn.Linear(config.d_model, config.d_model)
        self.key = nn.Linear(config.d_model, config.d_model)
        self.value = nn.Linear(config.d_model, config.d_model)
        self.output = nn.Linear(config.d_model, config.d_model)
        self.weights = nn.Identity()  # gets the probabilities [B, H, T, S]: hook it to record attention maps
        self.dropout = Dropout(config.dropout, config.attention_dropout)

    def split(self, x_BTD: Tensor) -> Tensor:
        return x_BTD.unflatten(-1, (self.heads, -1)).transpose(1, 2)  # [B, H, T, K]

    def keys_values(self, x_BSD: Tensor) -> tuple[Tensor, Tensor]:
        """Keys and values [B, H, S, K] of the positions that are attended to."""
        return self.split(self.key(x_BSD)), self.split(self.value(x_BSD))

    def forward(self, x_BTD: Tensor, keys_values: tuple[Tensor, Tensor], bias: Tensor | None) -> Tensor:
        key_BHSK, value_BHSK = keys_values
        query_BHTK = self.split(self.query(x_BTD)) * key_BHSK.shape[-1] ** -0.5
        scores_BHTS = query_BHTK @ key_BHSK.transpose(-2, -1)
        if bias is not None:
            scores_BHTS = scores_BHTS + bias
        weights_BHTS = self.weights(scores_BHTS.softmax(-1))
        mixed_BHTK = self.dropout(weights_BHTS) @ value_BHSK
        return self.output(mixed_BHTK.transpose(1, 2).flatten(2))


class Convolution(nn.Module):
    """A gated depthwise convolution instead of self-attention (Wu et al. 2019, figure 2b).

    A linear layer, a gated linear unit (Dauphin et al. 2017), a convolution along the sentence with one
    kernel per channel (Kaiser et al. 2018), a linear layer. A causal convolution sees no later position.
    """

    def __init__(self, config: Config, causal: bool):
        super().__init__()
        self.input = nn.Linear(config.d_model, 2 * config.d_model)
        self.depthwise = nn.Conv1d(config.d_model, config.d_model, config.kernel, groups=config.d_model)
        self.output = nn.Linear(config.d_model, config.d_model)
        self.dropout = Dropout(config.dropout)
        self.causal = causal
        self.reach = config.kernel - 1
        self.left = self.reach if causal else config.kernel // 2  # positions of the kernel before its own

    def keys_values(self, x_BSD: Tensor) -> tuple[Tensor]:
        """The gated values [B, S, D] to convolve: what attention has keys and values for."""
        return (self.dropout(F.glu(self.input(x_BSD), dim=-1)),)

    def forward(self, x_BTD: Tensor, keys_values: tuple[Tensor], bias: Tensor | None) -> Tensor:
        """The output [B, T, D] at the last T of the S positions; the sentence is padded with zeros."""
        gated_BSD = keys_values[0][:, -(x_BTD.shape[1] + self.left) :]
        if not self.causal:
            gated_BSD = gated_BSD.masked_fill(bias[:, 0, 0, :, None] < 0, 0.0)
        missing = x_BTD.shape[1] + self.left - gated_BSD.shape[1]
        padded_BDS = F.pad(gated_BSD.transpose(1, 2), (missing, self.reach - self.left))
        return self.output(self.depthwise(padded_BDS).transpose(1, 2))


class FeedForward(nn.Module):
    """f(xW₁ + b₁)W₂ + b₂ with an activation function f (Vaswani et al. 2017, equation 2: ReLU)."""

    def __init__(self, config: Config):
        super().__init__()
        self.inner = nn.Linear(config.d_model, config.d_ff)
        self.outer = nn.Linear(config.d_ff, config.d_model)
        self.activation = ACTIVATIONS[config.activation]
        self.dropout = Dropout(config.dropout, config.activation_dropout)

    def forward(self, x_BTD: Tensor) -> Tensor:
        return self.outer(self.dropout(self.activation(self.inner(x_BTD))))


ACTIVATIONS = {"relu": torch.relu_, "gelu": F.gelu, "silu": F.silu}


class Layer(nn.Module):
    """Residual blocks around self-attention or another mixer, cross-attention (decoder), feed-forward."""

    def __init__(self, config: Config, cross: bool):
        super().__init__()
        self.pre = config.norm == "pre"
        mixer = config.mixers[cross]
        if mixer == "attention":
            self.self_attention = Attention(config)
            self.self_attention_norm = layer_norm(config)
            self.mixer = self.self_attention, self.self_attention_norm
        elif mixer == "ssru":
            self.ssru, self.ssru_norm = SSRU(config.d_model), layer_norm(config)
            self.mixer = self.ssru, self.ssru_norm
        else:
            self.convolution = Convolution(config, causal=cross)
            self.convolution_norm = layer_norm(config)
            self.mixer = self.convolution, self.convolution_norm
        if cross:
            self.cross_attention = Attention(config)
            self.cross_attention_norm = layer_norm(config)
        self.feed_forward = FeedForward(config)
        self.feed_forward_norm = layer_norm(config)
        self.dropout = Dropout(config.dropout)

    def residual(self, x_BTD: Tensor, norm: nn.Module, block) -> Tensor:
        if self.pre:
            return x_BTD + self.dropout(block(norm(x_BTD)))
        return norm(x_BTD + self.dropout(block(x_BTD)))

    def forward(self, x_BTD: Tensor, bias: Tensor | None, source=None, source_bias: Tensor | None = None) -> Tensor:
        """The layer's output [B, T, D]; `source`: keys and values of the encoder states, for a decoder's layer."""
        mixer, norm = self.mixer
        x_BTD = self.residual(x_BTD, norm, lambda x: mixer(x, mixer.keys_values(x), bias))
        if source is not None:
            attend = self.cross_attention
            x_BTD = self.residual(x_BTD, self.cross_attention_norm, lambda x: attend(x, source, source_bias))
        return self.residual(x_BTD, self.feed_forward_norm, self.feed_forward)


def stacked(config: Config, stack: str) -> nn.ModuleList:
    """The layers of the encoder or decoder in the order of their use: one that is used again is the same module.

    So what goes through modules (a hook, a parametrization, an optimizer) meets it once, by its first name.
    """
    order = config.order(stack)
    layers = [Layer(config, cross=stack == "decoder") for _ in range(max(order) + 1)]
    return nn.ModuleList(layers[number] for number in order)


class Embedding(nn.Embedding):
    """Draws no values without memory for them: for that, torch would import its compiler, in two seconds."""

    def reset_parameters(self) -> None:
        if not self.weight.is_meta:
            super().reset_parameters()


class Transformer(nn.Module):
    """Encoder, decoder and output layer over one shared vocabulary, or one per side."""

    def __init__(self, config: Config):
        super().__init__()
        self.config = config
        self.source_embedding = Embedding(config.vocabulary, config.d_model)
        self.target_embedding = Embedding(config.targets, config.d_model)
        self.encoder = stacked(config, "encoder")
        self.decoder = stacked(config, "decoder")
        pre = config.norm == "pre"
        self.encoder_norm = layer_norm(config) if pre else nn.Identity()
        self.decoder_norm = layer_norm(config) if pre else nn.Identity()
        self.generator = nn.Linear(config.d_model, config.targets)
        self.dropout = Dropout(config.dropout)
        table = sinusoids(config.max_length + 1, config.d_model, config.positions)
        self.register_buffer("positions", table, persistent=False)
        self._initialize()
        if config.tie != "none":
            self.generator.weight = self.target_embedding.weight
        if config.tie == "all":
            self.source_embedding.weight = self.target_embedding.weight
        if config.binary_inputs != "none":
            self.binarize_inputs(config.binary_inputs)

    def binarize_inputs(self, layers: str) -> None:
        """Give linear layers `binarized` inputs: `attention` its own, `linear` also the feed-forward ones."""
        blocks = (Attention, Convolution, SSRU) + ((FeedForward,) if layers == "linear" else ())
        for block in self.modules():
            for layer in block.children() if isinstance(block, blocks) else ():
                if isinstance(layer, nn.Linear):
                    layer.register_forward_pre_hook(lambda _, inputs: (binarized(inputs[0]),))
        self.config = dataclasses.replace(self.config, binary_inputs=layers)

    def _initialize(self) -> None:
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.xavier_uniform_(module.weight)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)
            elif isinstance(module, nn.Embedding) and not module.weight.is_meta:
                nn.init.normal_(module.weight, std=self.config.d_model**-0.5)

    def embed(self, embedding: nn.Embedding, ids_BT: Tensor, start: int = 0) -> Tensor:
        end = start + ids_BT.shape[1]
        if end > len(self.positions):
            raise ValueError(f"a sentence of {end} pieces; max_length is {self.config.max_length}")
        x_BTD = embedding(ids_BT)
        if self.config.begin == "zeros":
            x_BTD = x_BTD.masked_fill(ids_BT[:, :, None] == BEGIN, 0.0)
        x_BTD = x_BTD * math.sqrt(self.config.d_model) + self.positions[start:end]
        return self.dropout(x_BTD.to(compute_type(x_BTD)))

    def encode(self, source_BS: Tensor) -> tuple[Tensor, Tensor]:
        """Encoder states [B, S, D] and the bias [B, 1, 1, S] that hides padding from attention."""
        x_BSD = self.embed(self.source_embedding, source_BS)
        bias = mask_bias(source_BS == PAD, x_BSD.dtype)[:, None, None, :]
        for layer in self.encoder:
            x_BSD = layer(x_BSD, bias)
        return self.encoder_norm(x_BSD), bias

    def decode(self, target_BT: Tensor, source_BSD: Tensor, source_bias: Tensor) -> Tensor:
        """Decoder states [B, T, D], each position seeing itself and those before it."""
        x_BTD = self.embed(self.target_embedding, target_BT)
        length = target_BT.shape[1]
        future = torch.ones(length, length, dtype=torch.bool, device=x_BTD.device).triu(1)
        bias = mask_bias(future, x_BTD.dtype)
        for layer in self.decoder:
            source = layer.cross_attention.keys_values(source_BSD)
            x_BTD = layer(x_BTD, bias, source, source_bias)
        return self.decoder_norm(x_BTD)

    def forward(self, source_BS: Tensor, target_BT: Tensor) -> Tensor:
        """Logits [B, T, V] of the piece after each target position."""
        return self.generator(self.decode(target_BT, *self.encode(source_BS)))


def holding(config: Config, weights: Mapping[str, Tensor]) -> Transformer:
    """A model, for evaluation, whose parameters are these tensors, which are not copied.

    weights  float32, by the first name of each parameter; KeyError if one is missing
    """
    with torch.device("meta"):
        model = Transformer(config)
    model.positions = sinusoids(config.max_length + 1, config.d_model, config.positions)
    for name, places in tensors(model).items():
        parameter = nn.Parameter(weights[name])
        for module, attribute in places:
            setattr(module, attribute, parameter)
    return model.eval()


@torch.inference_mode()
def check_scores(model: Transformer) -> None:
    """ValueError if the model's scores are not numbers even for one piece: its weights overflow, or are damaged."""
    device = next(model.parameters()).device
    source, target = (torch.tensor([[piece]], device=device) for piece in (END, BEGIN))
    if not model(source, target).isfinite().all():
        raise ValueError(NO_NUMBERS)


def padded(rows: list[list[int]], multiple: int = 1, most: int | None = None) -> Tensor:
    """Lists of piece ids as one int64 tensor [B, width], PAD at the end of shorter rows.

    multiple  the width is a multiple of it: fewer widths, where each one needs kernels of its own
    most      the largest width, which must hold every row
    """
    width = -(-max(map(len, rows)) // multiple) * multiple
    width = width if most is None else min(width, most)
    return torch.tensor([row + [PAD] * (width - len(row)) for row in rows], dtype=torch.int64)


def layer_norm(config: Config) -> nn.LayerNorm:
    return nn.LayerNorm(config.d_model, eps=config.epsilon)


def sinusoids(length: int, width: int, form: str = "interleaved") -> Tensor:
    """Position encodings [length, width] (Vaswani et al. 2017, section 3.5).

    form  interleaved: sine and cosine of a frequency side by side; single: the same computed in float32, as
          in OpenNMT-py (1e-5 apart at position 100); halves: all sines, then all cosines, as in transformers'
          Marian; marian: halves, with the exponents i / (width / 2 - 1) of Marian itself, not i / (width / 2);
          fairseq: marian in float32, with a first position of 2, as in M2M-100
    """
    kind = torch.float32 if form in ("single", "fairseq") else torch.float64
    if torch.get_default_device().type == "meta":
        return torch.empty(length, width)
    first, divisor = 2 * (form == "fairseq"), width - 2 * (form in ("fairseq", "marian"))
    position = torch.arange(first, first + length, dtype=kind)[:, None]
    rate = torch.exp(torch.arange(0, width, 2, dtype=kind) * (-math.log(10000.0) / max(divisor, 1)))
    table = torch.stack([torch.sin(position * rate), torch.cos(position * rate)], dim=-1)
    return (table.mT if form in ("halves", "marian", "fairseq") else table).flatten(1).float()


def mask_bias(mask: Tensor, dtype: torch.dtype) -> Tensor:
    """An additive attention bias: the most negative number where `mask` is true, else 0."""
    return torch.zeros(mask.shape, dtype=dtype, device=mask.device).masked_fill_(mask, torch.finfo(dtype).min)


def compute_type(x: Tensor) -> torch.dtype:
    """The type in which autocast computes on x's device, or x's own type outside autocast."""
    kind = x.device.type
    return torch.get_autocast_dtype(kind) if torch.is_autocast_enabled(kind) else x.dtype


def tensors(model: nn.Module) -> Places:
    """Every parameter of the plain model by its first name → the (module, attribute) pairs that hold it."""
    names: dict[int, str] = {}
    places: Places = {}
    for path, module in model.named_modules():
        if "parametrizations" in path.split("."):
            continue
        own = [*getattr(module, "parametrizations", ()), *(n for n, p in module._parameters.items() if p is not None)]
        for attribute in sorted(own, key=lambda name: name == "bias"):  # PyTorch registers biases last
            name = names.setdefault(id(chain(module, attribute)[0]), f"{path}.{attribute}".lstrip("."))
            places.setdefault(name, []).append((module, attribute))
    return places


def chain(module: nn.Module, attribute: str) -> list:
    """The latent parameter behind a module's attribute and the parametrizations that make it effective."""
    if parametrize.is_parametrized(module, attribute):
        steps = module.parametrizations[attribute]
        return [steps.original, *steps]
    return [getattr(module, attribute)]


def shape(places: list[tuple[nn.Module, str]]) -> tuple[int, ...]:
    """The shape of the tensor at these places."""
    return tuple(getattr(*places[0]).shape)
