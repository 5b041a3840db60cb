"""A package is opened only when it is whole and signed by somebody who is trusted."""

import json
import os
import pickle
import subprocess
import sys
from pathlib import Path
from shutil import copytree

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mlkit.core.errors import PackageError
from mlkit.core.files import file_digest
from mlkit.inference.signing import find_signing_keys, make_signing_key, sign_package, verify_package

FILES = {"model.onnx": b"\x00\x01graph", "table.json": b'{"columns": []}', "card.md": b"# Card",
         "extra/note.txt": b"a note", "extra/deep/empty.bin": b""}  # fmt: skip
SEALED = [*FILES, "manifest.json", "signature"]


@pytest.fixture(scope="module")
def keys(tmp_path_factory) -> Path:
    """A folder with two people's keys."""
    folder = tmp_path_factory.mktemp("keys")
    for person in ("mine", "theirs"):
        make_signing_key(folder / f"{person}.key")
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("MLKIT_SIGNING_KEY", str(folder / f"{person}.key"))
            find_signing_keys()
    return folder


@pytest.fixture(autouse=True)
def _mine(keys, monkeypatch):
    monkeypatch.setenv("MLKIT_SIGNING_KEY", str(keys / "mine.key"))
    monkeypatch.delenv("MLKIT_PUBLIC_KEY", raising=False)


def fill(folder: Path) -> Path:
    for name, content in FILES.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return folder


@pytest.fixture(scope="module")
def sealed(keys, tmp_path_factory) -> Path:
    """A sealed package. To be read, or copied; never to be changed."""
    folder = fill(tmp_path_factory.mktemp("sealed") / "model")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLKIT_SIGNING_KEY", str(keys / "mine.key"))
        sign_package(folder, {"name": "customers"})
    return folder


@pytest.fixture
def package(sealed, tmp_path) -> Path:
    return copytree(sealed, tmp_path / "model")


def stock(*arguments: str | Path) -> bool:
    """The command of the OpenSSF project; whether it is content."""
    command = [sys.executable, "-m", "model_signing", *map(str, arguments)]
    return subprocess.run(command, capture_output=True).returncode == 0


def sign_by_hand(package: Path, key: Path) -> None:
    (package / "signature").unlink()
    assert stock("sign", "key", "--private_key", key, "--signature", package / "signature", package)


def refusal(package: Path) -> str:
    with pytest.raises(PackageError) as refused:
        verify_package(package)
    said = str(refused.value)
    assert "\n" not in said
    return said


# ---------------------------------------- what is whole
def test_the_manifest_tells_what_was_told_and_the_digest_of_every_file(package):
    manifest = verify_package(package)
    assert (
        manifest["name"] == "customers" and manifest["format"] == 2 and manifest["created"].endswith("+00:00")
    )
    assert manifest["files"] == {name: file_digest(package / name) for name in FILES}


def test_a_package_may_be_moved_and_renamed(package, tmp_path):
    assert verify_package(package.rename(tmp_path / "elsewhere"))


def test_a_package_that_changed_can_be_sealed_again(package):
    (package / "card.md").write_text("# Another card")
    (package / "model.onnx").unlink()
    refusal(package)
    manifest = sign_package(package, {"name": "customers"})
    assert verify_package(package) == manifest and "model.onnx" not in manifest["files"]


def test_the_stock_command_accepts_what_is_sealed(package, keys):
    verify = ["verify", "key", "--signature", package / "signature", package]
    assert stock(*verify, "--public_key", keys / "mine.pub")
    assert not stock(*verify, "--public_key", keys / "theirs.pub")


def test_what_the_stock_command_signs_is_accepted(package, keys):
    sign_by_hand(package, keys / "mine.key")
    assert verify_package(package)["name"] == "customers"


def test_a_check_is_light(package, keys):
    light = (
        "import sys; from mlkit.inference.signing import verify_package; verify_package(sys.argv[1]); "
        "print([name for name in ('model_signing', 'sigstore', 'pydantic', 'pandas') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", light, package], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


