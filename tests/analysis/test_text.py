"""Names that other people gave: literal or legibly replaced in figures, page, report.md and JSON."""

import html
import io
import itertools
import json
import logging
import os
import re
import unicodedata
import warnings
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from matplotlib.text import Text

from fer_tune.analysis import figures, page_figures
from fer_tune.analysis.text import numbered, plain_name, shortened, visible
from fer_tune.cli.main import main
from tests.support.made_up import PEAK, add_classes, folder_writer

TIMES = int(os.environ.get("FER_TUNE_FUZZ", "1"))
NAMES = [
    "$calm^$", "a$b", "$x$_{1}^2", "\\frac{1}{2}", "100 % & #1 <b>bold</b>", "line\nend\r\n", "tab\t", "\x07\x00",
    "x" * 300, "x" * 299 + "y", "🙂👩‍👧", "标准", "\u0633\u0639\u064a\u062f", "שלום", "नमस्ते", "e\u0301", "\u0301alone",
    "Zalgo" + "\u0335" * 40, "\u202eturned", "\ufeffmark", "_hidden", "", " ", "two  spaces ", "|table|", "`code`",
    "*bold*", "~~no~~", "&lt;", "condition", "λ", "[U+6807]", "\U000e0041", "\ue000", "\u2028", "!@'\"/:;,=", "}}{{",
    "{% raw %}",
    "true", "predicted", "index",
]  # fmt: skip


@pytest.fixture
def only(monkeypatch):
    """Draws only the figures whose names begin with one of these; all are looked at elsewhere."""
    recipes = page_figures.recipes

    def choose(*names):
        monkeypatch.setattr(
            page_figures, "recipes", lambda *found: [r for r in recipes(*found) if r.name.startswith(names)]
        )

    return choose


def reported(path):
    """Run `fer-tune report` as a person does; any warning is an error, and so is anything that is logged."""
    log = logging.getLogger("matplotlib")
    told: list[str] = []
    handler = logging.Handler(logging.WARNING)
    handler.emit = lambda record: told.append(record.getMessage())
    log.addHandler(handler)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            assert main(["report", str(path)]) == 0
    finally:
        log.removeHandler(handler)
    assert told == []
    folder = path / "report"
    return (folder / "index.html").read_text(), (folder / "report.md").read_text()


def texts_of(svg):
    return [element.text for element in ElementTree.fromstring(svg).iter() if element.tag.endswith("text")]


def test_names_stay_text_in_every_output(results_folder, only, capsys):
    only("confusion", "faces")
    path = add_classes(results_folder(PEAK), NAMES)
    page, text = reported(path)
    assert capsys.readouterr().err == ""
    heads = [html.unescape(head) for head in re.findall(r"<th scope=\"col\">(.*?)</th>", page)]
    for name in NAMES:
        assert plain_name(name) in heads, name
    assert "\\$calm^\\$" in text
    assert "&amp;lt;" in page
    assert "<b>bold</b>" not in page
    texts = texts_of((path / "report" / "figures" / "confusion.svg").read_bytes())
    for name in (
        "$calm^$",
        "a$b",
        "$x$_{1}^2",
        "标准",
        "\u0633\u0639\u064a\u062f",
        "_hidden",
        "é",
        "[U+6807]",
        "(empty name)",
    ):
        assert name in texts, name
    assert texts.count("(empty name)") == texts.count("$calm^$") == 6  # rows and columns of three matrices
    json.loads((path / "recommendation.json").read_text())


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("$calm^$", "$calm^$"),
        ("a\nb\tc", "a[U+000A]b[U+0009]c"),
        ("\udce9", "[U+DCE9]"),
        ("\u202eabc", "[U+202E]abc"),
        (" a  b ", "[U+0020]a [U+0020]b[U+0020]"),
        ("a\u00a0b", "a[U+00A0]b"),
        ("", "(empty name)"),
        ("\u0301x", "◌\u0301x"),
        ("نام\u200cها", "نام\u200cها"),
    ],
)
def test_nothing_invisible_is_left_in_a_name(text, shown):
    assert plain_name(text) == shown
    assert plain_name(shown) == shown


def test_line_ends_stay_in_text_that_is_not_a_name():
    assert visible("a\n\tb\x1b[31m\ud800") == "a\n\tb[U+001B][31m[U+D800]"


def test_long_names_keep_both_ends_and_equal_ones_are_numbered():
    assert shortened("abcdefghijklmnop", 9) == "abcde…nop"
    assert shortened("abc", 9) == "abc"
    assert numbered(["a", "a", "a (2)", "b", "a"]) == ["a", "a (2)", "a (2) (2)", "b", "a (3)"]
    drawn = figures.class_names(["x" * 300, "x" * 299 + "y", "x" * 301, "标" * 300, "标" * 301])
    assert len(set(drawn)) == 5
    assert max(map(len, drawn)) < 40


def clear():
    figures.installed_fonts.cache_clear()
    figures.em_width.cache_clear()


def test_a_character_without_a_font_is_a_code_in_the_picture_and_itself_in_the_svg(monkeypatch):
    clear()
    monkeypatch.setattr(figures, "FALLBACKS", ("DejaVu Sans", "no such font"))
    try:
        assert list(figures.installed_fonts()) == ["DejaVu Sans"]
        assert figures.class_names(["标准", "calm"]) == ["[U+6807][U+51C6]", "calm"]
        assert figures.restored(b"<text>[U+6807][U+51C6]</text>").decode() == "<text>标准</text>"
        assert figures.has_codes("<text>标准</text>".encode())
        assert not figures.has_codes(b"<text>calm</text>")
    finally:
        clear()


