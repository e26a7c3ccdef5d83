"""What is wrong with a command as it was typed: all of it is told at once, settings included."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, cast

import typer
from typer.core import TyperCommand

from weft.cli.options import settings
from weft.errors import ConfigError, brief, did_you_mean

# of the click that Typer brings along, or the one it stands on
_UsageError = cast("type[Exception]", typer.BadParameter.__mro__[1])


class Command(TyperCommand):
    """A command that reads all that was typed before it says what is wrong with it."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """As click does; where it finds a fault, what else is amiss is looked for without it.

        Raises:
            ConfigError: names every fault.
        """
        faults: list[str] = []
        left, unknown = list(args), False
        while True:
            ctx.params.clear()
            try:
                rest = super().parse_args(ctx, list(left))
                break
            except _UsageError as error:
                lacks = type(error).__name__ in ("MissingParameter", "UsageError")
                if type(error).__name__ == "NoArgsIsHelpError":
                    raise
                fewer, value = _without(left, _names(error), self._flags(ctx))
                if not (unknown and lacks):  # what is over may be an unknown option's value
                    faults.append(_in_words(error, value))
                unknown = unknown or type(error).__name__ == "NoSuchOption"
                if fewer == left:
                    rest = []
                    break
                left = fewer
        if faults:
            self._refuse(ctx, faults)
        return rest

    def _flags(self, ctx: Any) -> set[str]:
        """Options that take no value."""
        parameters = cast("list[Any]", self.get_params(ctx))
        flags = [one for one in parameters if getattr(one, "is_flag", False)]
        return {name for one in flags for name in (*one.opts, *one.secondary_opts)}

    def _refuse(self, ctx: Any, faults: list[str]) -> None:
        """Raises the error for these faults and those of the settings beside them."""
        from weft.study.faults import checked, refused
        from weft.study.presets import laid_over

        given = cast("Mapping[str, Any]", ctx.params)
        if self.name in ("study", "train", "check"):
            try:
                _, more = checked(laid_over(given.get("data") or "demo", settings(given)))
            except ConfigError as error:  # a file of settings that cannot be read
                more = [str(error.problem)]
            faults += more
        remedy = f"mend them; `weft {self.name} --help` lists what there is"
        raise refused(faults, "This command", remedy)


def _in_words(error: Exception, value: str | None) -> str:
    said = str(cast("Any", error).format_message()).strip().rstrip(".")
    option, known = getattr(error, "option_name", None), getattr(error, "possibilities", None)
    if option is not None and type(error).__name__ == "NoSuchOption":
        near = did_you_mean(str(option), cast("Sequence[str]", known or ()))
        return f"there is no option {str(option)[:80]}{near}"
    said = said.replace("Value error, ", "")
    if value is not None and repr(value) not in said:
        said += f" (found {brief(value)})"
    typed = re.search(r"'([^']*)' is not one of (.*)", said)
    near = did_you_mean(typed[1], re.findall(r"'([^']*)'", typed[2])) if typed else ""
    return (said if len(said) <= 300 else f"{said[:300]}...") + near


def _names(error: Exception) -> list[str]:
    """The options that a fault is about, as they may be typed."""
    option = getattr(error, "option_name", None)
    if option is not None:
        return [str(option)]
    if type(error).__name__ == "MissingParameter":
        return []
    return list(cast("Sequence[str]", getattr(getattr(error, "param", None), "opts", ())))


def _without(
    args: list[str], names: Sequence[str], flags: set[str]
) -> tuple[list[str], str | None]:
    """The arguments without the last of these options, and the value that it had, if any."""
    for place in range(len(args) - 1, -1, -1):
        name, equals, value = args[place].partition("=")
        if name not in names:
            continue
        after = args[place + 1 : place + 2]
        if not equals and name not in flags and after and not _is_option(after[0]):
            return args[:place] + args[place + 2 :], after[0]
        return args[:place] + args[place + 1 :], value if equals else None
    return args, None


def _is_option(arg: str) -> bool:
    return arg.startswith("-") and not arg[1:2].isdigit() and arg != "-"
