"""`fer-tune` and its sub-commands: version, help, completion, shipped studies, mistakes."""

import importlib
import pkgutil
import shutil
import subprocess

import pytest

import fer_tune
from fer_tune import annotate, predict, recommend
from fer_tune import run as run_door
from fer_tune.cli.main import COMMANDS, door, guarded, main, parser
from fer_tune.errors import UserError
from fer_tune.study.shipped import question, shipped_studies
from tests.support.commands import ROOT, run_command

DOORS = {"run": run_door.main, "recommend": recommend.main, "predict": predict.main, "annotate": annotate.main}
NOT_OF_THE_USER = {  # caught on the way, or turned into a result
    "fer_tune.analysis.answer.NoEvidence",
    "fer_tune.cli.reporter.NoReport",
    "fer_tune.data.cifar10._OtherObject",
    "fer_tune.data.pictures.PictureError",
    "fer_tune.training.trainer.Diverged",
}


def called(capsys, *words):
    """The exit code of a command that argparse ends, and what it printed."""
    with pytest.raises(SystemExit) as stopped:
        main(words)
    said = capsys.readouterr()
    return stopped.value.code, said.out, said.err


def test_the_version_is_that_of_the_package(capsys):
    code, out, _ = called(capsys, "--version")
    assert code == 0
    assert out.startswith("fer-tune ")


def test_help_names_every_command_with_a_summary_and_examples(capsys):
    code, out, _ = called(capsys, "--help")
    assert code == 0
    assert "examples:\n" in out
    for name, summary in COMMANDS.items():
        assert f"{name} " in out
        assert " ".join(summary.split()) in " ".join(out.split())


@pytest.mark.parametrize("name", [name for name in COMMANDS if name != "bench"])
def test_every_command_has_a_help_text_with_examples(capsys, name):
    code, out, _ = called(capsys, name, "--help")
    assert code == 0
    assert out.startswith(f"usage: fer-tune {name}")
    assert "examples:\n" in out
    assert f"fer-tune {name}" in out.partition("examples:")[2]


@pytest.mark.parametrize("name", [*DOORS, "data"])
def test_a_door_has_the_help_text_of_its_command(capsys, name):
    """`python -m fer_tune.NAME` is the same as `fer-tune NAME`."""
    _, of_command, _ = called(capsys, name, "--help")
    with pytest.raises(SystemExit):
        (DOORS.get(name) or door(name))(["--help"])
    of_door = capsys.readouterr().out
    assert of_door.startswith(f"usage: python -m fer_tune.{name}")
    assert of_door.partition("\n\n")[2] == of_command.partition("\n\n")[2]


@pytest.mark.parametrize("module", ["fer_tune", "fer_tune.run", "fer_tune.data"])
def test_a_module_runs_as_a_command(tmp_path, module):
    done = run_command("--help", cwd=tmp_path, module=module)
    assert done.returncode == 0
    assert done.stdout.startswith("usage: ")
    assert done.stderr == ""


def test_the_benchmarks_have_a_help_text_of_their_own(capsys):
    code, out, _ = called(capsys, "bench", "--help")
    assert code == 0
    assert out.startswith("usage: fer-tune bench")
    assert "equivalence" in out


@pytest.mark.parametrize("words", [[], ["rnu"], ["run", "--rseume"], ["report"], ["completion", "csh"]])
def test_an_unknown_command_or_option_is_named_with_exit_code_2(capsys, words):
    code, _, error = called(capsys, *words)
    assert code == 2
    assert error.startswith("usage: fer-tune")
    assert "error: " in error


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_completion_script_knows_commands_and_options(capsys, shell):
    assert main(["completion", shell]) == 0
    out = capsys.readouterr().out
    for word in (*COMMANDS, "resume", "noise-ratio"):
        assert word in out, word
    head = out.splitlines()[:4]
    assert any("`fer-tune completion --help` says where to save it" in line for line in head)
    assert "Copy this" not in out
    assert (head[0] == "#compdef fer-tune") == (shell == "zsh")


