"""Train the codec's renderer on a folder of clips within a budget of seconds.

    python scripts/train_renderer.py --codec CKPT_OR_BUNDLE --data CLIPS --out RUN --seconds 170

`choose_renderer_clips.py` makes the folder of clips. For machines without banso's command line; the
same as `banso train renderer`.
"""

import argparse
import logging
from pathlib import Path


def main() -> None:
    """Parse the command line and train."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--codec", type=Path, required=True, help="checkpoint, or bundle's folder")
    parser.add_argument("--data", type=Path, required=True, help="folder of clips")
    parser.add_argument("--out", type=Path, required=True, help="folder of the run")
    parser.add_argument("--seconds", type=float, default=170.0, help="preparation included")
    parser.add_argument("--limit", type=int, help="at most so many clips")
    parser.add_argument("--batch-size", type=int, help="crops in a step")
    parser.add_argument("--adversarial-from", type=float, help="share of the time; 1 for never")
    parser.add_argument("--start-from", type=Path, help="checkpoint to go on from")
    parser.add_argument("--learning-rate", type=float, help="its peak")
    parser.add_argument("--smoke", action="store_true", help="4 clips, small batches")
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    # Worker processes import this file again; they need no torch.
    from banso.train.loop import load_codec
    from banso.train.renderer import RendererTraining, fit_renderer

    chosen = {
        "batch_size": arguments.batch_size or (2 if arguments.smoke else None),
        "adversarial_from": arguments.adversarial_from,
        "learning_rate": arguments.learning_rate,
    }
    training = RendererTraining(
        seconds=arguments.seconds, **{k: v for k, v in chosen.items() if v is not None}
    )
    limit = arguments.limit or (4 if arguments.smoke else None)
    codec = load_codec(arguments.codec)
    path = fit_renderer(
        codec,
        arguments.data,
        arguments.out,
        training=training,
        limit=limit,
        start_from=arguments.start_from,
    )
    print(path)


if __name__ == "__main__":
    main()
