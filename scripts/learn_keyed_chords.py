r"""Learn which chords go with a melody in a known key: trains what `banso.keyed_network` runs.

    python scripts/learn_keyed_chords.py --lessons work/lessons.npz --seconds 1500 \
        --out work/keyed-begun.npz
    python scripts/learn_keyed_chords.py --lessons work/lessons.npz --start work/keyed-begun.npz \
        --plans 0 1 2 4 6 7 --batch 12 --rate 7e-4 --seconds 600 --out work/keyed.npz
    python scripts/choose_keyed_members.py work/keyed.npz --count 6 --out src/banso/tables

It learns from scores and from voices as they are heard (`song_lessons.py` makes the file). All
members of an ensemble are trained at once, as one network whose weights have an axis more; they
differ in their start, in the parts they see, and in `PLANS`. With `--start`, trained members go on
learning instead. Cross-entropy over triads, by the share of each in a half bar. The budget is time,
so that any machine finishes; weights are averages over the last steps (EMA). Long runs grow too
sure of themselves, which the mean of several members makes good.
"""

import argparse
import json
import math
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from choose_keyed_members import right as right_share
from keyed_crops import (
    CORPUS,
    NUM_VIEWS,
    SHAPE,
    SOURCES,
    Crops,
    Pool,
    crops,
    pool_of,
)
from numpy.typing import NDArray
from song_lessons import read_lessons
from torch import Tensor, nn

from banso import keyed_network as kn

JUDGED = kn.NUM_OUTPUTS
CROP, CHECKED = 96, 64  # half bars
SMOOTHING, WEIGHT_DECAY = 0.08, 0.05
NUM_CHECKS = 8
Array = NDArray[np.float32]


@dataclass(frozen=True, kw_only=True, slots=True)
class MemberPlan:
    """How one member differs.

    Attributes:
        drop: Dropout.
        shares: How often each of `SOURCES` is drawn.
        shape: Whether it sees heights and lengths of notes.
        told: How many chords at most are told in half of the parts.
    """

    drop: float = 0.25
    shares: tuple[float, float, float, float] = (0.7, 0.1, 0.1, 0.1)
    shape: bool = True
    told: float = 0.0


PLANS = (
    MemberPlan(shares=(0.85, 0.15, 0.0, 0.0), shape=False),
    MemberPlan(shares=(0.85, 0.15, 0.0, 0.0)),
    MemberPlan(),
    MemberPlan(drop=0.4),
    MemberPlan(told=0.8),
    MemberPlan(drop=0.4, told=0.8),
    MemberPlan(drop=0.3, shares=(0.5, 0.15, 0.2, 0.15), told=0.8),
    MemberPlan(drop=0.4, shares=(0.75, 0.0, 0.0, 0.25), told=0.8),
)
GOING_ON = MemberPlan(shares=(1.0, 0.0, 0.0, 0.0))


