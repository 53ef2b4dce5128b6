"""One recording to files: the accompaniment, and the mix with the voice.

pip install banso; python accompany_file.py [VOCALS]
"""

import sys
from pathlib import Path

from banso import Accompanist
from banso.options import GenerationOptions, OutputOptions

vocals = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).with_name("vocal.flac")

accompanist = Accompanist.from_bundle()
result = accompanist.accompany_file(
    vocals,
    OutputOptions(overwrite=True),
    GenerationOptions(seed=7),
    on_progress=lambda done: print(f"\r{done:4.0%}", end="", flush=True),
)
print()
for path in result.paths.all():
    print(path)
print(f"seed {result.provenance.seed}, {result.provenance.num_evaluations} network evaluations")
