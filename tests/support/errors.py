"""docs/errors.md: every stable error code, with the sentence that it comes with.

``make errors`` adds the codes that are new and drops those that are gone; what stands there is kept, so
that a sentence may be made better by hand.
"""

import ast
import re
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
SRC = ROOT / "src" / "stillopen"
DOCUMENT = ROOT / "docs" / "errors.md"

#: Calls whose first argument that looks like a code is one, and the next its sentence.
_RAISERS = {"DomainError", "Refused", "answer", "error", "_refuse"}
_CODE = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*")

_PARTS = [
    ("domain", "Rules of the shop"),
    ("sync", "Synchronization"),
    ("", "Both programs"),
    ("register", "Register"),
    ("backoffice", "Back Office"),
    ("demo", "Demo"),
    ("bench", "Bench"),
]
_HEAD = """# Error codes

An error is a stable code and one sentence: `{"code", "message", "details"}` in the APIs,
`Error: sentence [code]` on the command line. Programs go by the code; its meaning does not change.
`…` stands for what differs from case to case.
"""


def modules() -> list[Path]:
    return [p for p in sorted(SRC.rglob("*.py")) if "migrations" not in p.parts]


def codes_in(path: Path) -> dict[str, str]:
    """Code → sentence, as far as they stand in the text of the file."""
    found: dict[str, str] = {}
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Call) and _name(node.func) in _RAISERS:
            at = next((i for i, a in enumerate(node.args) if _is_code(a)), None)
            if at is not None:
                sentence = _sentence(node.args[at + 1]) if at + 1 < len(node.args) else ""
                found.setdefault(str(ast.literal_eval(node.args[at])), sentence)
    return found


def documented() -> dict[str, str]:
    """Code → sentence in docs/errors.md."""
    text = DOCUMENT.read_text() if DOCUMENT.exists() else ""
    return dict(re.findall(r"^\| `(\w+)` \| (.*) \|$", text, re.M))


def _name(function: ast.expr) -> str:
    return function.id if isinstance(function, ast.Name) else getattr(function, "attr", "")


def _is_code(node: ast.expr) -> bool:
    return (
        isinstance(node, ast.Constant)
        and isinstance(node.value, str)
        and _CODE.fullmatch(node.value) is not None
    )


def _sentence(node: ast.expr) -> str:
    if isinstance(node, ast.Constant):
        return str(node.value)
    if isinstance(node, ast.JoinedStr):
        return "".join(str(p.value) if isinstance(p, ast.Constant) else "…" for p in node.values)
    return "…"


def write() -> None:
    kept, seen = documented(), set()
    parts = [_HEAD]
    for folder, title in _PARTS:
        codes: dict[str, str] = {}
        for path in modules():
            if path.relative_to(SRC).parts[0] == (folder or path.name):
                codes = codes_in(path) | codes
        rows = [
            f"| `{code}` | {kept.get(code) or said} |"
            for code, said in sorted(codes.items())
            if code not in seen
        ]
        seen |= codes.keys()
        if rows:
            parts.append("\n".join([f"## {title}", "", "| code | sentence |", "|---|---|", *rows]))
    DOCUMENT.write_text("\n\n".join(part.strip() for part in parts) + "\n")


if __name__ == "__main__":
    write()
