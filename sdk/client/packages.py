"""Made by `make docs` from the route tables; do not edit."""

from sdk.client.requests import Listing, Requests
from sdk.contract.packages import (
    Package,
    PackagePreflight,
    PackagePreflightAnswer,
    PackageQuery,
    PackageUpdate,
)
from sdk.contract.processes import Process


class PackagesCalls(Requests):
    def list_packages(self, query: PackageQuery | None = None) -> Listing[Package]:
        """List packages, newest first."""
        return self._list("/api/packages", Package, query or PackageQuery())

    async def get_package(self, package_id: int) -> Package:
        """Get one package."""
        return await self._get(f"/api/packages/{package_id}", Package)

    async def preflight_package(self, wanted: PackagePreflight) -> PackagePreflightAnswer:
        """Ask whether a version could be published, before sending it."""
        return await self._change("POST", "/api/packages/preflight", PackagePreflightAnswer, wanted)

    async def update_package(self, package_id: int, wanted: PackageUpdate) -> Package:
        """Activate or deactivate a package; rename one that nothing refers to."""
        return await self._change("PUT", f"/api/packages/{package_id}", Package, wanted)

    async def delete_package(self, package_id: int) -> None:
        """Delete a package that no process and no unfinished job needs, and its file."""
        return await self._change("DELETE", f"/api/packages/{package_id}", type(None))

    async def use_package(self, package_id: int) -> list[Process]:
        """Move all processes of a package to this version of it, newer or older, or none."""
        return await self._change("POST", f"/api/packages/{package_id}/use", list[Process])
