"""Django's own session tests, on our stores.

They are in Django's source distribution and not in what pip installs: ``make test-python`` fetches them.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import django

HERE = Path(__file__).parent
FOLDER = os.environ.get("CROSSFADE_DJANGO_TESTS") or (
    HERE.parents[2] / ".build" / "django-tests" / django.__version__
)
HINT = (
    f"Django's own tests are not in {FOLDER}. In a checkout of Crossfade run: tools/setup.sh django-tests. "
    "Elsewhere set CROSSFADE_DJANGO_TESTS to the folder tests of Django's source distribution "
    f"(pip download --no-deps --no-binary :all: Django=={django.__version__})."
)


def test_djangos_own_session_tests_pass_but_for_the_differences_that_are_listed():
    assert (Path(FOLDER) / "sessions_tests" / "tests.py").is_file(), HINT
    env = os.environ | {
        "DJANGO_SETTINGS_MODULE": "projects.django_own",
        "PYTHONPATH": os.pathsep.join([str(HERE.parent / "src"), str(HERE), str(FOLDER)]),
    }
    run = subprocess.run(
        [sys.executable, "-W", "error", "-m", "django", "test", "own_sessions"],
        cwd=HERE,
        env=env,
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0, run.stderr[-6000:]
    ran = re.search(r"Ran (\d+) tests", run.stderr)
    assert ran, run.stderr[-2000:]
    assert int(ran[1]) > 500, "most of them were not found"
    assert "skipped" not in run.stderr
