"""The report's page in real Chromium: sorting, filtering, curves, keyboard, phone, print, accessibility."""

import shutil

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import sync_playwright

from fer_tune.analysis.report import write_report
from tests.support.made_up import PEAK, add_classes, folder_writer

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
OPTIONS = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"]


pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium (Debian package chromium)")


@pytest.fixture(scope="module")
def browser():
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=OPTIONS)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    """The report of a made-up study with one broken trial."""
    path = add_classes(folder_writer(tmp_path_factory.mktemp("page"))(PEAK, broken=1), ["calm", "glad", "cross"])
    write_report(path)
    return path / "report" / "index.html"


@pytest.fixture
def page(browser, report):
    """The page, desktop and light; what the console says lands in `page.said`."""
    context = browser.new_context(viewport={"width": 1200, "height": 900}, offline=True)
    page = context.new_page()
    page.said = []
    page.on("console", lambda message: page.said.append(message.text))
    page.on("pageerror", lambda error: page.said.append(str(error)))
    page.goto(f"file://{report}")
    yield page
    assert page.said == []
    context.close()


def column(page, name):
    names = page.locator("#trials thead th").all_inner_texts()
    place = next(i for i, text in enumerate(names) if text.startswith(name))
    cells = page.locator(f"#trials tbody tr:not([hidden]) td:nth-child({place + 1})").all_inner_texts()
    return [float(cell) for cell in cells if cell]


def test_a_click_on_a_column_sorts_by_it_and_a_second_turns_it_round(page):
    button = page.get_by_role("button", name="test accuracy", exact=True)
    button.click()
    rising = column(page, "test accuracy")
    assert rising == sorted(rising)
    assert len(rising) == 11
    assert button.locator("..").get_attribute("aria-sort") == "ascending"
    button.click()
    assert column(page, "test accuracy") == rising[::-1]


def test_words_filter_the_trials_and_the_count_is_said(page):
    page.get_by_label("Show trials that contain").fill("lambda=0.6 s1")
    assert page.locator("#trials tbody tr:not([hidden])").count() == 1
    assert page.get_by_role("status").inner_text() == "1 of 11 trials"
    page.get_by_label("Show trials that contain").fill("")
    assert page.get_by_role("status").inner_text() == "11 of 11 trials"


def test_a_trial_opens_by_keyboard_shows_its_curves_and_closes(page):
    button = page.get_by_role("button", name="Curves of lambda=0.6,n000,s1")
    button.focus()
    page.keyboard.press("Enter")
    dialog = page.get_by_role("dialog")
    assert dialog.get_by_role("heading").inner_text() == "lambda=0.6,n000,s1"
    assert [p.get_attribute("aria-label") for p in dialog.get_by_role("img").all()] == [
        "accuracy", "generator joint loss L_G", "discriminator joint loss L_D",
    ]  # fmt: skip
    assert len(dialog.locator("polyline").first.get_attribute("points").split()) == 30
    page.keyboard.press("Escape")
    assert not dialog.is_visible()
    page.get_by_role("button", name="Curves of lambda=0.0,n000,s1").click()
    assert dialog.get_by_text("λ = 0 has no joint loss").count() == 2


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_serious_stands_against_using_it_with_aids(page, scheme):
    page.emulate_media(color_scheme=scheme)
    found = Axe().run(page).response["violations"]
    assert [f"{v['id']}: {v['nodes'][0]['html']}" for v in found if v["impact"] in ("serious", "critical")] == []
    page.get_by_role("button", name="Curves of lambda=0.6,n000,s1").click()
    opened = Axe().run(page).response["violations"]
    assert [v["id"] for v in opened if v["impact"] in ("serious", "critical")] == []


def test_a_phone_needs_no_sideways_scrolling_and_print_hides_the_controls(page):
    page.set_viewport_size({"width": 390, "height": 800})
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    assert all(page.locator("figure img").evaluate_all("images => images.map(i => i.complete && i.naturalWidth > 0)"))
    assert all(page.locator("figure img").evaluate_all("images => images.map(i => i.alt.length > 20)"))
    page.emulate_media(media="print")
    assert not page.locator("#filter").is_visible()
    assert page.locator("#trials").is_visible()


