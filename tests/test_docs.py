"""The documentation holds: commands parse, links lead somewhere, generated pages are current."""

import importlib.util
import json
import re
import shlex
import tomllib
from pathlib import Path

import pytest

from benchmarks.__main__ import PARTS
from fer_tune.cli.data import as_options
from fer_tune.cli.main import parser
from tests.conftest import ROOT

PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), ROOT / "examples" / "README.md"])
ARCHIVE = ROOT / "docs" / "archive"
DOORS = "run|recommend|predict|annotate|data"
COMMAND = re.compile(rf"^(?:fer-tune|python -m fer_tune\.(?:{DOORS})|python -m analysis\.\w+)\b")
LINK = re.compile(r"(?<!`)\[[^\]]*\]\(([^)\s]+)\)")
NAMED_FILE = re.compile(r"`((?:fer_tune|tests|studies|tools|examples|benchmarks)/[\w./-]*)`")
README_LINES = 120


def load_tool():
    spec = importlib.util.spec_from_file_location("reference", ROOT / "tools" / "reference.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def commands(page: Path) -> list[str]:
    """Every command of ours that a page quotes, in blocks and in running text, without comments."""
    text = page.read_text(encoding="utf-8")
    blocks = re.findall(r"```console\n(.*?)```", text, re.DOTALL)
    lines = [line for block in blocks for line in block.splitlines() if COMMAND.match(line)]
    running_text = re.findall(r"`([^`\n]+)`", re.sub(r"```.*?```", "", text, flags=re.DOTALL))
    lines += [line for line in running_text if re.match(COMMAND.pattern + r".* \S+ \S", line)]
    return [line for line in lines if "COMMAND" not in line and "…" not in line]


QUOTED = [(page, command) for page in PAGES for command in commands(page)]


@pytest.mark.parametrize(("page", "command"), QUOTED, ids=[f"{p.stem}: {c}"[:80] for p, c in QUOTED])
def test_quoted_commands_parse(page: Path, command: str, capsys: pytest.CaptureFixture[str]):
    words = shlex.split(command, comments=True)
    words = words[: words.index(">")] if ">" in words else words
    if words[0] == "fer-tune":
        arguments = words[1:]
    else:
        package, module = words[2].split(".")
        if package == "analysis":
            assert (ROOT / "analysis" / f"{module}.py").exists()
            return
        arguments = [module, *words[3:]]
    try:
        found = parser().parse_args(as_options(arguments))
    except SystemExit as stopped:
        assert stopped.code == 0, f"{page.relative_to(ROOT)}: {command}: {capsys.readouterr().err}"
        return
    if found.command == "bench":
        assert found.words[0] in (*PARTS, "NAME")


def test_the_commands_that_must_stay_are_quoted_in_the_readme():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    for command in ("make study", "make test", "pip install -e .", "python -m fer_tune.run studies/lambda_sweep.yaml"):
        assert command in text


def test_the_readme_takes_two_minutes():
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) <= README_LINES


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_relative_links_lead_somewhere(page: Path):
    for target in LINK.findall(page.read_text(encoding="utf-8")):
        if not target.startswith(("http:", "https:", "#")):
            assert (page.parent / target.partition("#")[0]).exists(), target


@pytest.mark.parametrize("page", [p for p in PAGES if ARCHIVE not in p.parents], ids=lambda p: str(p.relative_to(ROOT)))
def test_files_that_pages_name_exist(page: Path):
    for name in NAMED_FILE.findall(page.read_text(encoding="utf-8")):
        if "KIND" not in name and "NAME" not in name:
            assert (ROOT / name).exists(), name


@pytest.mark.parametrize("page", ["settings.md", "studies.md", "results_folder.md", "command_line.md"])
def test_reference_pages_are_current(page: str):
    tool = load_tool()
    file = tool.REFERENCE / page
    assert file.read_text(encoding="utf-8") == tool.pages()[file], "run: python tools/reference.py"


def test_the_settings_reference_names_every_setting():
    tool = load_tool()
    text = (tool.REFERENCE / "settings.md").read_text(encoding="utf-8")
    for name in ("lambda", "warmup_epochs", "encoder_norm", "machine_labels", "per_method", "deterministic", "sample"):
        assert f"| `{name}` |" in text


def test_every_section_of_a_study_file_is_in_the_settings_page():
    page = (ROOT / "docs" / "reference" / "settings.md").read_text(encoding="utf-8")
    assert re.findall(r"see \[[A-Za-z]+\]", page) == []
    schema = json.loads((ROOT / "studies" / "study.schema.json").read_text(encoding="utf-8"))
    settings = {name for section in schema["$defs"].values() for name in section.get("properties", {})}
    shown = {name for name in settings if f"| `{name}` |" in page or re.search(rf"{{[^}}]*\b{name}\b[^}}]*}}", page)}
    assert settings - shown == set()


def test_every_dependency_is_listed_with_its_reason():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    wanted = [*project["dependencies"], *(d for extra in project["optional-dependencies"].values() for d in extra)]
    declared = {re.split(r"[\[<>=! ;]", text)[0].lower() for text in wanted}
    page = (ROOT / "docs" / "dependencies.md").read_text(encoding="utf-8").partition("## Known vulnerabilities")[0]
    listed = set(re.findall(r"^\| ([a-z0-9-]+) \| [\d.]+ \|", page, re.MULTILINE))
    assert listed == declared