# ---------------------------------------- what is not
@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.sampled_from([name for name in SEALED if FILES.get(name) != b""]), st.integers(0), st.integers(1, 255)
)
def test_one_byte_changed_in_any_file_is_refused_and_the_file_named(sealed, name, place, change):
    path = sealed / name
    before = path.read_bytes()
    after = bytearray(before)
    after[place % len(after)] ^= change
    path.write_bytes(after)
    try:
        assert Path(name).name in refusal(sealed)
    finally:
        path.write_bytes(before)


@pytest.mark.parametrize("name", SEALED)
def test_a_missing_file_is_named(package, name):
    (package / name).unlink()
    assert f"'{name}'" in refusal(package)


@pytest.mark.parametrize("name", SEALED)
def test_a_file_that_was_cut_or_grew_is_named(package, name):
    content = (package / name).read_bytes()
    for other in {content[:-1], content + b"\n", content + b" ", b""} - {content}:
        (package / name).write_bytes(other)
        assert f"'{name}'" in refusal(package)


@pytest.mark.parametrize("name", [".hidden", ".gitignore", ".git/config", "extra/more", "__pycache__/a.pyc"])
def test_a_file_that_was_added_is_named(package, name):
    (package / name).parent.mkdir(exist_ok=True)
    (package / name).write_text("more")
    assert f"'{name}' was not there" in refusal(package)


def test_two_files_that_were_swapped_are_refused(package):
    (package / "card.md").rename(package / "other")
    (package / "table.json").rename(package / "card.md")
    (package / "other").rename(package / "table.json")
    assert "is not what was signed" in refusal(package)


def test_signature_or_manifest_of_another_package_is_refused(package, tmp_path):
    other = fill(tmp_path / "other")
    sign_package(other, {"name": "other"})
    for name in ("manifest.json", "signature"):
        before = (package / name).read_bytes()
        (package / name).write_bytes((other / name).read_bytes())
        assert "'manifest.json' is not what was signed" in refusal(package)
        (package / name).write_bytes(before)
    assert verify_package(package)


def test_links_are_refused_even_when_they_lead_to_the_same_content(package, tmp_path):
    for name in ("card.md", "extra"):
        (package / name).rename(tmp_path / Path(name).name)
        (package / name).symlink_to(tmp_path / Path(name).name)
        assert f"'{name}' is a link" in refusal(package)
        with pytest.raises(PackageError, match=f"'{name}' is a link"):
            sign_package(package, {})
        (package / name).unlink()
        (tmp_path / Path(name).name).rename(package / name)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no pipes with names")
def test_what_is_no_plain_file_is_refused_and_not_waited_for(package):
    (package / "card.md").unlink()
    os.mkfifo(package / "card.md")
    assert "'card.md' is no file" in refusal(package)


@pytest.mark.parametrize("place", ["files", "envelope"])
def test_a_name_that_leads_out_of_the_package_is_refused(package, keys, place, tmp_path):
    (tmp_path / "outside").write_text("secret")
    if place == "files":
        manifest = json.loads((package / "manifest.json").read_text())
        manifest["files"]["../outside"] = file_digest(tmp_path / "outside")
        (package / "manifest.json").write_text(json.dumps(manifest))
        sign_by_hand(package, keys / "mine.key")
    else:
        sign_list(package, keys / "mine.key", {"../outside": file_digest(tmp_path / "outside")})
    assert "'../outside' would lie outside of the package" in refusal(package)


def sign_list(package: Path, key: Path, names: dict[str, str]) -> None:
    """A signature that is right, over a list that is not."""
    from model_signing import manifest
    from model_signing._hashing.hashing import Digest
    from model_signing._signing.sign_ec_key import Signer
    from model_signing._signing.signing import Payload

    items = [manifest.FileManifestItem(path=Path(n), digest=Digest("sha256", bytes.fromhex(d)))
             for n, d in names.items()]  # fmt: skip
    kind = manifest._FileSerialization("sha256", False, frozenset())
    Signer(key).sign(Payload(manifest.Manifest("model", items, kind))).write(package / "signature")


@pytest.mark.parametrize("text", ["", "{}", "[]", "null", '{"dsseEnvelope": 1}', "[" * 100_000, "\x00"])
def test_a_signature_that_is_none_is_refused(package, text):
    (package / "signature").write_text(text)
    assert "'signature' is not what was signed" in refusal(package)


