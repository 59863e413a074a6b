"""What a name may look like; what is said of one that may not be."""

import pytest

from orchestrator_server import names
from orchestrator_server.errors import Invalid


@pytest.mark.parametrize(
    ("what", "subject"),
    [("artifact", "an artifact"), ("asset", "an asset"), ("queue", "a queue"), ("user", "a user"),
     ("machine", "a machine")],
)  # fmt: skip
@pytest.mark.parametrize("name", ["", " ", "x" * 256, "a\u202eb"])
def test_a_name_is_refused_with_a_sentence(what, subject, name):
    with pytest.raises(Invalid, match=f"^The name of {subject} (cannot be|has at|cannot contain)"):
        names.clean(name, what=what)


@pytest.mark.parametrize("name", ["a/b", ".hidden", "end.", "CON", "lpt1.txt"])
def test_a_name_that_is_no_file_is_refused_with_a_sentence(name):
    with pytest.raises(Invalid, match=r"^The name of an artifact cannot contain slashes"):
        names.clean_plain(name, what="artifact")
