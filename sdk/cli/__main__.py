"""The list of commands; each is a file beside this one, loaded when it is called."""

import difflib
import importlib
from typing import TYPE_CHECKING, Any

import click

from sdk.cli.terminal import Exit, Failure, leave_quietly, show_all_texts

if TYPE_CHECKING:
    from sdk.errors import Invalid

# What `sdk --help` says of each, so that it need not load them all; a test compares.
COMMANDS = {
    "init": "Make a package called NAME that runs, with a test.",
    "check": "Check the package in FOLDER without running any of it.",
    "run": "Run SCRIPT (main.py, or main.py:main) of the package in FOLDER, here.",
    "pack": "Build the archive of the package in FOLDER and print its path.",
    "publish": "Publish the package in FOLDER, with the processes its pyproject.toml names.",
    "release": "Show the change of PROCESS that waits, and apply it.",
    "start": "Start a job of PROCESS, by its name, with these parameters.",
    "jobs": "List jobs, newest first.",
    "logs": "Print the output of JOB, a number.",
    "cancel": "Cancel JOB, a number; one that has ended stays as it is.",
    "queues": "List queues, or put an item into one.",
    "assets": "List assets, or grant a secret one to a process.",
    "login": "Sign in to the orchestrator at URL, or again to the one you used last.",
    "logout": "Sign out: the token is dead at the server, and gone here.",
    "whoami": "Who you are to the server, as the server sees it now.",
    "open": "Open the pages of the orchestrator you are signed in to.",
    "doctor": "Check this machine, the sign-in and the server; changes nothing.",
    "completion": "Print what makes SHELL complete the commands and options of `sdk`.",
}


class LazyGroup(click.Group):
    """Imports a command when it is wanted, so that no command waits for the others."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = importlib.import_module(f"sdk.cli.{cmd_name}").command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError as error:
            if near := difflib.get_close_matches(args[0], list(COMMANDS), n=1):
                raise click.UsageError(f"{error} Did you mean '{near[0]}'?", ctx) from error
            raise

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            click.echo("Interrupted.", err=True)
            ctx.exit(Exit.INTERRUPTED)
        except BrokenPipeError:
            leave_quietly()
            ctx.exit(Exit.UNREAD)
        except Exception as error:
            failure = _in_words(error)
            if failure is None:
                raise
            raise failure from error


def _in_words(error: Exception) -> Failure | None:
    """What can be expected to go wrong, as the sentence and the status a shell gets."""
    if isinstance(error, click.ClickException | click.exceptions.Exit | click.Abort):
        return None
    # Imported only now: these know the wire, which `sdk --help` does not need.
    from sdk import errors, packaging, profiles, project, publishing

    match error:
        case errors.Unauthenticated():
            return Failure(f"{error} Run `sdk login`.", Exit.SIGN_IN)
        case errors.NotFound():
            return Failure(str(error), Exit.NOT_FOUND)
        case errors.Invalid():
            return Failure("\n".join([str(error), *_where(error)]))
        case errors.Refused() | errors.Unreachable() | errors.NotAnOrchestrator():
            return Failure(str(error))
        case profiles.ProfileError() | project.BadProject() | publishing.CannotPublish():
            return Failure(str(error))
        case packaging.CannotPack() | OSError():
            return Failure(str(error))
    return None


def _where(error: "Invalid") -> list[str]:
    """The fields that do not fit; what the sentence says already is not said twice."""
    return [
        f"  {field.pointer}" + ("" if field.detail in str(error) else f": {field.detail}")
        for field in error.problem.errors
    ]


@click.group(name="sdk", cls=LazyGroup)
@click.version_option(package_name="runwright", prog_name="sdk")
def main() -> None:
    """Write packages for robots, publish them, run them and watch."""
    show_all_texts()


if __name__ == "__main__":
    main(prog_name="sdk")