def test_another_font_is_used_where_the_first_lacks_a_character(monkeypatch):
    clear()
    monkeypatch.setattr(figures, "FALLBACKS", ("DejaVu Sans", "STIXGeneral"))  # both come with Matplotlib
    try:
        fonts = figures.installed_fonts()
        only = sorted(set(fonts["STIXGeneral"].get_charmap()) - set(fonts["DejaVu Sans"].get_charmap()))
        letters = [chr(c) for c in only if unicodedata.category(chr(c)).startswith(("L", "S"))][:7]
        names = ["".join(letters), "calm"]
        assert figures.class_names(names)[1] == "calm"
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            drawn(names)
    finally:
        clear()


def drawn(names, forms=("png", "svg")):
    """A confusion matrix of classes with these names, drawn in these formats: what its labels show."""
    matrix = np.eye(len(names))
    figure = figures.heading_grid(["joint"], lambda ax, name: figures.confusion(ax, matrix, names), len(names))
    for form in forms:
        figures.PRINT[form](figure, io.BytesIO())
    shown = [text.get_text() for text in figure.findobj(Text)]
    figures.plt.close(figure)
    return shown


def test_a_condition_of_any_name_is_a_title_and_a_legend_entry(results_folder, only, capsys):
    only("accuracy_by_lambda")
    path = results_folder(PEAK, conditions={"noise_ratio": [0.2, 0.4]}, seeds=[0, 1])
    for name in ("trials.csv", "epochs.csv"):
        table = (path / name).read_text().replace("noise_ratio=0.2", "_$x^$ <标> " + "long " * 40)
        (path / name).write_text(table)
    page, _ = reported(path)
    assert capsys.readouterr().err == ""
    texts = texts_of((path / "report" / "figures" / "accuracy_by_lambda.svg").read_bytes())
    assert any(text and text.startswith("_$x^$ <标> long") for text in texts)
    assert "_$x^$ &lt;标&gt; long" in page
    assert figures.legend_entry("_x") == "“_x”"


def test_a_setting_of_any_name_stays_within_the_folder(results_folder, only):
    only("surface")
    drawn_from = {"noise_ratio": {"sample": [0.0, 0.6]}}
    path = results_folder(PEAK, conditions=drawn_from, optuna={"trials": 3}, seeds=[0])
    for file in ("trials.csv", "epochs.csv", "study.json"):
        (path / file).write_text((path / file).read_text().replace("noise_ratio", "../../noise_ratio"))
    reported(path)
    assert (path / "report" / "figures" / "surface_.._.._noise_ratio.png").exists()
    assert not (path.parent / "noise_ratio.png").exists()


def test_a_users_own_matplotlib_settings_do_not_count(monkeypatch):
    monkeypatch.setitem(figures.matplotlib.rcParams, "text.usetex", True)
    monkeypatch.setitem(figures.matplotlib.rcParams, "axes.formatter.use_mathtext", True)
    assert "$calm^$" in drawn(["$calm^$", "glad"])


NAME = st.one_of(
    st.text(max_size=40),
    st.text(st.characters(), min_size=1, max_size=6),
    st.text(st.sampled_from("$_^\\{}%&#<>~|`*[]!\"' \n\r\t\x00\u202e\u0301\u200d"), max_size=12),
    st.sampled_from(NAMES),
    st.builds(str.__mul__, st.text(max_size=3), st.integers(1, 400)),
)


def names_of(text):
    """Class names as a study file may hold them: each different, no lone surrogates, which pydantic refuses."""
    kept = [name for name in dict.fromkeys(text) if not re.search("[\ud800-\udfff]", name)]
    return [*kept, "other"] if len(kept) < 2 else kept


def fuzz(cases):
    return settings(
        max_examples=cases, deadline=None, database=None, derandomize=True, suppress_health_check=list(HealthCheck)
    )


@fuzz(12 * TIMES)
@given(names=st.lists(NAME, min_size=2, max_size=7, unique=True))
def test_figures_draw_any_names_without_a_warning(names):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        shown = drawn(names)
    for name in figures.class_names(names):
        assert shown.count(name) >= 2


@pytest.mark.long
@fuzz(300 * TIMES)
@given(names=st.lists(NAME, min_size=2, max_size=7, unique=True))
def test_figures_draw_any_names_without_a_warning_at_length(names):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        drawn(names, tuple(figures.PRINT))


COUNT = itertools.count()


def check_the_whole_command(folder, names):
    names = names_of(names)
    path = add_classes(folder_writer(folder)(PEAK, name=f"s{next(COUNT)}", seeds=[0], epochs=6), names)
    page, text = reported(path)
    heads = {html.unescape(head) for head in re.findall(r"<th scope=\"col\">(.*?)</th>", page)}
    shown = numbered(map(plain_name, names))
    assert set(shown) <= heads
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202e]", page + text)
    for name in ("confusion", "faces"):
        ElementTree.parse(path / "report" / "figures" / f"{name}.svg")


@fuzz(3 * TIMES)
@given(names=st.lists(NAME, min_size=4, max_size=9, unique=True))
def test_the_command_reports_on_any_names(names, tmp_path_factory, only):
    only("confusion", "faces")
    check_the_whole_command(tmp_path_factory.mktemp("fuzz"), names)


@pytest.mark.long
@fuzz(40 * TIMES)
@given(names=st.lists(NAME, min_size=4, max_size=9, unique=True))
def test_the_command_reports_on_any_names_at_length(names, tmp_path_factory, only):
    only("confusion", "faces")
    check_the_whole_command(tmp_path_factory.mktemp("fuzz"), names)
