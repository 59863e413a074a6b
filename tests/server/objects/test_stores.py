"""What every object store promises, a folder and a bucket alike."""

import asyncio
import errno
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from orchestrator_server.errors import Unavailable
from orchestrator_server.objects import bucket
from orchestrator_server.objects.bucket import BucketStore
from orchestrator_server.objects.folder import FolderStore
from orchestrator_server.objects.store import Missing, WrongStore, fetch
from tests.support import s3


@pytest.fixture(params=["folder", "bucket"])
def store(request, tmp_path):
    if request.param == "folder":
        return FolderStore(tmp_path / "data")
    s3_server = request.getfixturevalue("s3_server")
    request.getfixturevalue("s3_environment")
    return BucketStore(f"s3://{s3_server.bucket()}/mill/one")


@pytest.fixture
def put(store, tmp_path):
    async def put(name, content, **how):
        file = tmp_path / "file"
        file.write_bytes(content)
        await store.put(name, file, **how)

    return put


async def read(store, name, start=0, stop=1 << 40):
    return b"".join([piece async for piece in store.read(name, start, stop)])


async def names(store, folder):
    return sorted([found.name async for found in store.list(folder)])


async def test_what_was_put_comes_back_whole_or_in_part(store, put):
    await put("packages/a b%20ü.zip", b"0123456789")
    name = "packages/a b%20ü.zip"
    assert await store.size_bytes(name) == 10
    assert await read(store, name) == b"0123456789"
    assert await read(store, name, 3, 5) == b"34"
    assert await read(store, name, 8, 20) == b"89"
    assert await read(store, name, 10, 20) == b""


async def test_a_name_is_given_once_unless_it_is_replaced(store, put):
    await put("logs/0/1.1.log", b"first")
    await put("logs/0/1.1.log", b"second, longer")
    assert await read(store, "logs/0/1.1.log") == b"first"
    await put("logs/0/1.1.log", b"third", replace=True)
    assert await read(store, "logs/0/1.1.log") == b"third"


async def test_what_goes_in_parts_is_the_same_bytes(store, put, tmp_path, monkeypatch):
    monkeypatch.setattr(bucket, "PART_BYTES", 5 * 1024 * 1024)  # S3 takes no smaller ones
    content = bytes(range(256)) * 50_000
    await put("packages/large", content)
    assert await read(store, "packages/large", 4_000_000, 9_000_001) == content[4_000_000:9_000_001]
    await fetch(store, "packages/large", tmp_path / "fetched")
    assert (tmp_path / "fetched").read_bytes() == content
    await put("packages/large", content[::-1])
    assert await read(store, "packages/large", 0, 3) == content[:3]
    await put("packages/large", content[::-1], replace=True)
    assert await read(store, "packages/large", 0, 3) == content[::-1][:3]


async def test_an_empty_file_is_an_object_too(store, put):
    await put("artifacts/1/a", b"")
    assert await store.size_bytes("artifacts/1/a") == 0
    assert await read(store, "artifacts/1/a") == b""


async def test_what_is_not_there_is_missing_and_removed_already(store):
    with pytest.raises(Missing):
        await store.size_bytes("packages/none")
    with pytest.raises(Missing):
        await read(store, "packages/none", 0, 0)
    await store.remove([])
    await store.remove(["packages/none"])
    assert await names(store, "packages/") == []


async def test_a_list_is_of_one_folder(store, put):
    before = datetime.now(UTC) - timedelta(seconds=2)
    for name in ("packages/a", "packages/b", "artifacts/1/c", "artifacts/2/d"):
        await put(name, b"xyz")
    assert await names(store, "packages/") == ["packages/a", "packages/b"]
    [*found] = [found async for found in store.list("artifacts/")]
    assert sorted(f.name for f in found) == ["artifacts/1/c", "artifacts/2/d"]
    assert all(f.size_bytes == 3 and f.modified_at >= before for f in found)
    await store.remove(["packages/b", "artifacts/1/c"])
    assert await names(store, "packages/") == ["packages/a"]
    assert await names(store, "artifacts/") == ["artifacts/2/d"]


