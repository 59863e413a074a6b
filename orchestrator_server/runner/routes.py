"""The robots' door: no rules and no SQL here, only calls to the services."""

import asyncio
from contextlib import suppress
from functools import partial

import msgspec
from aiohttp import web

from orchestrator_server.access.callers import JobCaller, RobotCaller
from orchestrator_server.access.throttle import MACHINE_KEYS
from orchestrator_server.access.tokens import job_token
from orchestrator_server.assets import reads
from orchestrator_server.errors import Conflict, Forbidden
from orchestrator_server.http import bodies
from orchestrator_server.http.identify import origin
from orchestrator_server.http.keys import (
    CHANGES,
    CLOCK,
    DATABASE,
    HEARD,
    HINTS,
    KEYS,
    LOGS,
    ORDERS,
    SEALER,
    SETTINGS,
    THROTTLE,
    WAKEUPS,
    online_since,
)
from orchestrator_server.http.routes import (
    job_get,
    job_put,
    public_post,
    robot_get,
    robot_post,
)
from orchestrator_server.jobs import attempts, beats, claiming, outcomes
from orchestrator_server.jobs.assignments import JobToken
from orchestrator_server.jobs.wants import Taker, Wants
from orchestrator_server.robots.registration import register
from orchestrator_server.runner import heartbeats, reports
from sdk.contract.runner import (
    AgentSettings,
    Heartbeat,
    HeartbeatAnswer,
    JobAction,
    JobReport,
    LogAnswer,
    LogChunk,
    NextJob,
    NextJobAnswer,
    OrderQuery,
    Outcome,
    OutcomeKeep,
    ReportAnswer,
    RobotRegister,
    RobotRegistered,
    RunningJob,
    SecretsQuery,
    SecretsRead,
)
from sdk.failpoints import failpoint

LOG_CHUNK_BYTES = 256 * 1024


async def register_robot(request: web.Request, wanted: RobotRegister) -> RobotRegistered:
    """Register a robot with its machine's key; a robot of that machine gets a new token."""
    throttle, address = request.app[THROTTLE], request.remote or ""
    throttle.charge(MACHINE_KEYS, address)
    since = await online_since(request)
    robot = await request.app[DATABASE].write(register, origin(request), wanted, since)
    throttle.refund(MACHINE_KEYS, address)  # the key is right, whatever the answer
    if isinstance(robot, Conflict):
        raise robot
    return robot


async def heartbeat(request: web.Request, robot: RobotCaller, beat: Heartbeat) -> HeartbeatAnswer:
    """Say "I am here": renews the leases of the jobs named, and answers what to do with each."""
    _must_mean_itself(robot, beat.robot_id)
    settings = request.app[SETTINGS].jobs
    urgent = request.app[DATABASE].urgent
    latest = request.app[CHANGES]
    answer = await heartbeats.take(urgent, robot, beat, settings, latest)
    request.app[HEARD].note(robot, request.app[CLOCK]())
    if answer.is_relabelled:
        request.app[HINTS].job(Wants(robot_id=robot.id))  # it waits as what it was
    return HeartbeatAnswer(
        jobs=answer.actions,
        prepare=answer.prepare,
        lease_seconds=settings.lease_seconds,
        server_time=request.app[CLOCK](),
        settings=AgentSettings(
            heartbeat_seconds=settings.heartbeat_seconds,
            cancel_grace_seconds=settings.cancel_grace_seconds,
            log_limit_bytes=settings.log_limit_bytes,
        ),
    )


async def next_job(request: web.Request, robot: RobotCaller, wanted: NextJob) -> NextJobAnswer:
    """Claim the next job, or the current one again; waits for one up to `wait_seconds`."""
    _must_mean_itself(robot, wanted.robot_id)
    wakeups, loop = request.app[WAKEUPS], asyncio.get_running_loop()
    deadline = loop.time() + wanted.wait_seconds
    while True:
        answer, taker = await _claim(request, robot, wanted)
        left = deadline - loop.time()
        if answer.job or answer.key_used or left <= 0 or wakeups.closed:
            return answer
        if not await wakeups.wait(taker, left):
            return answer  # whoever asks again claims again
        if request.transport is None or request.transport.is_closing():
            wakeups.wake_one(lambda _: True)  # nobody is there; the job is for somebody else
            return answer


async def order(
    request: web.Request, robot: RobotCaller, job_id: int, wanted: OrderQuery
) -> JobAction:
    """Wait for word about a running attempt: answered at once when it is to stop or finish early.

    A robot hears the same with its next beat; this is sooner, and renews no lease.
    """
    database, orders = request.app[DATABASE], request.app[ORDERS]
    with orders.listening(job_id) as woken:  # before the look: what comes after it is heard
        said = await database.read(beats.order, robot, job_id, wanted.attempt)
        is_news = said.action != "continue" or said.stop_requested > wanted.stop_requested
        if is_news or not wanted.wait_seconds or orders.closed:
            return said
        with suppress(TimeoutError):
            await asyncio.wait_for(woken, wanted.wait_seconds)
    return await database.read(beats.order, robot, job_id, wanted.attempt)


