"""Clients show certificates; issuers fall silent, change their keys, or lead elsewhere; settings that do not go together."""

import json
import ssl
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.client import HTTPSConnection
from pathlib import Path
from subprocess import DEVNULL, Popen

import pytest

from mlkit.core.errors import SettingsError
from mlkit.inference.example_package import make_parcel_package
from mlkit.security.api_keys import add_key
from mlkit.security.oidc import IdentityProvider, LoginRefused, TokenVerifier, parse_role_mapping
from mlkit.serving.client import free_port
from mlkit.serving.server_settings import read_serve_settings
from tests.serving.issuer import AUDIENCE, Issuer


@pytest.fixture(scope="module")
def parcels(own_key, tmp_path_factory) -> Path:
    return make_parcel_package(tmp_path_factory.mktemp("shop") / "parcels")


# ---------------------------------------- certificates of clients
def certificates(folder: Path) -> dict[str, Path]:
    """A certificate of the server, and of clients, signed by one authority; and one that signed itself."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import NameOID

    def make(name: str, by: tuple | None = None, days: int = 1) -> tuple:
        key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        begin = x509.CertificateBuilder().subject_name(subject).issuer_name(by[1].subject if by else subject)
        times = begin.not_valid_before(now - timedelta(days=9)).not_valid_after(now + timedelta(days=days))
        whole = times.public_key(key.public_key()).serial_number(x509.random_serial_number())
        whole = whole.add_extension(x509.BasicConstraints(by is None, None), True)
        whole = whole.add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), False)
        made = key, whole.sign(by[0] if by else key, hashes.SHA256())
        pem, kind = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
        text = made[1].public_bytes(pem) + key.private_bytes(pem, kind, serialization.NoEncryption())
        (folder / f"{name}.pem").write_bytes(text)
        return made

    authority, other = make("authority"), make("evil")
    for name in ("localhost", "shop", "stranger"):
        make(name, authority)
    make("old", authority, days=-1)
    make("owner", other)  # with the name of a key, signed by somebody else
    return {path.stem: path for path in folder.glob("*.pem")}


def test_a_server_can_ask_clients_for_certificates(parcels, tmp_path):
    pem = certificates(tmp_path)
    keys = tmp_path / "keys.json"
    key = add_key(keys, "shop", ["predict"])
    add_key(keys, "owner", ["admin"])
    tls = {
        "tls_cert": str(pem["localhost"]),
        "tls_key": str(pem["localhost"]),
        "tls_ca": str(pem["authority"]),
    }

    def ask(port: int, name: str = "", path: str = "/predict", **headers: str) -> int:
        context = ssl.create_default_context(cafile=pem["authority"])
        if name:
            context.load_cert_chain(pem[name])
        connection = HTTPSConnection("localhost", port, context=context, timeout=20)
        body = json.dumps({"weight": 2.5, "distance": 80, "service": "standard"})
        connection.request("POST", path, body, {"Content-Type": "application/json", **headers})
        return connection.getresponse().status

    port = free_port()
    with server_with_tls(parcels, port, ask, keys=str(keys), tls_names=True, **tls):
        assert ask(port, "shop") == 200 and ask(port, "shop", "/feedback") == 403
        assert ask(port, "stranger") == 401 and ask(port, "stranger", **{"X-API-Key": key}) == 200
        assert ask(port, "shop", **{"X-API-Key": "mlk_other"}) == 401  # who sends a key is asked for that key
        for name in ("", "old", "owner", "evil"):
            with pytest.raises(OSError):
                ask(port, name)
    with server_with_tls(parcels, port := free_port(), ask, keys=str(keys), **tls):
        assert ask(port, "shop") == 401  # a name stands for a key only where that was asked for


@contextmanager
def server_with_tls(parcels, port, ask, **settings) -> Iterator[None]:
    """A server that cannot be asked without a certificate whether it is ready."""
    words = json.dumps({"model": str(parcels), "port": port, "log": "none", **settings})
    code = "import json, sys; from mlkit.serving.server import run_server as run"
    code += "; run(**json.loads(sys.argv[1]), on_ready=print)"
    process = Popen([sys.executable, "-uc", code, words], stdout=-1, stderr=DEVNULL, text=True)
    try:
        assert process.stdout and process.stdout.readline().strip() == str(port)  # it says that it is ready
        yield
    finally:
        process.terminate()
        process.wait(30)


# ---------------------------------------- the issuer
@pytest.fixture
def issuer() -> Iterator[Issuer]:
    made = Issuer()
    yield made
    made.close()


def test_an_issuer_that_is_down_does_not_take_the_server_with_it(issuer):
    now = [time.time()]
    source = IdentityProvider(issuer.url, fresh=0, pause=0)
    verifier = TokenVerifier(source, AUDIENCE, parse_role_mapping("groups: analysts=predict"), lambda: now[0])
    first, second = issuer.token().encode(), issuer.token(sub="u-18").encode()
    assert verifier.verify(first).roles == {"predict"}
    issuer.close()
    assert verifier.verify(second).roles == {"predict"}  # with the keys of before
    now[0] += 400
    assert verifier.recall(first) is None and verifier.verify(first)  # remembered for five minutes
    now[0] += 400
    with pytest.raises(LoginRefused, match="has expired"):
        verifier.verify(first)
    with pytest.raises(LoginRefused, match="does not answer"):
        TokenVerifier(IdentityProvider(issuer.url), AUDIENCE, verifier.mapping).verify(second)


def test_a_new_key_of_the_issuer_is_found_and_an_old_one_forgotten(issuer):
    verifier = TokenVerifier(
        IdentityProvider(issuer.url, pause=0), AUDIENCE, parse_role_mapping("groups: analysts=predict")
    )
    old = issuer.token().encode()
    verifier.verify(old)
    issuer.rsa = type(issuer.rsa).generate_key(2048, {"kid": "new"})
    verifier.verify(issuer.token({"kid": "new"}).encode())
    with pytest.raises(LoginRefused) as refused:
        verifier.verify(old)
    assert refused.value.reason == "key"


@pytest.mark.parametrize(
    "change",
    [
        {"issuer": "https://evil.example"},
        {"jwks_uri": "http://evil.example/jwks"},
        {"jwks_uri": "file:///etc/passwd"},
        {"token_endpoint": "http://evil.example/token"},
        {"jwks_uri": None},
    ],
    ids=str,
)
def test_a_description_that_leads_elsewhere_is_not_believed(issuer, change):
    good = issuer.document()
    issuer.document = lambda: {**good, **change}
    verifier = TokenVerifier(
        IdentityProvider(issuer.url), AUDIENCE, parse_role_mapping("groups: analysts=predict")
    )
    with pytest.raises(LoginRefused, match="does not answer"):
        verifier.verify(issuer.token().encode())


@pytest.mark.parametrize(
    "settings, told",
    [
        ({"oidc": "http://login.example.org"}, "https://"),
        ({"oidc": "https://user:word@login.example.org"}, "no address"),
        ({"oidc": "login.example.org"}, "no address"),
        ({"oidc_roles": "groups"}, "which claim gives which roles"),
        ({"oidc_roles": "groups: a=promot"}, "did you mean 'promote'"),
        ({"oidc_roles": ""}, "--oidc-roles"),
        ({"oidc_audience": ""}, "--oidc-audience"),
        ({"oidc_client": "page"}, "--public-url"),
        ({"oidc": ""}, "the issuer"),
        ({"oidc_client": "page", "public_url": "http://ml.example.org"}, "https://"),
    ],
    ids=str,
)
def test_settings_that_do_not_go_together_are_told(settings, told):
    good = {
        "model": "m",
        "keys": "off",
        "oidc": "https://login.example.org",
        "oidc_audience": "churn",
        "oidc_roles": "groups: a=predict",
    }
    variables = {f"MLKIT_SERVE_{name.upper()}": value for name, value in {**good, **settings}.items()}
    with pytest.raises(SettingsError, match=told):
        read_serve_settings(variables)
    assert read_serve_settings({f"MLKIT_SERVE_{name.upper()}": value for name, value in good.items()})