def test_a_signature_that_is_only_written_differently_is_refused(package):
    bundle = json.loads((package / "signature").read_text())
    for text in (json.dumps(bundle), json.dumps(bundle | {"more": 1}, separators=(",", ":"))):
        (package / "signature").write_text(text)
        assert "'signature' is not what was signed" in refusal(package)


@pytest.mark.parametrize("content", ["[]", '{"format": 2}', '{"format": 3, "files": {}}', "no json"])
def test_a_manifest_of_another_kind_is_refused_even_when_it_is_signed(package, keys, content):
    (package / "manifest.json").write_text(content)
    sign_list(package, keys / "mine.key", {n: file_digest(package / n) for n in [*FILES, "manifest.json"]})
    assert "manifest" in refusal(package) or "format 3" in refusal(package)


@pytest.mark.parametrize("facts, maker, advice", [
    ({"format": 1, "packages": {"mlkit": "0.0.9"}}, "by mlkit 0.0.9 in package format 1", "make it anew from its run"),
    ({"format": 1}, "by mlkit of an unknown version in package format 1", "make it anew from its run"),
    ({"format": 7, "mlkit": "4.0"}, "by mlkit 4.0 in package format 7", "upgrade mlkit"),
])  # fmt: skip
def test_a_package_of_another_format_is_refused_in_one_line_with_its_maker(
    package, keys, facts, maker, advice
):
    digests = {name: file_digest(package / name) for name in FILES}
    (package / "manifest.json").write_text(json.dumps(facts | {"files": digests}))
    sign_list(package, keys / "mine.key", {n: file_digest(package / n) for n in [*FILES, "manifest.json"]})
    said = refusal(package)
    assert maker in said and advice in said and "\n" not in said and "reads format 2" in said


def test_a_folder_that_is_not_there_is_no_package(tmp_path):
    assert "there is no package at" in refusal(tmp_path / "nowhere")


# ---------------------------------------- whom to trust
class Trap:
    """Runs code in whoever opens it."""

    def __init__(self, mark: Path):
        self.mark = mark

    def __reduce__(self):
        return (Path.touch, (self.mark,))


@pytest.mark.parametrize("signed_by", [None, "theirs"])
def test_a_pickle_for_which_nobody_vouches_is_never_opened(keys, tmp_path, signed_by, monkeypatch):
    package = fill(tmp_path / "model")
    (package / "model.pkl").write_bytes(pickle.dumps(Trap(tmp_path / "sprung")))
    (package / "model.joblib").write_bytes((package / "model.pkl").read_bytes())
    if signed_by:
        monkeypatch.setenv("MLKIT_SIGNING_KEY", str(keys / f"{signed_by}.key"))
        sign_package(package, {})
        monkeypatch.setenv("MLKIT_SIGNING_KEY", str(keys / "mine.key"))
    assert ("not trusted" if signed_by else "is not signed") in refusal(package)
    assert not (tmp_path / "sprung").exists()
    pickle.loads((package / "model.pkl").read_bytes())
    assert (tmp_path / "sprung").exists()  # it was a trap indeed


def test_somebody_elses_package_is_refused_with_the_way_to_trust_it(package, keys, monkeypatch):
    monkeypatch.setenv("MLKIT_SIGNING_KEY", str(keys / "theirs.key"))
    assert "MLKIT_PUBLIC_KEY=signing.pub" in refusal(package)
    monkeypatch.setenv("MLKIT_PUBLIC_KEY", str(keys / "mine.pub"))
    assert verify_package(package)["name"] == "customers"


def test_several_people_can_be_trusted(package, keys, tmp_path, monkeypatch):
    both = tmp_path / "team.pub"
    both.write_text((keys / "theirs.pub").read_text() + (keys / "mine.pub").read_text())
    monkeypatch.setenv("MLKIT_PUBLIC_KEY", str(both))
    monkeypatch.delenv("MLKIT_SIGNING_KEY")
    assert verify_package(package)
    sign_by_hand(package, keys / "theirs.key")
    assert verify_package(package)


def test_a_signature_that_names_a_trusted_key_but_is_by_another_is_refused(package, keys, monkeypatch):
    mine = json.loads((package / "signature").read_text())
    sign_by_hand(package, keys / "theirs.key")
    theirs = json.loads((package / "signature").read_text())
    theirs["verificationMaterial"] = mine["verificationMaterial"]
    (package / "signature").write_text(json.dumps(theirs, separators=(",", ":")))
    assert "'signature' is not what was signed" in refusal(package)


