"""What the lock file brings in: how much, from where, and under which licences. The last line is `N passed, M failed`."""

import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PACKAGES_MAX = 450
ALLOWED = {
    "0BSD", "Apache-2.0", "Apache-2.0 WITH LLVM-exception", "BSD-1-Clause", "BSD-2-Clause", "BSD-3-Clause", "BSL-1.0",
    "CC0-1.0", "CDLA-Permissive-2.0", "ISC", "MIT", "MIT-0", "Unicode-3.0", "Unlicense", "Zlib",
}


def allowed(expression):
    """Whether an SPDX expression can be met with allowed licences; `/` is the old way to write OR."""
    tokens = re.findall(r"\(|\)|[^\s()]+", expression.replace("/", " OR "))

    def either():
        value = both()
        while tokens and tokens[0].upper() == "OR":
            tokens.pop(0)
            right = both()
            value = value or right
        return value

    def both():
        value = one()
        while tokens and tokens[0].upper() == "AND":
            tokens.pop(0)
            right = one()
            value = value and right
        return value

    def one():
        token = tokens.pop(0)
        if token == "(":
            value = either()
            tokens.pop(0)
            return value
        if len(tokens) > 1 and tokens[0].upper() == "WITH":
            token = f"{token} WITH {tokens[1]}"
            del tokens[:2]
        return token in ALLOWED

    return either() and not tokens


def main():
    lock = tomllib.loads((ROOT / "Cargo.lock").read_text())["package"]
    command = ["cargo", "metadata", "--format-version", "1", "--locked"]
    metadata = json.loads(subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE).stdout)
    faults = {
        f"at most {PACKAGES_MAX} packages (there are {len(lock)})": [] if len(lock) <= PACKAGES_MAX else [str(len(lock))],
        "no dependency but from the registry": [
            f"{package['name']} from {package.get('source', 'a path')}"
            for package in lock
            if package["name"] != "phasegate" and not package.get("source", "").startswith("registry+")
        ],
        "every package comes with its checksum": [
            package["name"] for package in lock if package["name"] != "phasegate" and "checksum" not in package
        ],
        "every licence is on the list": [
            f"{package['name']} {package['version']}: {package['license'] or 'none'}"
            for package in metadata["packages"]
            if not allowed(package["license"] or "none")
        ],
    }
    for rule, found in faults.items():
        print(f"{'FAILED' if found else 'ok':<6} {rule}", *found, sep="\n         " if found else "")
    bad = sum(bool(found) for found in faults.values())
    print(f"{len(faults) - bad} passed, {bad} failed")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
