"""The product itself: the built plug-in, asked by this project's own host, as any host asks it."""

import hashlib
import json
import os
import subprocess
import tempfile
from datetime import datetime
from pathlib import Path

ROOT = Path(__file__).parents[4]
BUILT = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")) / "release"
SOURCES = ("plugin", "resources/flow")


class Product:
    """Draws with a plug-in in a host. `settings` are parameters as `ID=VALUE`."""

    def __init__(self, plugin=None, host=None, settings=()):
        self.host = Path(host or BUILT / ("host-tests.exe" if os.name == "nt" else "host-tests"))
        self.plugin = Path(plugin) if plugin else self.newest()
        self.settings = settings
        for path in (self.host, self.plugin):
            if not path.exists():
                raise FileNotFoundError(f"{path} is not there; build it: cargo build --release --workspace")

    @staticmethod
    def newest():
        """The library that was built last."""
        names = ("libaiinbetween.so", "libaiinbetween.dylib", "aiinbetween.dll")
        # Built for another package it lies in `deps` only.
        built = [path for folder in (BUILT, BUILT / "deps") for name in names if (path := folder / name).exists()]
        return max(built, key=lambda path: path.stat().st_mtime, default=BUILT / names[0])

    def told(self):
        """What was judged: path, age and content, and whether sources are newer."""
        if not self.plugin.is_file():
            return {"plugin": str(self.plugin)}
        built = self.plugin.stat().st_mtime
        files = (path for name in SOURCES for path in (ROOT / name).rglob("*"))
        newer = [path for path in files if path.suffix in (".rs", ".safetensors") and path.stat().st_mtime > built]
        return {
            "plugin": str(self.plugin),
            "built": datetime.fromtimestamp(built).isoformat(" ", "seconds"),
            "sha256": hashlib.sha256(self.plugin.read_bytes()).hexdigest(),
            "newer_sources": sorted(str(path.relative_to(ROOT)) for path in newer),
        }

    def draw(self, shots, out):
        """Draws all shots, in a cache folder that is empty at the start."""
        items = [
            {"id": name, "i0": str(first.resolve()), "i1": str(last.resolve()), "t": time, "pred": name}
            for first, last, time, name in shots
        ]
        with tempfile.TemporaryDirectory() as folder:
            (Path(folder) / "manifest.json").write_text(json.dumps({"items": items}))
            command = [self.host, "eval", folder, out.resolve(), "--plugin", self.plugin]
            for setting in self.settings:
                command += ["--set", setting]
            environment = {**os.environ, "INBETWEEN_CACHE_DIR": str(Path(folder) / "cache")}
            subprocess.run([str(part) for part in command], check=True, env=environment)
