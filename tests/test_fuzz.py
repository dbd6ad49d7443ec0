"""Other people's files: every mutation of a study file or a data set ends in success or in one clear message.

Each case ends within ten seconds, with exit code 0 or 2 and without a traceback. `make test` draws a tenth of the
cases of one full round, `make test-all` six rounds.
"""

import copy
import io
import os
import shutil
from contextlib import redirect_stderr, redirect_stdout, suppress
from pathlib import Path

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image
from pydantic import TypeAdapter

from fer_tune.data.errors import DataError
from fer_tune.data.kinds import DatasetSpec
from fer_tune.data.loading import write_dataset
from fer_tune.run import main
from fer_tune.system.memory import own_peak_bytes
from tests.support import folders
from tests.support.commands import ROOT
from tests.support.pictures import png_header

MOST_BYTES = 3 * 2**29
STUDIES = sorted((ROOT / "studies").glob("*.yaml"))
READERS = {
    "raf": lambda root: folders.write_raf(root, machine=True),
    "affectnet": folders.write_affectnet_csv,
    "affectnet_arrays": folders.write_affectnet_arrays,
    "cifar10": lambda root: {**folders.write_cifar10(root), "verify": False},
    "ferplus": folders.write_ferplus,
    "manifest": folders.write_manifest,
}
JUNK = st.one_of(
    st.none(), st.booleans(), st.integers(-(10**12), 10**12), st.floats(), st.text(max_size=12),
    st.sampled_from(["", " ", "0.4", "nan", "inf", ".inf", "../..", "~", "\x00", "é\n", 1e309, -1, 0, 2**70]),
    st.sampled_from([[], {}, [[]], [1, 1], {"grid": []}, {"uniform": [1, 0]}, {"log_uniform": [0, 1]}]),
)  # fmt: skip


