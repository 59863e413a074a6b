"""Made by `make docs` from the route tables; do not edit."""

from sdk.client.requests import Listing, Requests
from sdk.contract.jobs import (
    Artifact,
    Job,
    JobAttempt,
    JobCreate,
    JobEvent,
    JobExplanation,
    JobQuery,
    JobUpdate,
)


class JobsCalls(Requests):
    def list_jobs(self, query: JobQuery | None = None) -> Listing[Job]:
        """List jobs, newest first."""
        return self._list("/api/jobs", Job, query or JobQuery())

    async def create_job(self, wanted: JobCreate) -> Job:
        """Ask for a run of a process; the job waits as `pending` until a robot claims it."""
        return await self._change("POST", "/api/jobs", Job, wanted, repeatable=True)

    async def get_job(self, job_id: int) -> Job:
        """Get one job."""
        return await self._get(f"/api/jobs/{job_id}", Job)

    async def cancel_job(self, job_id: int) -> Job:
        """Cancel a waiting or running job for good; a finished one is answered unchanged."""
        return await self._change("POST", f"/api/jobs/{job_id}/cancel", Job)

    async def update_job(self, job_id: int, wanted: JobUpdate) -> Job:
        """Move a waiting job to another robot or priority, or fail or cancel one by hand."""
        return await self._change("PUT", f"/api/jobs/{job_id}", Job, wanted)

    async def stop_job(self, job_id: int) -> Job:
        """Ask the script of a running job to finish early (`job.should_stop`)."""
        return await self._change("POST", f"/api/jobs/{job_id}/stop", Job)

    async def retry_job(self, job_id: int) -> Job:
        """Run again what a job that has ended ran, as a new job."""
        return await self._change("POST", f"/api/jobs/{job_id}/retry", Job, repeatable=True)

    async def list_attempts(self, job_id: int) -> list[JobAttempt]:
        """List the attempts of a job, the first one first."""
        return await self._get(f"/api/jobs/{job_id}/attempts", list[JobAttempt])

    async def job_timeline(self, job_id: int) -> list[JobEvent]:
        """What happened to a job, oldest first."""
        return await self._get(f"/api/jobs/{job_id}/timeline", list[JobEvent])

    async def explain_job(self, job_id: int) -> JobExplanation:
        """Why a job is still pending: a line for each limit, and one for each robot."""
        return await self._get(f"/api/jobs/{job_id}/explain", JobExplanation)

    async def list_artifacts(self, job_id: int) -> list[Artifact]:
        """The files that a job left, the first attempt first."""
        return await self._get(f"/api/jobs/{job_id}/artifacts", list[Artifact])

    async def get_artifact(self, job_id: int, artifact_id: int) -> bytes:
        """Fetch a file that a job left, whole or one range of it."""
        return await self._get(f"/api/jobs/{job_id}/artifacts/{artifact_id}", bytes)