def test_a_completion_script_is_one_that_bash_can_read(capsys, tmp_path):
    bash = shutil.which("bash")
    if bash is None:
        pytest.skip("no bash here")
    main(["completion", "bash"])
    (tmp_path / "script").write_text(capsys.readouterr().out)
    subprocess.run([bash, "-n", tmp_path / "script"], check=True)


def test_shipped_studies_are_listed_with_the_question_each_answers(capsys):
    assert main(["studies"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == len(shipped_studies())
    for line, (name, path) in zip(lines, shipped_studies().items(), strict=True):
        assert line.split()[0] == name
        assert line.endswith(question(path))
        assert question(path)


def test_a_shipped_study_is_printed_as_it_is(capsys):
    assert main(["studies", "smoke"]) == 0
    assert capsys.readouterr().out == (ROOT / "studies" / "smoke.yaml").read_text()


def test_an_unknown_study_is_named_with_those_that_there_are(capsys):
    assert main(["studies", "smok"]) == 2
    error = capsys.readouterr().err
    assert "smok: no such file, and no shipped study has that name. Did you mean 'smoke'? Shipped studies: " in error
    assert all(name in error for name in shipped_studies())


def test_a_shipped_study_that_is_misspelt_is_guessed(capsys):
    assert main(["run", "lamda_sweep"]) == 2
    assert "Did you mean 'lambda_sweep'?" in capsys.readouterr().err
    assert main(["run", "quite_different"]) == 2
    assert "no shipped study has that name. Shipped studies: " in capsys.readouterr().err


def test_a_shipped_study_can_be_run_by_its_name(capsys):
    assert main(["run", "smoke", "--dry-run"]) == 0
    assert "smoke: 4 searches × 2 configurations × 2 seeds = 16 trials" in capsys.readouterr().out


def test_two_studies_are_compared(smoke, capsys):
    assert main(["compare", str(smoke[0]), str(smoke[0])]) == 0
    assert capsys.readouterr().out


def test_a_report_is_written(smoke_copy, capsys):
    shutil.rmtree(smoke_copy.results / "report")
    assert main(["report", str(smoke_copy.results), "--format", "svg"]) == 0
    assert (smoke_copy.results / "report" / "index.html").exists()
    assert list((smoke_copy.results / "report").rglob("*.svg"))


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (UserError("write it like this"), 2, "write it like this\n"),
        (ChildProcessError("a process was killed"), 2, "a process was killed\n"),
        (FileNotFoundError(2, "No such file or directory", "x.csv"), 2, "x.csv: No such file or directory\n"),
        (KeyboardInterrupt(), 130, ""),
    ],
)
def test_what_the_user_can_change_is_one_message(capsys, error, code, said):
    def command():
        raise error

    assert guarded(command) == code
    assert capsys.readouterr().err == said


def test_what_is_a_mistake_of_ours_is_not_hidden():
    def command():
        raise TypeError("ours")

    with pytest.raises(TypeError):
        guarded(command)


def test_every_error_of_ours_is_one_that_the_user_can_change_or_is_caught():
    """`guarded` prints a UserError; any other exception would be a traceback."""
    found = set()
    for about in pkgutil.walk_packages(fer_tune.__path__, "fer_tune."):
        if about.name.endswith("__main__"):
            continue
        module = importlib.import_module(about.name)
        for value in vars(module).values():
            own = isinstance(value, type) and issubclass(value, Exception) and value.__module__ == about.name
            if own and not issubclass(value, UserError):
                found.add(f"{about.name}.{value.__name__}")
    assert found == NOT_OF_THE_USER


def test_the_parser_knows_every_command():
    choices = parser().parse_args(["studies"]).command
    assert choices == "studies"
    assert set(COMMANDS) >= {"run", "report", "recommend", "data", "predict", "annotate", "compare", "bench"}