def rounds(cases):
    """A tenth of a round's cases, and six rounds."""
    return pytest.mark.parametrize("cases", [cases // 10, pytest.param(6 * cases, marks=pytest.mark.long)])


def fuzz(cases):
    return settings(
        max_examples=cases, deadline=10_000, database=None, derandomize=True, suppress_health_check=list(HealthCheck)
    )


def leaves(node, path=()):
    """Paths of every key and list item of a study."""
    items = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for key, value in items:
        yield (*path, key)
        yield from leaves(value, (*path, key))


def mutate_study(raw, draw):
    for _ in range(draw(st.integers(1, 3))):
        *above, last = draw(st.sampled_from(sorted(leaves(raw), key=str)))
        node = raw
        for key in above:
            node = node[key]
        how = draw(st.sampled_from(["replace", "replace", "delete", "rename", "nest"]))
        if how == "replace":
            node[last] = copy.deepcopy(draw(JUNK))
        elif how == "delete":
            del node[last]
        elif how == "nest":
            node[last] = {str(last): copy.deepcopy(node[last])}
        elif isinstance(node, dict):
            node[draw(st.text(max_size=8))] = node.pop(last)
        if not list(leaves(raw)):
            return


def mutate_bytes(content, draw):
    """Cut, changed or added bytes, another encoding or other line ends: what files go through."""
    for _ in range(draw(st.integers(1, 3))):
        place = draw(st.integers(0, max(0, len(content) - 1)))
        how = draw(st.sampled_from(["cut", "flip", "insert", "bom", "crlf", "double", "drop", "utf16", "nul"]))
        if how == "cut":
            content = content[:place]
        elif how == "flip":
            content = content[:place] + draw(st.binary(min_size=1, max_size=3)) + content[place + 1 :]
        elif how == "insert":
            content = content[:place] + draw(st.text(max_size=6)).encode() + content[place:]
        elif how == "bom":
            content = b"\xef\xbb\xbf" + content
        elif how == "crlf":
            content = content.replace(b"\n", b"\r\n")
        elif how == "utf16":
            content = content.decode("latin-1").encode("utf-16")
        elif how == "nul":
            content = content[:place] + b"\x00" + content[place:]
        else:
            lines = content.splitlines(keepends=True) or [b""]
            row = place % len(lines)
            content = b"".join([*lines[:row], *([lines[row]] * 2 if how == "double" else []), *lines[row + 1 :]])
    return content


def run_dry(study):
    """The exit code of a dry run and what it said."""
    said = io.StringIO()
    with redirect_stdout(said), redirect_stderr(said):
        code = main([str(study), "--dry-run"])
    return code, said.getvalue()


def check(code, said, kind):
    assert code in (0, 2), (kind, code, said)
    assert said.strip()
    assert "Traceback" not in said


@pytest.fixture(autouse=True)
def bounded_memory():
    """No case may hold much more than the process held before: earlier tests of this process may have left a lot."""
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")  # Linux's way of setting the peak to what is held now
    before = own_peak_bytes()
    yield
    assert own_peak_bytes() - before < MOST_BYTES


@pytest.fixture(scope="module")
def study_path(tmp_path_factory):
    return tmp_path_factory.mktemp("studies") / "study.yaml"


@rounds(1000)
def test_mutated_settings_of_every_shipped_study(study_path, cases):
    @fuzz(cases)
    @given(st.data())
    def case(data):
        raw = yaml.safe_load(data.draw(st.sampled_from(STUDIES)).read_text())
        mutate_study(raw, data.draw)
        study_path.write_text(yaml.safe_dump(raw))
        code, said = run_dry(study_path)
        check(code, said, raw)
        if code == 2:
            assert len(said.splitlines()) <= 20

    case()


@rounds(600)
def test_mutated_text_of_every_shipped_study(study_path, cases):
    @fuzz(cases)
    @given(st.data())
    def case(data):
        study_path.write_bytes(mutate_bytes(data.draw(st.sampled_from(STUDIES)).read_bytes(), data.draw))
        check(*run_dry(study_path), study_path.read_bytes())

    case()


def picture(mode, size=(40, 40), form="PNG", **options):
    buffer = io.BytesIO()
    Image.new(mode, size).save(buffer, form, **options)
    return buffer.getvalue()


def turned():
    exif = Image.Exif()
    exif[0x0112] = 6
    return picture("RGB", (40, 60), "JPEG", exif=exif)


MODES = {"grey": "L", "grey_alpha": "LA", "alpha": "RGBA", "palette": "P", "bits": "1", "deep": "I;16"}
FORMS = {"JPEG": "CMYK", "GIF": "P", "TIFF": "F", "BMP": "RGB", "WEBP": "RGB"}
PICTURES = {
    **{name: picture(mode) for name, mode in MODES.items()},
    **{form: picture(mode, form=form) for form, mode in FORMS.items()},
    "empty": b"",
    "text": b"no image",
    "pixel": picture("RGB", (1, 1)),
    "line": picture("RGB", (1, 3000)),
    "turned": turned(),
    "cut": picture("RGB", form="JPEG")[:300],
    "magic": b"\xff\xd8\xff\xe0" + bytes(500),
    "huge": png_header(20_000, 20_000),
    "bomb": png_header(2**31 - 1, 2**31 - 1),
    "flat": png_header(0, 0),
}


def mutate_file(path, draw, outside):
    """Change one file of a data set; pictures mostly become other pictures, or no file at all."""
    is_picture = path.suffix in (".jpg", ".png")
    how = draw(
        st.sampled_from(["bytes", "picture", "picture", "gone", "folder", "link", "dangling", "pipe", "renamed"])
    )
    if how == "picture" and is_picture:
        path.write_bytes(draw(st.sampled_from(sorted(PICTURES.items())))[1])
    elif how in ("bytes", "picture"):
        path.write_bytes(mutate_bytes(path.read_bytes(), draw))
    elif how == "renamed":
        path.rename(path.with_name(draw(st.sampled_from(["a b.jpg", "a\nb.jpg", "ä.jpg", "-rf", "x" * 200]))))
    else:
        path.unlink()
        if how == "folder":
            path.mkdir()
        elif how == "link":
            path.symlink_to(outside)
        elif how == "dangling":
            path.symlink_to("nowhere")
        elif how == "pipe":
            os.mkfifo(path)


@rounds(120)
@pytest.mark.parametrize("kind", READERS)
def test_mutated_files_of_every_reader(kind, tmp_path, cases):
    """Every case begins with a fresh copy: what one has broken, another does not see."""
    plain = READERS[kind](tmp_path / "plain")
    place = tmp_path / "case"
    spec = TypeAdapter(DatasetSpec).validate_python(
        {n: v.replace(str(tmp_path / "plain"), str(place)) if isinstance(v, str) else v for n, v in plain.items()}
        | ({"image_size": 32} if kind != "cifar10" else {})
    )
    outside = tmp_path / "outside.jpg"
    outside.write_bytes(picture("RGB", form="JPEG"))
    outcomes = {"read": 0, "refused": 0}
    shutil.copytree(tmp_path / "plain", place)
    write_dataset(spec, tmp_path / "read")  # as long as nothing is wrong with it

    @fuzz(cases)
    @given(st.data())
    def case(data):
        shutil.rmtree(place, ignore_errors=True)
        shutil.copytree(tmp_path / "plain", place)
        files = sorted(p for p in place.rglob("*") if p.is_file())
        labels = [p for p in files if p.suffix not in (".jpg", ".png")]
        for _ in range(data.draw(st.integers(1, 2))):
            path = data.draw(st.sampled_from(data.draw(st.sampled_from([labels, files]))))
            if path.is_file() and not path.is_symlink():
                mutate_file(path, data.draw, outside)
        try:
            write_dataset(spec, tmp_path / "read")
            outcomes["read"] += 1
        except (DataError, OSError) as error:
            outcomes["refused"] += 1
            assert str(error).strip()
        shutil.rmtree(tmp_path / "read", ignore_errors=True)

    case()
    assert outcomes["refused"] >= cases / 4, outcomes
