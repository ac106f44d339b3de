"""`python -m bench` tells what benchmarks there are: the first line of each one's description."""

import ast
import sys
from pathlib import Path


def main() -> int:
    """The exit code."""
    lines = ["Each runs by itself and prints a table, then one line of JSON with its figures and ratios.", ""]
    for path in sorted(Path(__file__).parent.glob("[a-z]*.py")):
        tree = ast.parse(path.read_text("utf-8"))
        if any(isinstance(node, ast.FunctionDef) and node.name == "main" for node in tree.body):
            about = (ast.get_docstring(tree) or "").partition("\n")[0]
            lines.append(f"  make bench NAME={path.stem:8} {about}")
    sys.stdout.write("\n".join(lines) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
