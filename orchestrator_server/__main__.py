"""The command `orchestrator`. Each command is a file in cli/, imported when it is asked for."""

import importlib

import click

import orchestrator_server
from sdk.private_folder import private_files

COMMANDS = {
    "serve": "orchestrator_server.cli.serve",
    "migrate": "orchestrator_server.cli.migrate",
    "move": "orchestrator_server.cli.move",
    "store": "orchestrator_server.cli.store",
    "user": "orchestrator_server.cli.user",
    "audit": "orchestrator_server.cli.audit",
    "backup": "orchestrator_server.cli.backup",
    "restore": "orchestrator_server.cli.restore",
    "doctor": "orchestrator_server.cli.doctor",
    "keys": "orchestrator_server.cli.keys",
    "demo": "orchestrator_server.demo.command",
    "chaos": "orchestrator_server.chaos.command",
}


class Commands(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        module = COMMANDS.get(cmd_name)
        if module is None:
            return None
        command: click.Command = importlib.import_module(module).command
        return command


@click.group(cls=Commands)
@click.version_option(orchestrator_server.version(), prog_name="orchestrator")
@click.pass_context
def main(context: click.Context) -> None:
    """Runwright's server: it keeps machines, robots, packages, processes and jobs."""
    context.with_resource(private_files())  # the database, backups, logs: all that commands write


if __name__ == "__main__":
    main(prog_name="orchestrator")
