"""What a soak came to, and its words."""

from collections import Counter
from dataclasses import dataclass, field

from orchestrator_server.doctor.service import Finding
from tests.soak.flatness import MEASURES, Ends, problems
from tests.soak.plan import Plan

SHOWN = 5  # of what breaks one promise


@dataclass
class Outcome:
    plan: Plan
    jobs: Counter[str] = field(default_factory=Counter)  # by how they ended
    attempts: Counter[int] = field(default_factory=Counter)  # jobs, by how many they took
    operator: Counter[str] = field(default_factory=Counter)
    kills: Counter[str] = field(default_factory=Counter)
    ended: Counter[str] = field(default_factory=Counter)  # agents that nobody killed
    faults: Counter[str] = field(default_factory=Counter)
    requests: int = 0
    outages: int = 0
    findings: list[Finding] = field(default_factory=list)
    used: dict[str, list[Ends]] = field(default_factory=dict)
    others: list[str] = field(default_factory=list)  # what else went wrong, as sentences
    settled_seconds: float = 0.0

    def problems(self) -> list[str]:
        broken = [
            f"{finding.promise}: {', '.join(finding.broken_by[:SHOWN])}"
            + f" and {len(finding.broken_by) - SHOWN} more" * (len(finding.broken_by) > SHOWN)
            for finding in self.findings
            if finding.broken_by
        ]
        not_flat = [
            sentence for name, ends in self.used.items() for sentence in problems(name, ends)
        ]
        return broken + not_flat + self.others


def lines(outcome: Outcome) -> list[str]:
    broken = outcome.problems()
    return [
        *_deeds(outcome),
        "",
        *(f"{'BROKEN' if f.broken_by else 'ok    '} {f.promise}" for f in outcome.findings),
        "",
        *_resources(outcome.used),
        "",
        *(broken or ["Every promise held, and nothing grew."]),
        f"Again: python -m tests.soak {_options(outcome.plan)}",
    ]


def _deeds(outcome: Outcome) -> list[str]:
    faulty = sum(outcome.faults.values())
    attempts = (f"{number} in {count:,} jobs" for number, count in sorted(outcome.attempts.items()))
    return [
        f"jobs      {_counted(outcome.jobs)}",
        f"attempts  {', '.join(attempts)}",
        f"operator  {_counted(outcome.operator)}",
        f"killed    {_counted(outcome.kills)}",
        f"ended     {_counted(outcome.ended)}",
        f"network   {outcome.outages} outages; {outcome.requests:,} requests, {faulty:,} disturbed",
        f"faults    {_counted(outcome.faults)}",
        f"settled   {outcome.settled_seconds:.0f} s after the last of it",
    ]


def _resources(used: dict[str, list[Ends]]) -> list[str]:
    """A row for each program: the first third and the last."""
    heads = "".join(f"{m.name:>18}" for m in MEASURES)
    rows = [
        f"{name:14}" + "".join(f"{_from_to(end):>18}" for end in ends)
        if ends
        else f"{name:14}{'lived too short to compare':>30}"
        for name, ends in used.items()
    ]
    allowed = "".join(f"{m.tolerance:>18}" for m in MEASURES)
    return [f"{'':14}{heads}", *rows, f"{'allowed':14}{allowed}"]


def _from_to(end: Ends) -> str:
    return f"{end.first:.0f} → {end.last:.0f}{end.measure.unit}" + "!" * (not end.is_flat)


def _counted(counts: Counter[str]) -> str:
    return ", ".join(f"{count:,} {name}" for name, count in counts.most_common()) or "none"


def _options(plan: Plan) -> str:
    options = f"--minutes {plan.minutes:g} --seed {plan.seed}"
    options += f" --robots {plan.robots} --agents {plan.agents}"
    return options + " --postgres" * (plan.database_url is not None)
