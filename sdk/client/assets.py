"""Made by `make docs` from the route tables; do not edit."""

from sdk.client.requests import Listing, Requests
from sdk.contract.assets import Asset, AssetCreate, AssetGrant, AssetQuery, AssetUpdate


class AssetsCalls(Requests):
    def list_assets(self, query: AssetQuery | None = None) -> Listing[Asset]:
        """List assets, newest first; secrets read `***`."""
        return self._list("/api/assets", Asset, query or AssetQuery())

    async def create_asset(self, wanted: AssetCreate) -> Asset:
        """Create an asset; a secret is sealed at once. Granting it also takes `assets:edit`."""
        return await self._change("POST", "/api/assets", Asset, wanted)

    async def get_asset(self, asset_id: int) -> Asset:
        """Get one asset; a secret reads `***`."""
        return await self._get(f"/api/assets/{asset_id}", Asset)

    async def update_asset(self, asset_id: int, wanted: AssetUpdate) -> Asset:
        """Change an asset; a secret that is sent back as `***` stays as it is."""
        return await self._change("PUT", f"/api/assets/{asset_id}", Asset, wanted)

    async def delete_asset(self, asset_id: int) -> None:
        """Delete an asset that is no robot's credential; its value is gone at once."""
        return await self._change("DELETE", f"/api/assets/{asset_id}", type(None))

    async def grant_asset(self, asset_id: int, wanted: AssetGrant) -> Asset:
        """Let the jobs of a process read a secret, from the process's present version on."""
        return await self._change("POST", f"/api/assets/{asset_id}/grants", Asset, wanted)

    async def revoke_asset(self, asset_id: int, process_id: int) -> None:
        """Stop a process reading a secret; its running jobs cannot read it any more either."""
        return await self._change(
            "DELETE", f"/api/assets/{asset_id}/grants/{process_id}", type(None)
        )