def test_where_no_key_is_known_nothing_is_trusted_and_none_is_made(package, tmp_path, monkeypatch):
    monkeypatch.delenv("MLKIT_SIGNING_KEY")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("HOME", str(tmp_path))
    assert "not trusted here" in refusal(package)
    assert not (tmp_path / "config").exists()


# ---------------------------------------- keys
@pytest.fixture
def home(tmp_path, monkeypatch) -> Path:
    """Where the keys of a person who has named none are kept."""
    monkeypatch.delenv("MLKIT_SIGNING_KEY")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path


def test_keys_are_made_on_first_use_for_their_owner_alone(home):
    private, public = find_signing_keys()
    assert (private.name, public.name) == ("signing.key", "signing.pub")
    assert private.parent == public.parent and private.is_relative_to(home)
    if os.name == "posix":
        assert private.stat().st_mode & 0o777 == 0o600 and private.parent.stat().st_mode & 0o777 == 0o700
    before = private.read_bytes(), public.read_bytes()
    assert find_signing_keys() == (private, public) and (private.read_bytes(), public.read_bytes()) == before


def test_a_lost_public_key_is_made_again_from_the_private_one(home):
    private, public = find_signing_keys()
    before = private.read_bytes(), public.read_bytes()
    public.unlink()
    find_signing_keys()
    assert (private.read_bytes(), public.read_bytes()) == before


def test_processes_that_make_the_key_at_once_make_one(home):
    code = "from mlkit.inference.signing import find_signing_keys; print(find_signing_keys()[0].read_text())"
    start = [sys.executable, "-c", code]
    going = [subprocess.Popen(start, stdout=subprocess.PIPE, text=True) for _ in range(4)]
    said = {process.communicate()[0] for process in going}
    assert len(said) == 1 and "PRIVATE KEY" in said.pop()


@pytest.mark.skipif(os.name != "posix", reason="files have no such modes here")
def test_a_key_that_others_can_read_is_not_used(package, tmp_path, monkeypatch):
    make_signing_key(tmp_path / "open.key")
    (tmp_path / "open.key").chmod(0o640)
    monkeypatch.setenv("MLKIT_SIGNING_KEY", str(tmp_path / "open.key"))
    with pytest.raises(PackageError, match="can be read by others; close it: chmod 600"):
        sign_package(package, {})


@pytest.mark.parametrize(
    "content", [b"", b"no key", b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----"]
)
def test_a_broken_key_is_said_to_be_so_and_stays(package, tmp_path, monkeypatch, content):
    key = tmp_path / "broken.key"
    key.write_bytes(content)
    key.chmod(0o600)
    monkeypatch.setenv("MLKIT_SIGNING_KEY", str(key))
    with pytest.raises(PackageError, match="broken.key is of no use: it cannot be read as a private key"):
        sign_package(package, {})
    assert key.read_bytes() == content
    monkeypatch.setenv("MLKIT_PUBLIC_KEY", str(key))
    with pytest.raises(PackageError, match="the public key .*broken.key is of no use"):
        verify_package(package)


@pytest.mark.parametrize(
    "variable, then", [("MLKIT_SIGNING_KEY", "not trusted"), ("MLKIT_PUBLIC_KEY", "the public key")]
)
def test_a_named_key_that_is_not_there_is_not_made(package, tmp_path, monkeypatch, variable, then):
    monkeypatch.setenv(variable, str(tmp_path / "nowhere"))
    with pytest.raises(PackageError, match=f"{variable} names .*nowhere, and there is no such file"):
        sign_package(package, {})
    assert not (tmp_path / "nowhere").exists() and then in refusal(package)


def test_where_the_key_is_missing_a_package_stays_as_it_was(package, tmp_path, monkeypatch):
    before = {path: path.read_bytes() for path in package.rglob("*") if path.is_file()}
    monkeypatch.setenv("MLKIT_SIGNING_KEY", str(tmp_path / "nowhere"))
    with pytest.raises(PackageError):
        sign_package(package, {})
    assert {path: path.read_bytes() for path in package.rglob("*") if path.is_file()} == before
