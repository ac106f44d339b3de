"""That tests which share a server, a board or a whole machine are kept on one worker of pytest-xdist."""

import pytest


@pytest.mark.xdist_group("together")
def test_worker_takes_the_group_of_a_test_into_its_name(request: pytest.FixtureRequest) -> None:
    """By that name pytest-xdist groups them; where it is missing it runs them anywhere, and says nothing."""
    if request.config.getoption("loadgroup", False):  # only a worker has it
        assert request.node.nodeid.endswith("@together")
