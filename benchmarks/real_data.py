"""The whole way on real survey data; writes what came of it into docs/results.md.

    python benchmarks/real_data.py --data DIR --weights FILE [kids9] [efigi]

DIR holds `kids9/` (nine aligned bands of one field and a catalogue) and `efigi/` (SDSS colour stamps with Hubble
types); FILE is a MobileNetV2 without its top. What these are and where they come from stands in docs/results.md.
The commands run as a user would type them, one after the other.
"""

import argparse
import os
import platform
import re
import shlex
import shutil
import subprocess
import sys
import tarfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "docs" / "results.md"
WEIGHTS = "--init imagenet --imagenet-weights mobilenet_v2.weights.h5"

# Nine bands, 0-based x and y, star against galaxy; split by area of sky. ImageNet is tried on enlarged stamps too.
KIDS9 = f"""
convert --hcompress --images 'data/kids9/{{band}}.fits' --bands u,g,r,i,Z,Y,J,H,Ks --catalog data/kids9/catalog.fits
    --zero-point u=0,g=0,r=0,i=0,Z=30,Y=30,J=30,H=30,Ks=30 --label LABEL_SG --size 32
    --split-by sky --splits train=0.6,val=0.1,test=0.3 --out kids9/records
pretrain kids9/records --epochs 40 --out kids9/magnitudes
finetune kids9/records --init scratch {WEIGHTS} --init kids9/magnitudes
    --budget 20 --budget 50 --budget 100 --repeats 5 --mode frozen --out kids9/frozen
finetune kids9/records {WEIGHTS} --resize 96
    --budget 20 --budget 50 --budget 100 --repeats 5 --mode frozen --out kids9/frozen-96
finetune kids9/records --init scratch {WEIGHTS} --init kids9/magnitudes
    --budget 20 --budget 50 --budget 100 --repeats 3 --mode full --out kids9/full
"""

# Colour stamps, four classes; the same network from random and from ImageNet weights.
EFIGI = f"""
convert --images 'efigi/stamps/{{id}}.jpg' --bands i,r,g --catalog data/efigi/catalog.csv --label morphology
    --size 88 --splits train=0.6,val=0.1,test=0.3 --out efigi/records
finetune efigi/records --init scratch --backbone mobilenet_v2 {WEIGHTS}
    --budget 40 --budget 100 --budget 400 --repeats 5 --mode frozen --out efigi/frozen
finetune efigi/records --init scratch --backbone mobilenet_v2 {WEIGHTS}
    --budget 100 --repeats 3 --mode full --out efigi/full
"""

EXPERIMENTS = {"kids9": KIDS9, "efigi": EFIGI}


def commands(text: str) -> list[list[str]]:
    """One command a line; what is indented goes on."""
    return [shlex.split(line) for line in text.strip().replace("\n    ", " ").splitlines()]


def run(name: str, work: Path) -> str:
    """Run one experiment; its commands and tables in Markdown."""
    shutil.rmtree(work / name, ignore_errors=True)
    (work / name).mkdir(parents=True)
    if (work / "data" / name / "stamps.tar").is_file():
        with tarfile.open(work / "data" / name / "stamps.tar") as archive:
            archive.extractall(work / name, filter="data")
    began, sections = time.perf_counter(), []
    for command in commands(EXPERIMENTS[name]):
        typed = shlex.join(["astrokeras", *command])
        print(f"$ {typed}", file=sys.stderr, flush=True)
        done = subprocess.run(
            [sys.executable, "-m", "astrokeras", *command], cwd=work, stdout=subprocess.PIPE, text=True, check=True
        )
        sections.append(f"```\n$ {typed}\n```\n\n" + _result(command[0], done.stdout))
    minutes = (time.perf_counter() - began) / 60
    where = f"Python {platform.python_version()}, {os.cpu_count()} cores"
    stamp = f"Run on {time.strftime('%Y-%m-%d')}, {where}, {minutes:.0f} minutes for all of it."
    return "\n\n".join([stamp, *sections])


def _result(command: str, output: str) -> str:
    """Tables that are Markdown stay as they are; the others are quoted."""
    text = output.strip()
    return text if command in ("pretrain", "finetune") else f"```\n{text}\n```"


def write(name: str, text: str) -> None:
    """Replace what stands between this experiment's marks in docs/results.md."""
    begin, end = f"<!-- {name}: begin -->", f"<!-- {name}: end -->"
    page = RESULTS.read_text(encoding="utf-8")
    pattern = re.compile(re.escape(begin) + ".*?" + re.escape(end), re.DOTALL)
    assert len(pattern.findall(page)) == 1, f"{RESULTS} lacks the marks of {name}"
    RESULTS.write_text(pattern.sub(lambda _: f"{begin}\n{text}\n{end}", page), encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"{', '.join(EXPERIMENTS)}; all without any")
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--weights", type=Path, required=True)
    parser.add_argument("--work", type=Path, default=Path("runs/real_data"))
    arguments = parser.parse_args()
    arguments.work.mkdir(parents=True, exist_ok=True)
    for link, target in {"data": arguments.data, "mobilenet_v2.weights.h5": arguments.weights}.items():
        (arguments.work / link).unlink(missing_ok=True)
        (arguments.work / link).symlink_to(target.resolve())
    for name in arguments.names or EXPERIMENTS:
        write(name, run(name, arguments.work))


if __name__ == "__main__":
    main()
