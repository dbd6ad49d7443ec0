"""Results on a real S3-compatible server on loopback: written, resumed elsewhere, and reported from there."""

import os
import shutil
import signal
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier, Timer

import boto3
import pytest
from moto.server import ThreadedMotoServer
from pyarrow import fs

from fer_tune.analysis.report import main as report
from fer_tune.results.storage import LOCK, Mirror, RemoteError, fetched, mirrored
from fer_tune.run import main
from fer_tune.study.loading import load_plan
from tests.support.commands import run_command, start_piped, wait_for_epochs
from tests.support.studies import run_here
from tests.support.tables import assert_equal_tables


@pytest.fixture(scope="module")
def bucket():
    """The URI of an empty folder in a bucket, for this process and those that it starts."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    with pytest.MonkeyPatch.context() as patch:
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            patch.setenv(name, "testing")
        patch.setenv("AWS_EC2_METADATA_DISABLED", "true")
        endpoint = f"http://{host}:{port}"
        boto3.client("s3", endpoint_url=endpoint, region_name="us-east-1").create_bucket(Bucket="faces")
        yield f"s3://faces/studies?endpoint_override={endpoint}&region=us-east-1"
    server.stop()


@pytest.fixture(autouse=True)
def quick_claims(monkeypatch):
    monkeypatch.setattr("fer_tune.results.storage.CLAIM_SECONDS", 1.0)


def listed(uri: str) -> list[str]:
    files, base = fs.FileSystem.from_uri(uri)
    found = files.get_file_info(fs.FileSelector(base, recursive=True, allow_not_found=True))
    return sorted(f.path.removeprefix(f"{base}/") for f in found if f.type == fs.FileType.File)


def test_a_mirror_brings_there_what_has_changed_and_takes_away_what_is_gone(bucket, tmp_path):
    uri = bucket.replace("studies", "mirror")
    here, there = tmp_path / "here", tmp_path / "there"
    (here / "ray").mkdir(parents=True)
    for name in ("a.json", ".b.json.tmp", "ray/tuner.pkl"):
        (here / name).write_text(name)
    mirror = Mirror(uri, here, "small")
    mirror.upload()
    assert listed(uri) == ["small/a.json"]
    (here / "a.json").write_text("changed")
    (here / "c d=0.5,ä.json").write_text("new")
    mirror.upload()
    Mirror(uri, there, "small").download()
    assert {p.name: p.read_text() for p in there.rglob("*.json")} == {"a.json": "changed", "c d=0.5,ä.json": "new"}
    (here / "a.json").unlink()
    mirror.upload()
    assert listed(uri) == ["small/c d=0.5,ä.json"]


@pytest.mark.parametrize("later", [3600, -3600])  # by a clock that may have been set back
def test_a_second_run_there_is_refused_until_the_first_is_gone(bucket, tmp_path, monkeypatch, later):
    uri = bucket.replace("studies", f"held{later}")
    first, second = (Mirror(uri, tmp_path / name, "small") for name in ("first", "second"))
    first.claim()
    with pytest.raises(RemoteError, match=r"in use by another run \(process"):
        second.claim()
    monkeypatch.setattr("fer_tune.results.storage.WATCH_SECONDS", 0.2)
    now = time.time() + later
    monkeypatch.setattr("fer_tune.results.storage.time.time", lambda: now)
    second.claim()
    with pytest.raises(RemoteError, match="has been taken over"):
        first.keep()
    assert listed(uri) == [f"small/{LOCK}"]


def test_a_run_that_lives_is_not_taken_for_dead_whatever_the_clocks_say(bucket, tmp_path, monkeypatch):
    uri = bucket.replace("studies", "clocks")
    first, second = (Mirror(uri, tmp_path / name, "small") for name in ("first", "second"))
    first.claim()
    monkeypatch.setattr("fer_tune.results.storage.LOCK_SECONDS", 0.0)  # as if its clock were slow
    monkeypatch.setattr("fer_tune.results.storage.WATCH_SECONDS", 1.0)
    beating = Timer(0.5, first.keep)
    beating.start()
    with pytest.raises(RemoteError, match="in use by another run"):
        second.claim()
    beating.join()


def test_of_runs_that_claim_at_once_one_gets_it(bucket, tmp_path):
    """All look before any writes, as runs started by one script do."""
    uri = bucket.replace("studies", "race")
    looked = Barrier(4)

    class Eager(Mirror):
        def write_lock(self) -> None:
            looked.wait()
            super().write_lock()

    def claims(number: int) -> bool:
        try:
            Eager(uri, tmp_path / str(number), "small").claim()
        except RemoteError:
            return False
        return True

    with ThreadPoolExecutor(4) as pool:
        assert sum(pool.map(claims, range(4))) == 1


def test_a_run_that_is_too_slow_to_claim_or_interrupted_holds_nothing(bucket, tmp_path, monkeypatch):
    uri = bucket.replace("studies", "slow")
    with monkeypatch.context() as patch, pytest.raises(RemoteError, match="is too slow to be sure"):
        patch.setattr("fer_tune.results.storage.CLAIM_SECONDS", 0.0)
        Mirror(uri, tmp_path, "small").claim()
    assert listed(uri) == []

    def interrupted(mirror: Mirror) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Mirror, "download", interrupted)
    with pytest.raises(KeyboardInterrupt), mirrored(uri, "small"):
        pass
    assert listed(uri) == []


def test_what_cannot_be_brought_there_stays_here(bucket, tmp_path, monkeypatch):
    uri = bucket.replace("studies", "lost")
    with (
        pytest.raises(RemoteError, match="Nothing is lost: the results are in") as raised,
        mirrored(uri, "small") as (place, _),
    ):
        (place / "small").mkdir(exist_ok=True)
        (place / "small" / "a.json").write_text("years of work")
        monkeypatch.setattr(Mirror, "put", refuse)
    kept = Path(str(raised.value).rpartition(" ")[2])
    assert (kept / "a.json").read_text() == "years of work"
    shutil.rmtree(kept.parent)


def refuse(mirror, name):
    raise RemoteError("the storage is gone")


def test_a_report_touches_nothing_else_there(bucket, tmp_path, capsys):
    uri = bucket.replace("studies", "others")
    (tmp_path / "others").mkdir()
    (tmp_path / "others" / "thesis.txt").write_text("years of work")
    Mirror(uri, tmp_path / "others").upload()
    assert report([uri]) == 2
    assert "is not a results folder" in capsys.readouterr().err
    assert listed(uri) == ["thesis.txt"]


@pytest.mark.parametrize(
    "uri",
    ["s4://faces/x", "s3://key:secret@faces/x", "s3://nowhere/x?endpoint_override=http://127.0.0.1:9&region=us-east-1"],
)
def test_storage_that_cannot_be_used_is_one_message(study_file, capsys, uri):
    assert main([str(study_file()), "--results", uri]) == 2
    error = capsys.readouterr().err
    assert error.startswith(uri[:5])
    assert "Traceback" not in error
    assert "secret" not in error


@pytest.fixture
def first_disk(monkeypatch):
    """Where the processes of a test make their temporary folders. Its name is short: Ray makes sockets below it."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as place:
        monkeypatch.setenv("TMPDIR", place)
        yield Path(place)


