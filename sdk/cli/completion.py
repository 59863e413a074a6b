"""`sdk completion`: what makes a shell complete our commands."""

import click
from click.shell_completion import get_completion_class

from sdk.cli.terminal import say

WHERE = {
    "bash": '~/.bashrc:  eval "$(sdk completion bash)"',
    "zsh": '~/.zshrc:  eval "$(sdk completion zsh)"',
    "fish": "~/.config/fish/config.fish:  sdk completion fish | source",
}


@click.command("completion")
@click.argument("shell", type=click.Choice(list(WHERE)))
@click.pass_context
def command(context: click.Context, shell: str) -> None:
    """Print what makes SHELL complete the commands and options of `sdk`."""
    maker = get_completion_class(shell)
    assert maker is not None  # noqa: S101 -- click knows these three
    click.echo(maker(context.find_root().command, {}, "sdk", "_SDK_COMPLETE").source())
    say(f"Put into {WHERE[shell]}")
