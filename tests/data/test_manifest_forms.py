"""A manifest's settings beyond a table with a column `path`: what each reads, and what is said of mistakes."""

import csv
import json

import numpy as np
import pandas as pd
import pytest
import yaml
from PIL import Image
from pydantic import ValidationError

from fer_tune.data.errors import DataError
from fer_tune.data.loading import dataset_digest, load_data, read_dataset, split_sizes
from fer_tune.data.manifest import export_manifest
from tests.support import folders
from tests.support.commands import ROOT
from tests.support.folders import index_of, spec_of
from tests.support.table_forms import rated_photographs, write_rows

COUNT = 24
MOODS = ["calm", "glad", "cross"]
MOOD = {"name": "mood", "kind": "categorical", "columns": ["mood"], "classes": MOODS}


def mine(folder, header, *columns, name="t.csv", separator=",", **settings):
    """A table of 24 rows and the settings that read it; images 0.png to 23.png lie in `folder`."""
    for i in range(COUNT):
        Image.new("RGB", (8, 8), (9 * i, 0, 0)).save(folder / f"{i}.png")
    rows = [[column(i) for column in columns] for i in range(COUNT)]
    write_rows(folder / name, [header, *rows] if header else rows, separator)
    return {"kind": "manifest", "file": str(folder / name), "sets": [MOOD], "image_size": 32, **settings}


def image(i):
    return f"{i}.png"


def mood(i):
    return MOODS[i % 3]


def paths(index):
    return [source.path for source in index.sources]


