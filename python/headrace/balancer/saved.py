"""The membership on disk, so that a restarted balancer begins where it ended."""

import json
import logging
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from headrace.balancer.member import Member, State, offer_as_json, offer_from_json
from headrace.errors import OperationError
from headrace.state import reason, write_atomically

VERSION = 1
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Saved:
    """What was saved: members, and the number that the next one gets."""

    members: tuple[Member, ...] = ()
    next_number: int = 1


def save(path: Path, members: Iterable[Member], next_number: int) -> None:
    """Write the members that are to come back; those that leave by themselves don't. Raises `OperationError`."""
    staying = [_to_json(member) for member in members if (member.probed or member.held) and not member.offer.static]
    text = json.dumps({"version": VERSION, "next_number": next_number, "members": staying})
    write_atomically(path, text.encode() + b"\n")


def load(path: Path) -> Saved:
    """What `save` wrote; nothing where there is no file. A damaged file is set aside, with a warning.

    Raises `OperationError` for a file that can't be read.
    """
    try:
        return _parse(path.read_bytes())
    except FileNotFoundError:
        return Saved()
    except OSError as error:
        raise OperationError(f"cannot read the saved members in {path}: {reason(error)}") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        aside = path.with_suffix(".damaged")
        path.replace(aside)
        log.warning("the saved members in %s are damaged (%s); set aside as %s, starting without", path, error, aside)
        return Saved()


def _parse(data: bytes) -> Saved:
    content = json.loads(data)
    if content["version"] != VERSION:
        raise ValueError(f"version {content['version']}, this release reads {VERSION}")
    return Saved(tuple(map(_from_json, content["members"])), int(content["next_number"]))


def _to_json(member: Member) -> dict[str, Any]:
    return {
        "id": member.id,
        "offer": offer_as_json(member.offer),
        "state": member.state.value,
        "reason": member.reason,
        "since": member.since,
        "held": member.held,
    }


def _from_json(data: dict[str, Any]) -> Member:
    return Member(
        id=str(data["id"]),
        offer=offer_from_json(data["offer"]),
        state=State(data["state"]),
        reason=str(data["reason"]),
        since=float(data["since"]),
        renewed=0.0,
        expires=None,
        held=bool(data["held"]),
    )
