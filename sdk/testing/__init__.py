"""For the tests of a package: an orchestrator in memory, and pytest fixtures.

# conftest.py
pytest_plugins = ["sdk.testing.fixtures"]

# test_main.py
def test_it_pays(orchestrator):
    orchestrator.assets["api"] = "secret"
    orchestrator.add_item("invoices", {"amount": 7})
    main()
    assert orchestrator.items("invoices")[0].status == "completed"
"""

from sdk.testing.orchestrator import Credential, Item, Orchestrator

__all__ = ["Credential", "Item", "Orchestrator"]
