"""`headrace certs`."""

from pathlib import Path

import click

from headrace.certs import trust
from headrace.certs.authority import Authority
from headrace.certs.listing import entries
from headrace.certs.names import normal_names
from headrace.cli.options import Common, common_options, examples
from headrace.cli.output import as_json, progress, table
from headrace.errors import OperationError, UsageError


@click.command(
    epilog=examples(
        "headrace certs                                         # what there is, until when",
        'curl --cacert "$(headrace certs ca)" https://localhost:2000',
        "headrace certs trust                                   # Chromium, Chrome and Firefox believe it",
        "headrace certs leaf blog.test 10.0.0.7                 # for a server of your own",
    )
)
@click.argument("action", type=click.Choice(["list", "ca", "trust", "leaf"]), default="list")
@click.argument("names", metavar="[NAME]...", nargs=-1)
@click.option("--label", metavar="TEXT", help="What the files of `leaf` are called; by default its first name.")
@click.option("--remove", is_flag=True, help="With `trust`: take the authority out again.")
@common_options
def command(common: Common, action: str, names: tuple[str, ...], label: str | None, *, remove: bool) -> None:
    """Show the local authority and its certificates.

    \b
    list   what there is, for which names, until when
    ca     the path of the authority's certificate
    trust  make this user's browsers believe it, and tell how to do it elsewhere
    leaf   make a certificate for NAMEs, and print where it and its key are
    """  # noqa: D301 - click wants the character itself
    if names and action != "leaf":
        raise UsageError(f"headrace certs {action} takes no names", hint="headrace certs leaf NAME makes a certificate")
    authority = Authority(common.state.path / "certs")
    if action == "ca":
        _show({"ca": str(authority.ca)}, common)
    elif action == "trust":
        _trust(authority, common, remove=remove)
    elif action == "leaf":
        _leaf(authority, names, label, common)
    else:
        _list(authority, common)


def _show(paths: dict[str, str], common: Common) -> None:
    if common.json:
        as_json(paths)
    else:
        click.echo("\n".join(paths.values()))


def _list(authority: Authority, common: Common) -> None:
    authority.warn_of_end()
    found = entries(authority)
    if common.json:
        as_json(
            [
                {
                    "label": entry.label,
                    "names": entry.names,
                    "expires": entry.expires.isoformat(),
                    "certificate": str(entry.certificate),
                }
                for entry in found
            ]
        )
        return
    rows = [(e.label, f"{e.expires:%Y-%m-%d}", e.certificate, ", ".join(e.names) or "(authority)") for e in found]
    click.echo(table(["LABEL", "UNTIL", "CERTIFICATE", "FOR"], rows))


def _leaf(authority: Authority, names: tuple[str, ...], label: str | None, common: Common) -> None:
    if not names:
        raise UsageError("a certificate is for at least one name", hint="headrace certs leaf blog.test")
    wanted = normal_names(names)
    strange = [name for name in wanted if not authority.realm.holds(name.removeprefix("*."))]
    if strange:
        raise UsageError(
            f"the local authority can't sign for {', '.join(strange)}",
            hint="it speaks for this machine and private names (.test, .internal, 10.0.0.0/8 ...) only",
        )
    leaf = authority.leaf(wanted, label or wanted[0].replace("*", "any").replace(":", "-").strip("-"))
    _show({"certificate": str(leaf.certificate), "key": str(leaf.key)}, common)


def _trust(authority: Authority, common: Common, *, remove: bool) -> None:
    if trust.certutil() is None:
        _print_elsewhere(authority)
        raise OperationError("certutil is missing, nothing was changed", hint="apt install libnss3-tools, or see above")
    databases = trust.databases(Path.home())
    if remove:
        changed = [database for database in databases if trust.distrust(authority.ca, database)]
    else:
        for database in databases:
            trust.trust(authority.ca, database)
        changed = databases
    if common.json:
        as_json({"ca": str(authority.ca), "removed" if remove else "trusted": [str(path) for path in changed]})
        return
    for database in changed:
        click.echo(f"{'removed from' if remove else 'trusted in'} {database}")
    if not remove:
        _print_elsewhere(authority)


def _print_elsewhere(authority: Authority) -> None:
    progress("Elsewhere:\n" + "\n".join(f"  {line}" for line in trust.elsewhere(authority.ca)))