def test_digests_and_settings_of_earlier_versions_stay(tmp_path):
    """Values of version 4bc17a2, before these settings existed: stored data and studies are found again."""
    rows = folders.manifest_rows(COUNT)
    (tmp_path / "people").mkdir()
    for i in range(COUNT):
        (tmp_path / "people" / f"face {i}.png").write_bytes(b"P5 2 2 255\n" + bytes([i, i + 1, i + 2, i + 3]))
    with open(tmp_path / "faces.csv", "w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    settings = {"kind": "manifest", "file": "faces.csv", "sets": folders.MANIFEST_SETS, "image_size": 32}
    here = {"file": str(tmp_path / "faces.csv")}
    assert dataset_digest(spec_of(settings, **here)) == "9227ed02f122b172b127f22d1e396ce3"
    assert dataset_digest(spec_of(settings, **here, subject="who", test=0.2)) == "48203bc8810062c3a0c90948c8f0f2a8"
    keys = ["kind", "file", "folder", "sets", "subject", "image_size", "validation", "test", "seed"]
    written = json.loads(spec_of(settings).model_dump_json())
    assert list(written) == keys
    assert [list(s) for s in written["sets"]] == [["name", "kind", "columns", "classes", "clean"]] * 3


def test_settings_that_say_something_are_written_and_read_back(tmp_path):
    sets = [MOOD | {"map": {"sad": "cross", "none": None}}, {"name": "v", "kind": "continuous", "columns": ["x"],
            "range": [-10, 10], "missing": [-5]}]  # fmt: skip
    settings = mine(
        tmp_path, ["a", "mood"], image, mood, path="a", splits={"dev": "val"}, sets=sets, boxes=list("abcd")
    )
    spec = spec_of(settings)
    assert spec_of(json.loads(spec.model_dump_json())) == spec
    assert hash(spec) == hash(spec_of(settings))
    assert spec.sets[1].missing == ("-5",)


def test_a_column_a_folder_and_a_prefix(tmp_path):
    (tmp_path / "images").mkdir()
    settings = mine(tmp_path / "images", ["img", "mood"], lambda i: f"C:\\data\\old\\{i}.png", mood)
    index = index_of(settings, path="img", prefix="C:/data/old")
    assert paths(index) == [image(i) for i in range(COUNT)]
    (tmp_path / "images" / "t.csv").rename(tmp_path / "t.csv")
    index = index_of(settings, path="img", prefix="C:\\data\\old", file=str(tmp_path / "t.csv"),
                     folder=str(tmp_path / "images"))  # fmt: skip
    assert paths(index) == [image(i) for i in range(COUNT)]


def test_a_template_takes_cells_of_other_columns(tmp_path):
    settings = mine(tmp_path, ["who", "number", "mood"], lambda i: f"p{i % 2}", lambda i: f"{i}.0", mood)
    for i in range(COUNT):
        (tmp_path / f"p{i % 2}").mkdir(exist_ok=True)
        (tmp_path / image(i)).rename(tmp_path / f"p{i % 2}" / image(i))
    assert paths(index_of(settings, path="{who}/{number}.png"))[3] == "p1/3.png"
    with pytest.raises(DataError, match=r"t\.csv: has no column 'person'; it has who, number, mood"):
        index_of(settings, path="{person}/{number}.png")


def test_a_name_without_suffix_means_the_one_image_of_this_name(tmp_path):
    settings = mine(tmp_path, ["path", "mood"], str, mood)
    index = index_of(settings)
    assert paths(index) == [image(i) for i in range(COUNT)]
    assert any("24 paths have no suffix: each is the one image of this name, such as '0.png' for '0'" in note
               for note in index.notes)  # fmt: skip
    (tmp_path / "5.jpg").write_bytes((tmp_path / "5.png").read_bytes())
    with pytest.raises(DataError, match=r"t\.csv:7: image '5' is missing"):
        index_of(settings)


@pytest.mark.parametrize(("separator", "written"), [(" ", " "), ("#", "#"), (";", ";")])
def test_a_separator_and_a_header_of_ones_own(tmp_path, separator, written):
    settings = mine(tmp_path, None, image, mood, separator=written)
    index = index_of(settings, separator=separator, header=["path", "mood"])
    assert index.origins[0].endswith("t.csv:1")
    assert (index.labels["mood"] == np.arange(COUNT) % 3).all()


def test_runs_of_blanks_separate_and_are_recognised(tmp_path):
    settings = mine(tmp_path, ["path", "mood"], image, mood)
    text = (tmp_path / "t.csv").read_text().replace(",", " \t  ").replace("\n", "  \n")
    (tmp_path / "t.csv").write_text(text)
    assert (index_of(settings).labels["mood"] == index_of(settings, separator=" ").labels["mood"]).all()


def test_each_split_may_have_a_table_or_several(tmp_path):
    settings = mine(tmp_path, ["path", "mood"], image, mood)
    table = pd.read_csv(tmp_path / "t.csv")
    for name, start, end in (("a-1", 0, 6), ("a-2", 6, 15), ("b", 15, 20), ("c", 20, COUNT)):
        table[start:end].to_csv(tmp_path / f"{name}.csv", index=False)
    files = {"train": str(tmp_path / "a-*.csv"), "val": str(tmp_path / "b.csv"), "test": str(tmp_path / "c.csv")}
    index = index_of(settings, file=None, files=files)
    assert {name: members.tolist() for name, members in index.splits.items()} == {
        "train": list(range(15)), "validation": list(range(15, 20)), "test": list(range(20, COUNT)),
    }  # fmt: skip
    assert index.origins[14].endswith("a-2.csv:10")
    assert split_sizes(spec_of(settings, file=None, files=files)) == {"train": 15, "validation": 5, "test": 4}
    table[["path"]].to_csv(tmp_path / "c.csv", index=False)
    with pytest.raises(DataError, match=r"c\.csv: has no column 'mood'; it has path"):
        index_of(settings, file=None, files=files)
    with pytest.raises(DataError, match=r"d-\*\.csv: no file has such a name"):
        index_of(settings, file=None, files={"train": str(tmp_path / "d-*.csv")})


def test_words_of_another_split_column(tmp_path):
    def usage(i):
        return ("Training", "dev", "Held back")[max(0, i - 17) // 3]

    settings = mine(tmp_path, ["path", "mood", "Usage"], image, mood, usage, split="Usage")
    index = index_of(settings, splits={"dev": "val", "Held back": "test"})
    assert [len(index.splits[name]) for name in ("train", "validation", "test")] == [20, 3, 1]
    with pytest.raises(DataError) as caught:
        index_of(settings)
    said = str(caught.value).splitlines()
    assert said[1].endswith("t.csv:22: Usage must be train, val or test: it is 'dev' (and 2 more like it)")
    assert said[-1] == "  Say what these words mean: `splits: {dev: val}`"
    with pytest.raises(DataError, match="has no column 'Use'"):
        index_of(settings, split="Use")


BOXES = {
    "size": (["left", "top", "width", "height"], [2, 0, 4, 8], ["left", "top", "width", "height"]),
    "corners": (["x1", "y1", "x2", "y2"], [2, 0, 6, 8], {"columns": ["x1", "y1", "x2", "y2"], "form": "corners"}),
    "floats": (["left", "top", "width", "height"], [1.6, 0.2, 4.2, 8.0], ["left", "top", "width", "height"]),
}  # fmt: skip


@pytest.mark.parametrize("case", BOXES)
def test_boxes_in_both_forms(tmp_path, case):
    names, box, setting = BOXES[case]
    settings = mine(tmp_path, ["path", "mood", *names], image, mood, *(lambda i, value=value: value for value in box))
    assert {source.box for source in index_of(settings, boxes=setting).sources} == {(2, 0, 4, 8)}


def test_one_image_with_several_boxes_is_several_faces_and_no_box_is_the_whole_image(tmp_path):
    settings = mine(tmp_path, ["path", "mood", *"abcd"], lambda i: image(i // 2), mood, lambda i: i % 2 * 4,
                    lambda i: 0, lambda i: 4, lambda i: 8, boxes=list("abcd"))  # fmt: skip
    assert len({(source.path, source.box) for source in index_of(settings).sources}) == COUNT
    settings = mine(tmp_path, ["path", "mood", *"abcd"], image, mood, *[lambda i: ""] * 4, boxes=list("abcd"))
    assert {source.box for source in index_of(settings).sources} == {None}


def test_an_empty_box_is_said_once(tmp_path):
    settings = mine(tmp_path, ["path", "mood", *"abcd"], image, mood, *[lambda i: 0] * 4, boxes=list("abcd"))
    message = r"t\.csv:2: the box must be left, top, width, height in pixels, not empty: .*\(and 23 more like it\)$"
    with pytest.raises(DataError, match=message):
        index_of(settings)


def test_pixels_must_be_as_many_as_in_the_first_row(tmp_path):
    settings = mine(tmp_path, ["grey", "mood"], lambda i: " ".join(["7"] * (64 if i != 5 else 63)), mood, pixels="grey")
    message = r"t\.csv:7: grey must be 64 whole numbers from 0 to 255: it has 63 values"
    with pytest.raises(DataError, match=message):
        index_of(settings)


def parquet_of(folder, **columns):
    pd.DataFrame(columns).to_parquet(folder / "t.parquet")
    return {"kind": "manifest", "file": str(folder / "t.parquet"), "bytes": "face", "sets": [MOOD], "image_size": 32}


def test_bytes_that_are_no_image_are_named_with_their_row(tmp_path):
    faces = [(b"none" if i == 4 else b"P5 2 2 255\nabcd") for i in range(COUNT)]
    settings = parquet_of(tmp_path, face=faces, mood=[mood(i) for i in range(COUNT)])
    with pytest.raises(DataError, match=r"t\.parquet:5: 't\.parquet:5' is not a readable image"):
        read_dataset(spec_of(settings))
    faces[4] = None
    settings = parquet_of(tmp_path, face=faces, mood=[mood(i) for i in range(COUNT)])
    with pytest.raises(DataError, match=r"t\.parquet:5: .* the row holds no image"):
        read_dataset(spec_of(settings))
    with pytest.raises(DataError, match=r"column 'mood' holds no bytes of images: its columns of bytes are face"):
        index_of(settings, bytes="mood")


def test_rows_of_several_annotators_are_votes(tmp_path):
    """Images have three rows each: two of three agree, but for image 2, where all differ."""

    def voted(i):
        return MOODS[(i // 3 + (i % 3 == 1)) % 3] if i // 3 != 2 else MOODS[i % 3]

    columns = [lambda i: image(i // 3), voted, lambda i: f"r{i % 3}", lambda i: f"{i % 3 / 4}"]
    sets = [MOOD, {"name": "affect", "kind": "continuous", "columns": ["v"]}]
    settings = mine(tmp_path, ["path", "mood", "rater", "v"], *columns, annotator="rater", sets=sets)
    index = index_of(settings, test=0.3, validation=0.3)
    assert index.labels["mood"].tolist() == [0, 1, -1, 0, 1, 2, 0, 1]
    assert np.allclose(index.labels["affect"], 0.25)
    note = "24 rows of 3 annotators are votes on 8 images; tied votes, which are no label: 1"
    assert any(note in said for said in index.notes)
    alone = index_of(settings, sets=[MOOD], test=0.3, validation=0.3)
    assert alone.labels["mood"].tolist() == [0, 1, 0, 1, 2, 0, 1]


def test_an_image_of_several_annotators_has_one_split(tmp_path):
    columns = [lambda i: image(i // 2), mood, lambda i: f"r{i % 2}", lambda i: "train" if i % 2 else "test"]
    settings = mine(tmp_path, ["path", "mood", "rater", "split"], *columns, annotator="rater")
    message = r"t\.csv:3: the image is in train, but in test by .*t\.csv:2 \(and|t\.csv:3: the image is in train"
    with pytest.raises(DataError, match=message):
        index_of(settings)


def test_a_map_turns_words_and_codes_into_classes_and_null_leaves_rows_out(tmp_path):
    cells = ["Calm", "glad", "3", "junk"]
    settings = mine(tmp_path, ["path", "mood"], image, lambda i: cells[i % 4])
    mapped = MOOD | {"map": {"Calm": "calm", "3": "cross", "junk": None}}
    index = index_of(settings, sets=[mapped])
    assert index.labels["mood"].tolist() == [0, 1, 2] * 6
    assert paths(index) == [image(i) for i in range(COUNT) if i % 4 < 3]
    assert any("rows left out because `map` says that they have no label: 6" in note for note in index.notes)
    with pytest.raises(DataError) as caught:
        index_of(settings)
    said = str(caught.value).splitlines()
    assert [line.rpartition("it is ")[2] for line in said[1:4]] == [
        "'Calm', did you mean 'calm'? (and 5 more like it)", "'3' (and 5 more like it)", "'junk' (and 5 more like it)",
    ]  # fmt: skip
    assert said[-1] == "  If that is right, add to the set mood: `map: {Calm: calm}`"


def test_a_row_without_a_class_stays_where_another_set_labels_it(tmp_path):
    settings = mine(tmp_path, ["path", "mood", "v"], image, lambda i: "x" if i % 4 == 3 else mood(i),
                    lambda i: "" if i == 3 else "0.5")  # fmt: skip
    sets = [MOOD | {"map": {"x": None}}, {"name": "affect", "kind": "continuous", "columns": ["v"]}]
    index = index_of(settings, sets=sets)
    assert paths(index) == [image(i) for i in range(COUNT) if i != 3]


def test_a_row_that_repeats_the_header_is_left_out_and_said(tmp_path):
    settings = mine(tmp_path, ["path", "mood"], image, mood)
    lines = (tmp_path / "t.csv").read_text().splitlines()
    (tmp_path / "t.csv").write_text("\n".join([*lines[:9], lines[0], *lines[9:]]) + "\n")
    index = index_of(settings)
    assert len(index) == COUNT
    assert any("t.csv: line 10 repeats the header and is left out" in note for note in index.notes)


def test_a_scale_and_its_markers(tmp_path):
    cells = ["1", "9", "5", "-99", "-99.0", "NA"]
    settings = mine(tmp_path, ["path", "mood", "v"], image, mood, lambda i: cells[i % 6])
    affect = {"name": "affect", "kind": "continuous", "columns": ["v"], "range": [1, 9], "missing": ["-99"]}
    values = index_of(settings, sets=[MOOD, affect]).labels["affect"][:6, 0]
    assert np.array_equal(values, [-1, 1, 0, np.nan, np.nan, np.nan], equal_nan=True)
    with pytest.raises(DataError, match=r"t\.csv:5: v must be from 1 to 9, as `range` says: it is '-99' \(and 3 more"):
        index_of(settings, sets=[MOOD, affect | {"missing": []}])
    with pytest.raises(
        DataError, match=r"v goes from -99 to 9: if it is on another scale than \[-1, 1\], write `range"
    ):
        index_of(settings, sets=[MOOD, {"name": "affect", "kind": "continuous", "columns": ["v"]}])


def test_images_in_another_folder_are_said_once_with_the_remedy(tmp_path):
    settings = mine(tmp_path, ["path", "mood"], image, mood)
    (tmp_path / "images").mkdir()
    for i in range(COUNT):
        (tmp_path / image(i)).rename(tmp_path / "images" / image(i))
    with pytest.raises(DataError) as caught:
        index_of(settings)
    said = str(caught.value).splitlines()
    assert len(said) == 3
    assert said[1].endswith("t.csv:2: image '0.png' is missing, and so are 23 of the other 23")
    assert said[-1] == f"  They are in {tmp_path / 'images'}: write `folder: {tmp_path / 'images'}`"


WRONG = {
    "neither": ({"file": None}, "give `file`, or `files` with one table for each split"),
    "both": ({"files": {"train": "a.csv"}}, "give `file`, or `files` with one table for each split"),
    "no train": ({"file": None, "files": {"val": "a.csv"}}, "`files` has no train: it has val"),
    "two places": ({"path": "a", "pixels": "b"}, "give one of path and pixels: each says where the images are"),
    "split and files": ({"file": None, "files": {"train": "a.csv"}, "split": "Usage"}, "`files` names the splits"),
    "boxes in pixels": ({"pixels": "p", "boxes": list("abcd")}, "`boxes` and `prefix` need image files"),
    "prefix of bytes": ({"bytes": "b", "prefix": "/x"}, "`prefix` needs image files, and `bytes` is a column"),
    "header twice": ({"header": ["a", "a"]}, "`header` names 'a' twice"),
    "map to nothing": ({"sets": [MOOD | {"map": {"x": "sad"}}]}, "`map` leads to 'sad', which is none of `classes`"),
    "map of a class": ({"sets": [MOOD | {"map": {"calm": "glad"}}]}, "`map` makes another class of the class 'calm'"),
    "map of votes": ({"sets": [MOOD | {"columns": MOODS, "map": {"x": "calm"}}]}, "`map` needs one column of classes"),
    "range of classes": ({"sets": [MOOD | {"range": [0, 1]}]}, "`range` needs kind: continuous"),
    "range upside down": ({"sets": [{"name": "v", "kind": "continuous", "columns": ["v"], "range": [1, 0]}]},
                          r"`range` must be \[lowest, highest\]: it is \[1, 0\]"),
    "map of values": ({"sets": [{"name": "v", "kind": "continuous", "columns": ["v"], "map": {"1": "calm"}}]},
                      "`map` needs kind: categorical"),
}  # fmt: skip


@pytest.mark.parametrize("case", WRONG)
def test_settings_that_do_not_fit_together_are_refused(case):
    changes, message = WRONG[case]
    with pytest.raises(ValidationError, match=message):
        spec_of({"kind": "manifest", "file": "t.csv", "sets": [MOOD]}, **changes)


def test_noisy_labels_of_a_scale_and_a_map_read_back(tmp_path):
    sets = [MOOD | {"map": {"Calm": "calm", "junk": None}},
            {"name": "affect", "kind": "continuous", "columns": ["v"], "range": [1, 9]}]  # fmt: skip
    settings = mine(tmp_path, ["path", "mood", "v"], image, lambda i: ("Calm", "glad", "cross", "junk")[i % 4],
                    lambda i: "" if i == 3 else str(1 + i % 9), sets=sets)  # fmt: skip
    spec = spec_of(settings)
    noisy = load_data(spec, {"kind": "symmetric", "ratio": 0.5}, 1)
    told = export_manifest(spec, noisy.labels, noisy.dataset.splits, tmp_path / "noisy")
    back = read_dataset(spec_of(settings, **{key: str(path) for key, path in told.items()}))
    for split in ("train", "validation"):
        members = noisy.dataset.splits[split]
        assert (back.labels["mood"][members] == noisy.labels["mood"][members]).all()
        assert np.allclose(back.labels["affect"][members], noisy.labels["affect"][members], atol=1e-6, equal_nan=True)
    with pytest.raises(DataError, match="labels of a manifest with `annotator` cannot be exported"):
        export_manifest(spec_of(settings, annotator="v"), noisy.labels, noisy.dataset.splits, tmp_path / "x")


def test_boxes_annotators_prefix_blanks_and_scales_together(tmp_path):
    """The example faces_in_photographs: three people rate each of two faces in a photograph."""
    rated_photographs(tmp_path)
    settings = yaml.safe_load((ROOT / "examples" / "faces_in_photographs.yaml").read_text())["dataset"]
    index = index_of(settings, file=str(tmp_path / "list.txt"), folder=str(tmp_path / "photos"))
    assert index.labels["mood"].tolist() == [0, 1, 1, 2, -1] * 14
    expected = [np.nan if i % 10 == 0 else np.mean([((i + r) % 9 - 4) / 4 for r in range(3)]) for i in range(70)]
    assert np.allclose(index.labels["affect"][:, 0], expected, equal_nan=True)
    assert index.sources[3].path == "1.png"
    assert index.sources[3].box == (40, 0, 40, 40)


def test_the_list_of_expw_is_read(tmp_path):
    """Blanks, no header; name, number of the face, top, left, right, bottom, confidence, class code."""
    (tmp_path / "origin").mkdir()
    lines = []
    for i in range(COUNT):
        if i % 2 == 0:
            Image.new("RGB", (20, 9), (9 * i, 0, 0)).save(tmp_path / "origin" / f"{i // 2}.png")
        lines.append(f"{i // 2}.png {i % 2} 1 {i % 2 * 10} {i % 2 * 10 + 8} 9 {50 + i / 7:.6f} {i % 3}\n")
    (tmp_path / "label.lst").write_text("".join(lines))
    index = index_of({
        "kind": "manifest", "file": str(tmp_path / "label.lst"), "folder": str(tmp_path / "origin"), "separator": " ",
        "header": ["image_name", "face_id", "top", "left", "right", "bottom", "confidence", "label"],
        "path": "image_name", "boxes": {"columns": ["left", "top", "right", "bottom"], "form": "corners"},
        "sets": [MOOD | {"columns": ["label"]}],
    })  # fmt: skip
    assert [(source.path, source.box) for source in index.sources[:2]] == [
        ("0.png", (0, 1, 8, 8)),
        ("0.png", (10, 1, 8, 8)),
    ]
    assert (index.labels["mood"] == np.arange(COUNT) % 3).all()