class Members(nn.Module):
    """Networks of one shape side by side; each computes what `banso.keyed_network` does.

    Args:
        plans: One for each member.
        dim: Width.
        blocks: Depth.
    """

    def __init__(self, plans: tuple[MemberPlan, ...], dim: int, blocks: int) -> None:
        super().__init__()
        self.count, self.dim, self.num_blocks = len(plans), dim, blocks
        self.drop: Tensor
        self.register_buffer("drop", torch.tensor([p.drop for p in plans]), persistent=False)
        weights: dict[str, Tensor] = {
            "distance": torch.zeros(kn.NUM_HEADS, 2 * kn.FARTHEST + 1),
            "phase": torch.zeros(kn.NUM_HEADS, kn.PERIOD),
        }
        weights |= _linear("embed", NUM_VIEWS, dim) | _norm("norm", dim)
        weights |= _linear("out", dim, JUDGED)
        for block in range(blocks):
            name = f"block{block}_"
            weights |= _norm(f"{name}norm1", dim) | _norm(f"{name}norm2", dim)
            weights |= _linear(f"{name}qkv", dim, 3 * dim) | _linear(f"{name}attended", dim, dim)
            weights |= _linear(f"{name}wide", dim, 2 * dim)
            weights |= _linear(f"{name}narrow", 2 * dim, dim) | _linear(f"{name}time", 5, dim)
        self.weights = nn.ParameterDict(
            {name: nn.Parameter(_started(name, w, len(plans))) for name, w in weights.items()}
        )

    def forward(self, views: Tensor, live: Tensor) -> Tensor:
        """Logits [members, batch, half bars, 25] of views [members, batch, half bars, views]."""
        x = self._dropped(_gelu(self._apply_linear(views, "embed")), 0.5)
        frames = torch.arange(x.shape[2], device=x.device)
        distance = frames[:, None] - frames
        far = distance.clamp(-kn.FARTHEST, kn.FARTHEST) + kn.FARTHEST
        bias = self.weights["distance"][..., far] + self.weights["phase"][..., distance % kn.PERIOD]
        bias = bias[:, None] + torch.where(live, 0.0, -1e4)[:, :, None, None]
        for block in range(self.num_blocks):
            name = f"block{block}_"
            y = self._normalized(x, f"{name}norm1")
            mixed = self._attended(y, bias, name) + self._mixed_in_time(y, f"{name}time")
            x = x + self._dropped(mixed)
            wide = _gelu(self._apply_linear(self._normalized(x, f"{name}norm2"), f"{name}wide"))
            x = x + self._dropped(self._apply_linear(wide, f"{name}narrow"))
        return self._apply_linear(self._normalized(x, "norm"), "out")

    def _apply_linear(self, x: Tensor, name: str) -> Tensor:
        flat = x.reshape(self.count, -1, x.shape[-1])
        bias = self.weights[f"{name}_bias"][:, None]
        found: Tensor = torch.baddbmm(bias, flat, self.weights[name]).view(*x.shape[:-1], -1)
        return found

    def _normalized(self, x: Tensor, name: str) -> Tensor:
        y: Tensor = nn.functional.layer_norm(x.float(), (x.shape[-1],)) * self._of(name)
        return y + self._of(f"{name}_bias")

    def _mixed_in_time(self, y: Tensor, name: str) -> Tensor:
        kernel = self.weights[name]
        reach = kernel.shape[1] // 2
        padded = nn.functional.pad(y, (0, 0, reach, reach))
        shifted = (
            padded[:, :, step : step + y.shape[2]] * kernel[:, step, None, None]
            for step in range(kernel.shape[1])
        )
        mixed: Tensor = sum(shifted) + self._of(f"{name}_bias")
        return mixed

    def _attended(self, y: Tensor, bias: Tensor, name: str) -> Tensor:
        members, batch, frames, dim = y.shape
        parts = self._apply_linear(y, f"{name}qkv").view(
            members, batch, frames, 3, kn.NUM_HEADS, -1
        )
        q, k, v = parts.permute(3, 0, 1, 4, 2, 5)
        score = q @ k.transpose(3, 4) / (dim // kn.NUM_HEADS) ** 0.5 + bias
        found = (score.softmax(dim=4).to(v.dtype) @ v).transpose(2, 3)
        return self._apply_linear(found.reshape(y.shape), f"{name}attended")

    def _of(self, name: str) -> Tensor:
        found: Tensor = self.weights[name][:, None, None]
        return found

    def _dropped(self, x: Tensor, part: float = 1.0) -> Tensor:
        if not self.training:
            return x
        drop = part * self.drop[:, None, None, None]
        return x * (torch.rand_like(x) >= drop) / (1 - drop).to(x.dtype)


def _linear(name: str, inputs: int, outputs: int) -> dict[str, Tensor]:
    return {name: torch.empty(inputs, outputs), f"{name}_bias": torch.empty(inputs, outputs)[0]}


def _norm(name: str, dim: int) -> dict[str, Tensor]:
    return {name: torch.ones(dim), f"{name}_bias": torch.zeros(dim)}


def _started(name: str, like: Tensor, members: int) -> Tensor:
    """Start as `torch.nn.Linear` does; norms and biases of attention start as they are."""
    if "norm" in name or name in ("distance", "phase"):
        return like.expand(members, *like.shape).clone()
    if name.endswith("_bias"):
        return torch.zeros(members, *like.shape)
    drawn: Tensor = 2 * torch.rand(members, *like.shape) - 1
    return drawn / math.sqrt(like.shape[0])


def _gelu(x: Tensor) -> Tensor:
    return nn.functional.gelu(x, approximate="tanh")


def drawn(pool: Pool, plans: tuple[MemberPlan, ...], batch: int) -> Crops:
    """A batch of crops for every member, first axes [members, batch]."""
    device = pool.weight.device
    share = torch.tensor([plan.shares for plan in plans], device=device)
    own = torch.stack([pool.source == place for place in range(len(SOURCES))])
    weight = own * pool.weight
    weight = weight / weight.sum(dim=1, keepdim=True).clamp(min=1e-9)
    songs = torch.multinomial(share @ weight, batch, replacement=True).flatten()
    told = torch.tensor([plan.told for plan in plans], device=device).repeat_interleave(batch)
    told = told * (torch.rand(len(songs), device=device) < 0.5)
    return _by_member(crops(pool, songs, CROP, hint_share=told), plans)


def _by_member(made: Crops, plans: tuple[MemberPlan, ...]) -> Crops:
    def split(x: Tensor) -> Tensor:
        return x.view(len(plans), -1, *x.shape[1:])

    views = split(made.views)
    seen = torch.tensor([float(plan.shape) for plan in plans], device=views.device)
    views[..., SHAPE] *= seen[:, None, None, None]
    return Crops(views, split(made.seconds), split(made.live), split(made.asked))


def loss_of(network: Members, batch: Crops) -> Tensor:
    """Mean cross-entropy in nats over the judged time, for every member [members]."""
    judged = batch.seconds[..., :JUDGED].sum(dim=3)
    weight = judged * batch.asked * batch.live
    target = batch.seconds[..., :JUDGED] / judged.clamp(min=1e-6)[..., None]
    target = (1 - SMOOTHING) * target + SMOOTHING / JUDGED
    with torch.autocast(batch.views.device.type, torch.bfloat16):
        logits = network(batch.views, batch.live)
    log = torch.log_softmax(logits.float(), dim=3)
    return -((log * target).sum(dim=3) * weight).sum(dim=(1, 2)) / weight.sum(dim=(1, 2))


def check(network: Members, pool: Pool, plans: tuple[MemberPlan, ...]) -> dict[str, Array]:
    """Two parts of each song set apart: probabilities, truth, and each member's scores.

    Returns:
        `probability` [members, parts, units, 25], `seconds` [parts, units, 26], and for each
        member `right` (mean share of the time), `nats` (mean cross-entropy).
    """
    songs = torch.arange(len(pool.length), device=pool.length.device)
    songs = songs[pool.source == 0].repeat_interleave(2)
    room = (pool.length[songs] - CHECKED).clamp(min=0)
    place = torch.tensor([0.25, 0.8], device=songs.device).repeat(len(songs) // 2)
    made = crops(pool, songs, CHECKED, start=(room * place).long())
    repeated = Crops(*(torch.cat([getattr(made, name)] * len(plans)) for name in made.__slots__))
    network.eval()
    with torch.no_grad(), torch.autocast(songs.device.type, torch.bfloat16):
        batch = _by_member(repeated, plans)
        log = torch.log_softmax(network(batch.views, batch.live).float(), dim=3)
    network.train()
    judged = made.seconds[..., :JUDGED]
    total = judged.sum(dim=(1, 2))
    best = torch.nn.functional.one_hot(log[..., :24].argmax(dim=3), JUDGED)
    right = ((best * judged).sum(dim=(2, 3)) / total).mean(dim=1)
    nats = (-(log * judged).sum(dim=(2, 3)) / total).mean(dim=1)
    found = {"probability": log.exp(), "seconds": made.seconds, "right": right, "nats": nats}
    return {name: value.cpu().numpy().astype(np.float32) for name, value in found.items()}


class Keeper:
    """Averaged weights, and how they did in the checks."""

    def __init__(self, network: Members) -> None:
        self.average = {name: w.detach().clone() for name, w in network.weights.items()}
        self.checks: list[dict[str, Any]] = []

    def update(self, network: Members, keep: float) -> None:
        """Move the average towards the weights of now."""
        names = list(self.average)
        now = [network.weights[name].detach() for name in names]
        torch._foreach_lerp_([self.average[name] for name in names], now, 1 - keep)

    def check(self, network: Members, pool: Pool, plans: tuple[MemberPlan, ...]) -> str:
        """Try the average and tell."""
        current = {name: w.detach().clone() for name, w in network.weights.items()}
        _load(network, self.average)
        found = check(network, pool, plans)
        _load(network, current)
        self.checks.append({name: found[name].round(4).tolist() for name in ("right", "nats")})
        together = right_share(found["probability"].mean(axis=0), found["seconds"])
        return f"right {found['right'].round(3).tolist()} together {together:.4f}"


def _load(network: Members, weights: dict[str, Tensor]) -> None:
    with torch.no_grad():
        for name, value in weights.items():
            network.weights[name].copy_(value)


def started_from(path: Path, chosen: list[int], network: Members) -> None:
    """Go on from members that this script wrote; they know no other corpus than POP909."""
    with np.load(path, allow_pickle=False) as arrays, torch.no_grad():
        for place, member in enumerate(chosen):
            for name, weight in network.weights.items():
                known = torch.from_numpy(arrays[f"member{member}_{name}"].astype(np.float32))
                weight[place].zero_()
                weight[place, : len(known)] = known.to(weight.device)


def exported(weights: dict[str, Tensor], member: int, *, shape: bool = True) -> dict[str, Array]:
    """One member's weights as `KeyedNetwork` wants them: the corpus is POP909, no chord is told.

    Args:
        weights: Of all members.
        member: Which of them.
        shape: Whether it has learned from heights and lengths.
    """
    found = {name: w[member].detach().float().cpu().numpy() for name, w in weights.items()}
    embed = found["embed"]
    found["embed_bias"] = found["embed_bias"] + embed[CORPUS.start]
    found["embed"] = embed[: SHAPE.stop].copy()
    found["embed"][SHAPE] *= shape
    return found


def train(
    network: Members, pools: tuple[Pool, Pool], plans: tuple[MemberPlan, ...], seconds: float,
    batch: int, rate: float,
) -> Keeper:  # fmt: skip
    """Train for a time; the rate falls to 0 at its end."""
    optimizer = torch.optim.AdamW(
        network.parameters(), rate, weight_decay=WEIGHT_DECAY, betas=(0.9, 0.98)
    )
    keeper, began, checked = Keeper(network), time.monotonic(), 0
    step, spent = 0, 0.0
    while spent < 1.0:
        loss = loss_of(network, drawn(pools[0], plans, batch))
        optimizer.zero_grad()
        loss.sum().backward()
        _clip(network)
        for group in optimizer.param_groups:
            group["lr"] = rate * min(1.0, (step + 1) / 100, 1.3 * (1 - spent))
        optimizer.step()
        step += 1
        before, spent = spent, (time.monotonic() - began) / seconds
        # The average reaches over a twentieth of the run, less at its start.
        keeper.update(network, min(float(np.exp((before - spent) / 0.05)), 1 - 1 / (step + 1)))
        if spent * NUM_CHECKS >= checked + 1 or spent >= 1.0:
            checked += 1
            told = keeper.check(network, pools[1], plans)
            print(f"{step} {spent:.2f} loss {loss.mean():.3f} {told}", flush=True)
    return keeper


def _clip(network: Members) -> None:
    """Clip the gradient of every member to a norm of 1."""
    gradients = [w.grad for w in network.parameters() if w.grad is not None]
    norm = torch.stack([g.flatten(1).square().sum(dim=1) for g in gradients]).sum(dim=0).sqrt()
    scale = (1 / norm.clamp(min=1.0)).nan_to_num()
    for gradient in gradients:
        gradient.mul_(scale.view(-1, *[1] * (gradient.ndim - 1)))


def main() -> None:
    """Train all members and write their weights, what they answer and how well."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--lessons", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--dim", type=int, default=96)
    parser.add_argument("--blocks", type=int, default=3)
    parser.add_argument("--batch", type=int, default=24, help="parts for each member")
    parser.add_argument("--rate", type=float, default=2e-3)
    parser.add_argument("--plans", type=int, nargs="*", help="which of PLANS, repeated at will")
    parser.add_argument("--start", type=Path, help="members that go on; --plans is which of them")
    parser.add_argument("--seconds", type=float, default=600)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    torch.manual_seed(options.seed)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    lessons = read_lessons(options.lessons)
    chosen = (
        [x for x in lessons if x.split == "train"],
        [x for x in lessons if x.source == "pop909" and x.split in ("tuning", "validation")],
    )
    pools = (pool_of(chosen[0], device), pool_of(chosen[1], device))
    chosen_plans = list(range(len(PLANS))) if options.plans is None else options.plans
    plans = tuple(GOING_ON if options.start else PLANS[i] for i in chosen_plans)
    network = Members(plans, options.dim, options.blocks).to(device)
    if options.start:
        started_from(options.start, chosen_plans, network)
    keeper = train(network, pools, plans, options.seconds, options.batch, options.rate)
    _load(network, keeper.average)
    found = check(network, pools[1], plans)
    arrays = {f"check_{name}": value.astype(np.float16) for name, value in found.items()}
    for member in range(len(plans)):
        own = exported(keeper.average, member, shape=plans[member].shape)
        arrays |= {f"member{member}_{name}": w.astype(np.float16) for name, w in own.items()}
    told = {"plans": [asdict(plan) for plan in plans], "checks": keeper.checks}
    np.savez_compressed(options.out, allow_pickle=False, about=np.array(json.dumps(told)), **arrays)
    print(f"right {found['right'].round(4).tolist()}; {options.out}")


if __name__ == "__main__":
    main()
