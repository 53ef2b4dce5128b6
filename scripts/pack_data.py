"""Pack encoded data small enough to carry, for `train_unattended.py` on another machine.

    python scripts/pack_data.py work/cache work/carried --most-megabytes 60 --parts 150

Writes folders `00`, `01`, ... of at most that size. Test songs stay at home; of items that hold
single parts of a band, only so many are taken.
"""

import argparse
from pathlib import Path

from banso.data.shards import pack_cache


def main() -> None:
    """Read the arguments and pack."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("cache", type=Path, help="folder of `banso prepare cache`")
    parser.add_argument("out", type=Path, help="new folder")
    parser.add_argument("--most-megabytes", type=float, default=60.0)
    parser.add_argument("--parts", type=int, default=150, help="items of single parts to take")
    given = parser.parse_args()
    parts = [path.stem for path in sorted(given.cache.glob("*-parts.npz"))]
    packed = pack_cache(
        given.cache,
        given.out,
        most_bytes=int(given.most_megabytes * 1e6),
        leave_out=parts[given.parts :],
    )
    sizes = ", ".join(f"{size / 1e6:.0f}" for size in packed.num_bytes)
    print(f"{packed.num_items} items in folders of {sizes} MB")


if __name__ == "__main__":
    main()
