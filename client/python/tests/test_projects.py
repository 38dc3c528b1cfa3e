"""The whole suite again, as users with other settings meet the package."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
# Checked once, because they do not depend on the project.
ONCE = [
    "test_projects.py",
    "test_django_own.py",
    "test_servers.py",
    "test_context.py",
    "test_mapping.py",
    "test_transport.py",
    "test_bridge_signature.py",
]


@pytest.mark.skipif("CROSSFADE_TEST_PROJECT" in os.environ, reason="this is the run of one project")
@pytest.mark.parametrize("project", ["cache_sessions", "csrf_sessions", "custom_user"])
def test_the_suite_passes_under(project):
    env = os.environ | {"DJANGO_SETTINGS_MODULE": f"projects.{project}", "CROSSFADE_TEST_PROJECT": project}
    run = subprocess.run(
        [sys.executable, "-m", "pytest", *(f"--ignore=tests/{name}" for name in ONCE)],
        cwd=HERE.parent,
        env=env,
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0, run.stdout[-6000:]
