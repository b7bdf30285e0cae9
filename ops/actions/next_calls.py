"""What a replay would ask of a provider first: the call again under its key, a new one, or a look for what is there."""

from collections.abc import Sequence
from typing import Final
from uuid import UUID

from db.known_calls import Known, known_calls
from funding.intentions import AskPerson, LookUp, Send, Wait, is_alive, plan
from ops.actions.dead_letters import Answer, Replayed
from ops.actions.desk import Desk
from providers.registry import POLICIES

CHUNK: Final = 5000  # flows in one query


def next_calls(desk: Desk, results: Sequence[Replayed]) -> dict[UUID, str]:
    """By letter, what its step would do about the calls it has made before; steps that have made none are left out."""
    flows = {
        result.letter.flow: result
        for result in results
        if result.answer is Answer.REPLAYING and result.letter.flow is not None and result.step is not None
    }
    wanted = [(flow, result.step or "") for flow, result in flows.items()]
    said: dict[UUID, list[str]] = {}
    with desk.begin() as connection:
        for chunk in (wanted[start : start + CHUNK] for start in range(0, len(wanted), CHUNK)):
            for known in known_calls(connection, chunk):
                said.setdefault(flows[known.flow].letter.id, []).append(_words(known))
    return {letter: "; ".join(words) for letter, words in said.items()}


def _words(known: Known) -> str:
    call = known.intention.call
    policy = POLICIES[known.provider]
    dead = "there is no key" if policy.key_lifetime is None else "its key is dead"
    alive = is_alive(known.intention, policy=policy, now=known.now)
    match plan(known.intention, policy=policy, now=known.now, look_first=known.look_first):
        case Send(again=True):
            return f"{call}: again under its key"
        case Send():
            return f"{call}: sent anew, the last one came to nothing"
        case LookUp() | Wait():
            why = dead if not alive else "commits may be lost" if known.look_first else "its key only repeats an error"
            return f"{call}: looks before it creates, {why}"
        case AskPerson():
            return f"{call}: asks a person, {dead} and {known.provider} offers no look-up"
