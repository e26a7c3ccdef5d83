"""The commands, and what every one of them does with errors and interrupts."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Annotated, Any

import typer

from weft.cli import usage
from weft.cli.check import check
from weft.cli.doctor import doctor
from weft.cli.export import export
from weft.cli.predict import predict
from weft.cli.report import report
from weft.cli.serve import serve
from weft.cli.study import study
from weft.cli.train import train
from weft.errors import WeftError
from weft.study.stopping import Stop

app = typer.Typer(
    name="weft",
    help="Fine-tune text classifiers with LoRA, many runs at once over one frozen encoder, and "
    "learn how much labelled data you need. Begin with: weft study demo",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


class Command(usage.Command):
    """A command that says, when it is interrupted, whether it can go on."""

    def invoke(self, ctx: Any) -> Any:
        """As click does."""
        try:
            with Stop(patient=False):
                return super().invoke(ctx)
        except KeyboardInterrupt:  # of which Typer makes exit code 130
            print(_interrupted(str(self.name), ctx.params), file=sys.stderr)
            raise


def _interrupted(name: str, given: Mapping[str, Any]) -> str:
    if not _goes_on(name, given):
        return "\ninterrupted"
    from weft.study.runner import typed_command

    return f"\ninterrupted; the same command goes on from where it was:\n  {typed_command()}"


def _goes_on(name: str, given: Mapping[str, Any]) -> bool:
    """Whether the command keeps in a folder what it has done so far."""
    if name == "check":
        return bool(given["labels"]) and given["labels_by"] == "lora"
    return name == "train" or (name == "study" and not given["dry_run"])


for command in (study, train, predict, export, serve, check, report, doctor):
    app.command(cls=Command)(command)


def _version(value: bool) -> None:
    if value:
        from importlib.metadata import version

        print(f"weft {version('weft')}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Fine-tune text classifiers with LoRA, and learn how much labelled data you need."""
    del version


def main() -> None:
    """Runs the command that was typed: exit code 0, 1 failed, 2 usage, 130 interrupted."""
    try:
        app(prog_name="weft")
    except WeftError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
    except OSError as error:  # of a place that nobody could foresee, such as a name too long
        where = f" {str(error.filename)[:200]}" if error.filename is not None else ""
        print(
            f"error: the system refuses{where or ' what was asked of it'}\n"
            f"  found:  {error.strerror or error}\n"
            "  remedy: check the path, its permissions and the disk",
            file=sys.stderr,
        )
        sys.exit(1)