WIDE = "parts => parts.filter(p => p.scrollWidth > p.clientWidth + 1).length"
MARKED = "parts => parts.filter(p => p.classList.contains('more')).length"


def test_on_a_phone_what_is_wider_than_it_scrolls_and_says_so(page):
    page.evaluate("document.querySelectorAll('details').forEach(part => part.open = true)")
    page.set_viewport_size({"width": 390, "height": 800})
    parts = page.locator(".scroll")
    assert parts.evaluate_all(WIDE) > 3
    page.wait_for_function("document.querySelectorAll('.scroll.more').length > 3")
    assert parts.evaluate_all(MARKED) == parts.evaluate_all(WIDE)
    trials = page.locator(".scroll.tall")
    trials.evaluate("part => part.scrollLeft = 100")
    assert trials.evaluate("part => part.scrollLeft") == 100


def test_on_a_screen_every_table_is_whole(page):
    page.evaluate("document.querySelectorAll('details').forEach(part => part.open = true)")
    assert page.locator(".scroll").evaluate_all(WIDE) == 0
    assert page.evaluate("document.documentElement.scrollWidth") <= 1200


SMALLEST = 8.5  # CSS pixels of type in a figure


@pytest.mark.parametrize("width", [390, 1200])
def test_the_small_type_of_figures_is_legible(page, width):
    page.evaluate("document.querySelectorAll('details').forEach(part => part.open = true)")
    page.set_viewport_size({"width": width, "height": 800})
    sizes = page.locator("figure img").evaluate_all(
        """images => images.map(image => {
          const text = atob(image.src.split(",")[1]);
          const sizes = [...text.matchAll(/font: ([0-9.]+)px|font-size: ?([0-9.]+)px/g)].map(m => +(m[1] ?? m[2]));
          const own = +text.match(/viewBox="0 0 ([0-9.]+)/)[1];
          return Math.min(...sizes) * image.getBoundingClientRect().width / own;
        })"""
    )
    assert len(sizes) > 5
    assert min(sizes) >= SMALLEST


def test_the_first_screen_holds_the_answer_and_its_figure_and_nothing_of_rules(page):
    answer, figure = page.locator(".headline").bounding_box(), page.locator(".first figure img").bounding_box()
    assert answer["y"] + answer["height"] < 900
    assert figure["y"] + figure["height"] < 900
    assert page.locator(".headline p").first.inner_text() == "Take λ = 0.2 for 30 epochs of training (winner)."
    for title in ("What each rule would have chosen", "How certain the choice is", "When to stop a run"):
        (part,) = page.locator("details", has=page.get_by_role("heading", name=title)).all()
        assert part.get_attribute("open") is None
    assert not page.get_by_role("cell", name="peer score").is_visible()


def test_the_table_of_contents_leads_to_every_section_and_opens_it(page):
    links = page.locator(".contents a")
    places = links.evaluate_all("links => links.map(a => document.getElementById(a.hash.slice(1)) !== null)")
    assert len(places) > 10
    assert all(places)
    page.get_by_role("link", name="What each rule would have chosen").click()
    assert page.get_by_role("cell", name="peer score").is_visible()
    page.get_by_role("link", name="Do converged losses predict accuracy?").click()
    assert page.get_by_alt_text("Two scatter plots of test accuracy").is_visible()


def test_commands_stand_apart_whole_and_can_be_pasted(page):
    page.set_viewport_size({"width": 390, "height": 800})
    commands = page.locator(".headline pre")
    assert all(text.startswith("fer-tune ") for text in commands.all_inner_texts())
    assert commands.count() == 2
    assert commands.evaluate_all("parts => parts.every(p => p.scrollWidth <= p.clientWidth)")