async def update_job(
    request: web.Request, robot: RobotCaller, job_id: int, report: JobReport
) -> ReportAnswer:
    """Report how an attempt ended. The first report counts; the same again is answered the same.

    With `next_job` the robot's next job may come with the answer.
    """
    database, settings = request.app[DATABASE], request.app[SETTINGS].jobs
    if report.next_job is not None:
        _must_mean_itself(robot, report.next_job.robot_id)
    if report.logs is not None:  # sent whole, from byte 0 on, so that repeating it is harmless
        of = await database.read(attempts.writer_of, robot, job_id, report.attempt)
        is_over = of.finished_at is not None
        logs = report.logs.encode()
        await request.app[LOGS].append(job_id, of.attempt, 0, logs, is_over=is_over)
    try:
        tokens = _tokens(request)
        answer = await database.write(reports.take, robot, job_id, report, settings, tokens)
    except Conflict as refusal:
        if refusal.kind in ("stale-attempt", "job-canceled"):
            await database.write(reports.keep_late, robot, job_id, report)
        raise
    failpoint("result.after_commit")
    if answer.job is not None:
        failpoint("claim.after_commit")
    return answer


async def append_log(
    request: web.Request, robot: RobotCaller, job_id: int, wanted: LogChunk
) -> LogAnswer:
    """Append raw bytes to the log of an attempt, at a byte offset; what is there is ignored."""
    is_over = await request.app[DATABASE].read(reports.check_chunk, robot, job_id, wanted)
    chunk = await bodies.read(request, LOG_CHUNK_BYTES)
    return await request.app[LOGS].append(
        job_id, wanted.attempt, wanted.offset, chunk, is_over=is_over
    )


async def secrets_read(
    request: web.Request, robot: RobotCaller, job_id: int, wanted: SecretsQuery
) -> SecretsRead:
    """The secrets that an attempt of this robot has read, to be masked in what the robot sends.

    Answered until the log of the attempt is closed."""
    database, sealer = request.app[DATABASE], request.app[SEALER]
    read, is_first = await database.read(reads.for_robot, sealer, robot, job_id, wanted.attempt)
    if is_first:
        await database.write(reads.note_sent, robot, job_id, wanted.attempt)
    token = job_token(request.app[KEYS], job_id, wanted.attempt)  # it opens them all
    return msgspec.structs.replace(read, values=[*read.values, token])


async def running_job(request: web.Request, job: JobCaller) -> RunningJob:
    """What a script may know of its own job, while it runs."""
    return await request.app[DATABASE].read(attempts.running, job)


async def known_outcome(request: web.Request, job: JobCaller, key: str) -> Outcome:
    """What a step of this job came to at an earlier attempt, if it was done."""
    return await request.app[DATABASE].read(outcomes.look, job, key)


async def keep_outcome(
    request: web.Request, job: JobCaller, key: str, wanted: OutcomeKeep
) -> Outcome:
    """Remember what a step came to, for later attempts; the first one stays."""
    return await request.app[DATABASE].write(outcomes.keep, job, key, wanted)


async def _claim(
    request: web.Request, robot: RobotCaller, wanted: NextJob
) -> tuple[NextJobAnswer, Taker]:
    database, settings = request.app[DATABASE], request.app[SETTINGS].jobs
    claimed = await database.write(
        claiming.claim_or_wait, robot, wanted, settings, _tokens(request)
    )
    if claimed[0].job is not None:
        failpoint("claim.after_commit")
    return claimed


def _tokens(request: web.Request) -> JobToken:
    return partial(job_token, request.app[KEYS])


def _must_mean_itself(robot: RobotCaller, robot_id: int | None) -> None:
    if robot_id is not None and robot_id != robot.id:
        raise Forbidden(f"This token is robot {robot.id}'s, not robot {robot_id}'s.")


ROUTES = [
    public_post("/api/runner/register-robot", register_robot),
    robot_post("/api/runner/heartbeat", heartbeat),
    robot_post("/api/runner/next-job", next_job),
    robot_get("/api/runner/jobs/{job_id}/order", order),
    robot_get("/api/runner/jobs/{job_id}/secrets", secrets_read),
    robot_post("/api/runner/jobs/{job_id}/update", update_job),
    robot_post(
        "/api/runner/jobs/{job_id}/logs",
        append_log,
        media_types=("application/octet-stream",),
        limit_bytes=LOG_CHUNK_BYTES,
    ),
    job_get("/api/runtime/job", running_job),
    job_get("/api/runtime/outcomes/{key}", known_outcome),
    job_put("/api/runtime/outcomes/{key}", keep_outcome),
]
