"""Packages with code of their own to install, and a build system of a few lines."""

import io
import tarfile
import zipfile

BACKEND = """
import os, zipfile, pathlib, tomllib
project = tomllib.loads(pathlib.Path("pyproject.toml").read_text())
name, version = project["project"]["name"], project["project"]["version"]
if mark := project.get("tool", {}).get("mark"):
    with open(mark, "a") as file:
        file.write(repr(dict(os.environ)) + "\\n")

def build_wheel(directory, settings=None, metadata=None):
    info, file = f"{name}-{version}.dist-info", f"{name}-{version}-py3-none-any.whl"
    needed = "".join(f"Requires-Dist: {one}\\n" for one in project["project"]["dependencies"])
    scripts = project["project"].get("scripts", {})
    entries = "[console_scripts]\\n" + "".join(f"{k} = {v}\\n" for k, v in scripts.items())
    with zipfile.ZipFile(os.path.join(directory, file), "w") as wheel:
        for path in sorted(pathlib.Path("src").rglob("*")):
            if path.is_file():
                wheel.write(path, path.relative_to("src").as_posix())
        wheel.writestr(f"{info}/METADATA",
                       f"Metadata-Version: 2.1\\nName: {name}\\nVersion: {version}\\n{needed}")
        wheel.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\\nGenerator: test\\n"
                       "Root-Is-Purelib: true\\nTag: py3-none-any\\n")
        wheel.writestr(f"{info}/entry_points.txt", entries)
        wheel.writestr(f"{info}/RECORD", "")
    return file

def build_editable(directory, settings=None, metadata=None):
    return build_wheel(directory)
"""


def a_library(folder, name, files, *, needs=(), mark="", scripts=None, version="1.0"):
    """Write a project with src layout that is built by a backend of its own."""
    folder.mkdir(parents=True, exist_ok=True)
    told = "".join(f'{key} = "{value}"\n' for key, value in (scripts or {}).items())
    (folder / "pyproject.toml").write_text(
        f'[project]\nname = "{name}"\nversion = "{version}"\nrequires-python = ">=3.11"\n'
        f"dependencies = {list(needs)!r}\n[project.scripts]\n{told}"
        '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n'
        f"[tool]\nmark = {str(mark)!r}\n"
    )
    (folder / "backend.py").write_text(BACKEND)
    for path, text in files.items():
        (folder / "src" / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / "src" / path).write_text(text)


def zipped(folder):
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for file in sorted(folder.rglob("*")):
            if file.is_file():
                archive.write(file, file.relative_to(folder).as_posix())
    return content.getvalue()


def a_source(folder, name):
    """An sdist, as the bytes of a `.tar.gz`."""
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w:gz") as archive:
        archive.add(folder, name)
        info = tarfile.TarInfo(f"{name}/PKG-INFO")
        project, _, version = name.partition("-")
        text = f"Metadata-Version: 2.1\nName: {project}\nVersion: {version}\n".encode()
        info.size = len(text)
        archive.addfile(info, io.BytesIO(text))
    return content.getvalue()
