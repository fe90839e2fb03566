"""Options from a TOML file: a table per command, with the names of its options as keys."""

import tomllib

import click


def read_config(path, commands):
    """Read default options of commands: {command: {parameter: value}}, as click takes them.

    Parameters
    ----------
    path : pathlib.Path
        A file such as ``[detect]``, ``window-size = 128``, ``columns = ["flow", "heat"]``.
    commands : dict of {str: click.Command}
        The commands by name.
    """
    try:
        tables = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise click.ClickException(
            f"--config must be a TOML file; {path} cannot be read as one: {error}"
        ) from error
    found = {}
    for name, table in tables.items():
        if name not in commands or not isinstance(table, dict):
            raise click.ClickException(
                f"--config must hold a table for each command, named as one of "
                f"{', '.join(commands)}; got {name!r} in {path}. Put options under [detect]."
            )
        known = {
            opt.removeprefix("--"): parameter
            for parameter in commands[name].params
            if isinstance(parameter, click.Option)
            for opt in parameter.opts
        }
        found[name] = {}
        for option, value in table.items():
            if option not in known:
                raise click.ClickException(
                    f"--config must name options of `skanomaly {name}` under [{name}]; got "
                    f"{option!r} in {path}. See `skanomaly {name} --help`, and write "
                    "window-size for --window-size."
                )
            found[name][known[option].name] = tuple(value) if isinstance(value, list) else value
    return found
