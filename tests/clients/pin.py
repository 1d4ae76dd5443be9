"""Writes package-lock.json anew from package.json: exact versions and checksums, no addresses, one package a line.

    pin.py [FOLDER]      of this folder, or of another
"""

import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(sys.argv[1] if len(sys.argv) > 1 else Path(__file__).parent).resolve()
KEPT = {
    "name", "version", "integrity", "dependencies", "optionalDependencies", "peerDependencies", "peerDependenciesMeta", "optional",
    "peer", "dev", "devOptional", "bin", "os", "cpu", "libc", "hasInstallScript", "inBundle",
}

with tempfile.TemporaryDirectory() as folder:
    shutil.copy(HERE / "package.json", folder)
    command = ["npm", "install", "--package-lock-only", "--ignore-scripts", "--no-audit", "--no-fund"]
    subprocess.run([*command, "--omit-lockfile-registry-resolved"], cwd=folder, check=True)
    lock = json.loads((Path(folder) / "package-lock.json").read_text())

lines = []
for path, package in lock["packages"].items():
    kept = {key: value for key, value in package.items() if key in KEPT}
    lines.append(f"    {json.dumps(path)}: {json.dumps(kept)}")
head = f'{{\n  "lockfileVersion": {lock["lockfileVersion"]},\n  "requires": true,\n  "packages": {{\n'
(HERE / "package-lock.json").write_text(head + ",\n".join(lines) + "\n  }\n}\n")