@pytest.mark.serial
def test_a_study_stopped_on_one_machine_is_resumed_and_reported_from_another(study_file, bucket, tmp_path, first_disk):
    study = study_file(training={"epochs": 8, "batch_size": 16}, seeds=[0])
    whole = run_here(load_plan(study), tmp_path / "whole" / "small")
    process = start_piped(study, tmp_path, "--results", bucket)
    while not (places := list(first_disk.glob("fer-tune-results-*/small/trials"))):
        assert process.poll() is None
        time.sleep(0.05)
    wait_for_epochs(places[0].parent, 3)
    os.killpg(process.pid, signal.SIGINT)
    out, _ = process.communicate(timeout=60)
    assert process.returncode == 130, out
    assert "--resume" in out
    assert "Traceback" not in out
    names = listed(bucket)
    assert any(name.endswith("state.pt") for name in names)
    assert not any(LOCK in name or "/ray/" in name for name in names)
    assert not (tmp_path / "results").exists()
    done = run_command(study, "--results", bucket, "--resume", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "Report: s3://faces/studies/small/report/index.html" in done.stdout
    results = bucket.replace("studies", "studies/small")
    with fetched(results) as folder:
        assert_equal_tables(folder, whole)
    files, base = fs.FileSystem.from_uri(results)
    files.delete_file(f"{base}/report/index.html")
    assert report([results]) == 0
    assert "report/index.html" in listed(results)
