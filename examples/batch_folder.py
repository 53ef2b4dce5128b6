"""A folder of recordings, the model loaded once; a bad file does not stop the others.

pip install banso; python batch_folder.py [FOLDER]
"""

import shutil
import sys
from pathlib import Path

from banso import Accompanist, BansoError
from banso.batch import collect_vocals
from banso.options import OutputOptions

here = Path(__file__).parent
folder = Path(sys.argv[1]) if len(sys.argv) > 1 else here / "recordings"
if len(sys.argv) == 1:
    # Something to work on: the example vocal twice.
    folder.mkdir(exist_ok=True)
    for name in ("one", "two"):
        shutil.copy(here / "vocal.flac", folder / f"{name}.flac")

output = OutputOptions(output_dir=here / "accompanied", format="flac", overwrite=True)
accompanist = Accompanist.from_bundle()
for recording in collect_vocals([folder], output):
    try:
        result = accompanist.accompany_file(recording, output)
    except BansoError as error:
        print(f"{recording.name}: {error}")
        continue
    print(f"{recording.name}: {result.duration_seconds:.1f} s -> {result.paths.mix}")
