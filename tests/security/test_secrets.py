"""Keys, tokens and passwords are found in files, told without being shown, and not seen where there are none."""

from base64 import b64encode
from pathlib import Path

import pytest

from mlkit.core.errors import RunError
from mlkit.inference.example_package import make_parcel_package
from mlkit.security.secrets import find_secrets, require_no_secrets, secret_kinds

ROOT = Path(__file__).parents[2]
SECRETS = {  # put together here, so that no scanner takes this file for a leak
    "API key of mlkit": "mlk_" + "aB3" * 12,
    "private key": "-----BEGIN RSA " + "PRIVATE KEY-----\\nMIIEpAIBAAKCAQEA7yn3bRHQ",
    "AWS": "AKIA" + "IOSFODNN7EXAMPLE",
    "Google": "AIza" + "SyA-1b2C3d4E5f6G7h8I9j0K1l2M3n4O5p6",
    "Azure": "AccountKey=" + b64encode(bytes(range(64))).decode(),
    "GitHub": "github_" + "pat_" + "11ABCDE0Y0" * 8,
    "Slack": "xox" + "b-123456789012-abcdefABCDEF",
    "JWT": ".".join(["eyJhbGciOiJIUzI1NiJ9", "eyJzdWIiOiIxMjM0NTY3ODkwIn0", "s5lK" * 8]),
    "address": "mysql+pymysql://root:" + "hunter2!" + "@db:3306/shop",
    "password": 'db_password = "' + "xK9#mQ2$vL7!pR4@".replace("$", "_") + '"',
}


@pytest.mark.parametrize("kind", SECRETS)
@pytest.mark.parametrize("around", ["{}", '{{"text": ["key = {}\\n"]}}', "PAR1\0\0{}\0\0"])
def test_secret_is_found_and_never_shown(kind: str, around: str, tmp_path: Path) -> None:
    if kind == "password" and "\0" in around:
        pytest.skip("a password has no form of its own, so it is not looked for in binary files")
    secret = SECRETS[kind]
    (tmp_path / "a.bin").write_text(around.format(secret), encoding="utf-8")
    with pytest.raises(RunError) as error:
        require_no_secrets([tmp_path], "no package is made")
    assert (
        "a.bin" in str(error.value) and secret[-8:] not in str(error.value) and "\n" not in str(error.value)
    )


@pytest.mark.parametrize(
    "harmless",
    [
        "postgresql://user:password@host/db",
        "https://x:${TOKEN}@github.com",
        "sqlite:////data/predictions.db",
        'password = "env:SHOP_PASSWORD"',
        '"token": "0000000000000000000000"',
        "-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEA",
        "mlk_<key>, ghp_..., AKIA",
        '"sha256": "2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae"',
    ],
)
def test_harmless_texts_are_no_secrets(harmless: str) -> None:
    assert not secret_kinds(harmless.encode())


def test_nothing_is_found_in_a_package_notebooks_and_library(tmp_path: Path) -> None:
    package = make_parcel_package(tmp_path / "model")
    folders = [tmp_path, ROOT / "nbs", ROOT / "mlkit", ROOT / "docs"]
    assert not [str(each) for each in find_secrets(folders)], package
