"""A setting that is wrong ends each process, and each command, with its name and a remedy."""

import os
import subprocess
import sys

import pytest

SAID = "OOC_PORT: Input should be a valid integer, unable to parse string as an integer\n"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "environment", "said"),
    [
        (["services.referral", "api"], {"OOC_PORT": "abc"}, SAID),
        (["services.console"], {"OOC_PORT": "abc"}, SAID),
        (["ooc.main", "topics"], {"OOC_PORT": "abc"}, SAID),
        (
            ["services.notifications", "worker"],
            {"OOC_SMTP_HOST": "mail.example"},
            "OOC_SMTP_HOST is set: name the address from which e-mails come in OOC_SMTP_FROM\n",
        ),
        (
            ["services.notifications", "worker"],
            {"OOC_WEBHOOK_NETWORKS": "10.0.0.1/8"},
            "OOC_WEBHOOK_NETWORKS: 10.0.0.1/8 has host bits set: write networks such as 10.20.0.0/16\n",
        ),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_wrong_setting_is_named(arguments: list[str], environment: dict[str, str], said: str) -> None:
    """Given a setting that makes no sense, when a process starts, then it ends with one line that names the setting."""
    ended = subprocess.run(
        [sys.executable, "-m", *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        env=os.environ | environment,
    )
    assert (ended.returncode, ended.stderr) == (1, said)