async def test_a_folder_on_another_disk_takes_files_too(tmp_path, monkeypatch):
    replace, moved = Path.replace, []

    def only_beside(self, target):
        if self.parent != target.parent:
            moved.append(self)
            raise OSError(errno.EXDEV, "Invalid cross-device link")
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", only_beside)
    file, store = tmp_path / "file", FolderStore(tmp_path / "data")
    file.write_bytes(b"xyz")
    await store.put("packages/a", file)
    assert moved == [file]
    assert await read(store, "packages/a") == b"xyz"
    assert [path.name for path in (tmp_path / "data" / "packages").iterdir()] == ["a"]


async def test_a_job_may_get_a_file_while_it_loses_its_last_one(tmp_path):
    store = FolderStore(tmp_path / "data")

    async def come_and_go(number):
        for turn in range(100):
            file = tmp_path / f"{number}-{turn}"
            file.write_bytes(b"x")
            await store.put(f"artifacts/1/{file.name}", file)
            await store.remove([f"artifacts/1/{file.name}"])

    await asyncio.gather(*map(come_and_go, range(8)))
    assert await names(store, "artifacts/") == []


async def test_no_name_leads_out_of_a_folder(tmp_path):
    (tmp_path / "secret").write_text("x")
    with pytest.raises(Missing):
        await read(FolderStore(tmp_path / "data"), "packages/../../secret")
    with pytest.raises(Missing):
        await read(FolderStore(tmp_path / "data"), "packages/..\\..\\secret")


async def test_a_store_that_is_gone_is_said_soon_and_without_its_address(
    s3_environment, tmp_path, monkeypatch
):
    monkeypatch.setattr(bucket, "PATIENCE_SECONDS", 2)
    file = tmp_path / "file"
    file.write_bytes(b"x")
    with s3.server() as mortal:
        monkeypatch.setenv("AWS_ENDPOINT", mortal.endpoint)
        store = BucketStore(f"s3://{mortal.bucket()}/mill")
        await store.put("packages/a", file)
        mortal.stop()
        began = time.monotonic()
        for ask in (store.put("packages/b", file), store.size_bytes("packages/a"),
                    read(store, "packages/a"), store.remove(["packages/a"]),
                    names(store, "packages/")):  # fmt: skip
            with pytest.raises(Unavailable, match="does not answer as it should") as refused:
                await asyncio.wait_for(ask, 20)
            assert mortal.endpoint not in str(refused.value)
        assert time.monotonic() - began < 60


async def test_bytes_that_were_lost_on_the_way_are_noticed(
    s3_server, s3_environment, tmp_path, monkeypatch
):
    store = BucketStore(f"s3://{s3_server.bucket()}/mill")
    file = tmp_path / "file"
    file.write_bytes(b"whole")
    put_async = bucket.obstore.put_async

    async def put_half(store, name, file, **how):
        half = Path(f"{file}.half")
        half.write_bytes(file.read_bytes()[:2])
        return await put_async(store, name, half, **how)

    monkeypatch.setattr(bucket.obstore, "put_async", put_half)
    with pytest.raises(Unavailable, match="other bytes"):
        await store.put("packages/a", file)


def test_a_signature_in_an_address_is_not_logged():
    error = Exception("HEAD https://mill.example/a?sv=1&sig=s3cret, after 3 retries\nmore")
    assert bucket._words(error) == "HEAD https://mill.example/a, after 3 retries"


@pytest.mark.parametrize("url", ["mill", "http://x/y", "s3://", "file:///tmp", "az://mill/x"])
def test_what_is_no_object_store_is_refused_with_a_sentence(url, monkeypatch):
    monkeypatch.delenv("AZURE_STORAGE_ACCOUNT_NAME", raising=False)
    with pytest.raises(WrongStore, match=url):
        BucketStore(url)


def test_google_and_azure_are_bucket_stores_too(monkeypatch):
    monkeypatch.setenv("AZURE_STORAGE_ACCOUNT_NAME", "mill")
    for url in ("gs://mill/one", "az://mill/one"):
        assert BucketStore(url)
