r"""Choose which trained members vote on chords, and write them as the program's tables.

    python scripts/choose_keyed_members.py work/keyed-*.npz --count 8 --out src/banso/tables

Members are added one by one, each time the one with which the mean of their probabilities has the
least cross-entropy on the songs set apart, which all of them were checked on.
"""

import argparse
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from banso.keyed_network import NUM_OUTPUTS, packed

Array = NDArray[np.float32]


def read_members(path: Path) -> tuple[list[dict[str, Array]], Array, Array]:
    """Return weights by name of each member, their answers to the checks, and the truth."""
    with np.load(path, allow_pickle=False) as arrays:
        table = {name: arrays[name] for name in arrays.files}
    answers = table["check_probability"].astype(np.float32)
    members = []
    for member in range(len(answers)):
        name = f"member{member}_"
        own = {k.removeprefix(name): v for k, v in table.items() if k.startswith(name)}
        members.append({key: value.astype(np.float32) for key, value in own.items()})
    return members, answers, table["check_seconds"].astype(np.float32)


def nats(probability: Array, seconds: Array) -> float:
    """Mean cross-entropy of answers [parts, units, 25] over the judged time of each part."""
    judged = seconds[..., :NUM_OUTPUTS]
    total = (np.log(probability + 1e-6) * judged).sum(axis=(1, 2)) / judged.sum(axis=(1, 2))
    return float(-total.mean())


def right(probability: Array, seconds: Array) -> float:
    """Mean share of the judged time of each part that the likeliest triad is right in."""
    judged = seconds[..., :NUM_OUTPUTS]
    best = probability[..., :24].argmax(axis=2)[..., None]
    hit = np.take_along_axis(judged, best, axis=2).sum(axis=(1, 2))
    return float((hit / judged.sum(axis=(1, 2))).mean())


def chosen(answers: Array, seconds: Array, count: int) -> list[int]:
    """Choose members greedily; see the module."""
    order: list[int] = []
    total = np.zeros_like(answers[0])
    for size in range(1, count + 1):
        free = [member for member in range(len(answers)) if member not in order]
        costs = [nats((total + answers[member]) / size, seconds) for member in free]
        best = free[int(np.argmin(costs))]
        order.append(best)
        total += answers[best]
        told = f"right {right(total / size, seconds):.4f}, {min(costs):.4f} nats"
        print(f"{size}: member {best}, alone {right(answers[best], seconds):.4f}; together {told}")
    return order


def main() -> None:
    """Choose, tell, and write `keyed1.npz` and so on."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("members", type=Path, nargs="+")
    parser.add_argument("--count", type=int, default=8)
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    read = [read_members(path) for path in options.members]
    members = [member for some, _, _ in read for member in some]
    answers = np.concatenate([own for _, own, _ in read])
    order = chosen(answers, read[0][2], min(options.count, len(members)))
    for old in options.out.glob("keyed*.npz"):
        old.unlink()
    for place, member in enumerate(order, start=1):
        path = options.out / f"keyed{place}.npz"
        np.savez_compressed(path, allow_pickle=False, **packed(members[member]))
    sizes = [path.stat().st_size for path in options.out.glob("keyed*.npz")]
    print(f"{len(sizes)} files, {sum(sizes)} bytes")


if __name__ == "__main__":
    main()
