"""A step in words, for whoever reads how a promise was broken."""

from tests.model.agents import Agent
from tests.model.network import Question, Reply
from tests.model.protocol import Answer
from tests.model.world import Step


def told(step: Step) -> str:
    fault = "! " if step.is_fault else "  "
    job = step.world.job
    return f"{fault}{' '.join(map(_word, step.words))}   [job {job.status}, attempt {job.attempt}]"


def _word(thing: object) -> str:
    match thing:
        case Agent():
            return f"agent {thing.robot}{thing.instance} ({thing.stage})"
        case Question():
            return f"question of agent {thing.sender}: {_word(thing.asked)}"
        case Reply():
            return f"answer {_word(thing.answer)} to agent {thing.sender}: {_word(thing.asked)}"
        case Answer():
            return f"{thing.word} {thing.attempt}" if thing.attempt else thing.word
    return str(thing)
