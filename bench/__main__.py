"""All benchmarks as one table: `python -m bench [--markdown] [MODULE …]`."""

from __future__ import annotations

import argparse
import importlib
import pkgutil
import platform
import sys

import bench

COLUMNS = ("measure", "ours", "peer", "ratio", "reach")


def modules(wanted):
    names = sorted(one.name for one in pkgutil.iter_modules(bench.__path__) if one.name != "__main__")
    unknown = set(wanted) - set(names)
    if unknown:
        sys.exit(f"bench: error: there is no benchmark {', '.join(sorted(unknown))}; there are {', '.join(names)}")
    for name in wanted or names:
        module = importlib.import_module(f"bench.{name}")
        if hasattr(module, "run"):
            yield name, module


def shown(value):
    if isinstance(value, float):
        return f"{value:,.0f}" if value >= 100 else f"{value:.2f}"
    return f"{value:,}" if isinstance(value, int) else str(value)


def table(rows, *, markdown):
    cells = [[shown(row[column]) for column in COLUMNS] for row in rows]
    if markdown:
        lines = [COLUMNS, ("---", "---:", "---:", "---:", "---"), *cells]
        return "\n".join(f"| {' | '.join(line)} |" for line in lines)
    lines = [COLUMNS, *cells]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join("  ".join(map(aligned, COLUMNS, line, widths)).rstrip() for line in lines)


def aligned(column, cell, width):
    return cell.ljust(width) if column in {"measure", "reach"} else cell.rjust(width)


def main():
    parser = argparse.ArgumentParser(prog="bench", description=__doc__)
    parser.add_argument("modules", nargs="*", metavar="MODULE")
    parser.add_argument("--markdown", action="store_true", help="a table for the documentation")
    options = parser.parse_args()
    rows = []
    for name, module in modules(options.modules):
        print(f"bench: {name} …", file=sys.stderr, flush=True)
        rows += module.run()
    print(table(rows, markdown=options.markdown))
    print(f"\nCPython {platform.python_version()}, {platform.system()} on {platform.machine()}")


if __name__ == "__main__":
    main()
