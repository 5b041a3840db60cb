"""Attacks on who may do what, against a real server and a real issuer on loopback. At the end, what was sent is
looked for in everything that the server has written."""

import hashlib
import hmac
import http.client
import json
import re
import socket
import time
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from joserfc.jwk import ECKey

from mlkit.inference.example_package import make_parcel_package
from mlkit.security.api_keys import add_key, list_keys, remove_key, rotate_key
from mlkit.serving.client import ServerProcess, free_port, running_server
from tests.serving.issuer import AUDIENCE, CLIENT, Issuer, part, raw, sign

ROW = {"weight": 2.5, "distance": 80, "service": "standard"}
ROLES = "groups: analysts=predict,explain | ml-team=admin | readers=monitor; realm.roles: editor=feedback"
SENT: list[str] = []  # every secret that was sent: none of them may be found anywhere


class House:
    """A server with keys and logins, and those who belong to it."""

    def __init__(self, server: ServerProcess, issuer: Issuer, folder: Path, keys: dict[str, str]):
        self.server, self.issuer, self.folder, self.keys = server, issuer, folder, keys
        self.port, self.calls = server.port, 0

    def ask(
        self, path: str = "/predict", method: str = "POST", headers: Any = (), body: Any = ROW
    ) -> tuple[int, str, Any]:
        """Status, body and headers. Each call comes from an address of its own, as far as the server can tell."""
        self.calls += 1
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            connection.putrequest(method, path, skip_host="host" in {name.lower() for name, _ in headers})
            data = b"" if method in ("GET", "HEAD") else json.dumps(body).encode()
            connection.putheader(
                "X-Forwarded-For", f"10.{self.calls // 60_000}.{self.calls // 250 % 240}.{self.calls % 250}"
            )
            if data:
                connection.putheader("Content-Type", "application/json")
                connection.putheader("Content-Length", str(len(data)))
            for name, value in headers:
                connection.putheader(name, value)
            connection.endheaders(data or None)
            response = connection.getresponse()
            return response.status, response.read().decode("utf-8", "replace"), response.headers
        finally:
            connection.close()

    def with_token(self, token: str, path: str = "/predict", **more: Any) -> tuple[int, str, Any]:
        SENT.append(token)
        return self.ask(path, headers=[("Authorization", f"Bearer {token}")], **more)

    def log_in(self, **claims: Any) -> str:
        """The cookie of a new session."""
        self.issuer.claims = claims
        begun, back = self.begin()
        status, _, headers = self.ask(back, "GET", [("Cookie", begun)])
        assert status == 303, status
        cookie = cookies(headers)["mlkit-session"]
        SENT.append(cookie.partition("=")[2])
        return cookie

    def begin(self) -> tuple[str, str]:
        """The cookie of a login on its way, and the path by which it comes back."""
        status, _, headers = self.ask("/login", "GET")
        assert status == 303
        back = self.issuer.let_in(headers["Location"])
        assert back.startswith(f"http://127.0.0.1:{self.port}/login/callback?")
        SENT.extend(re.findall(r"(?:code|state)=([^&]+)", back))
        return cookies(headers)["mlkit-login"], back.removeprefix(f"http://127.0.0.1:{self.port}")


def cookies(headers: Any) -> dict[str, str]:
    """What the server sets: name -> name=value."""
    found = [each.partition(";")[0] for each in headers.get_all("Set-Cookie") or []]
    return {each.partition("=")[0]: each for each in found}


def from_now(claims: dict[str, Any]) -> dict[str, Any]:
    """Claims whose times are counted from this moment, not from the one in which tests were collected."""
    now = time.time()
    return {
        name: now + value.total_seconds() if isinstance(value, timedelta) else value
        for name, value in claims.items()
    }


def told(body: str) -> str:
    return json.loads(body)["error"]


@pytest.fixture(scope="module")
def house(own_key, tmp_path_factory) -> Iterator[House]:
    folder, issuer, port = tmp_path_factory.mktemp("house"), Issuer(), free_port()
    file = folder / "keys.json"
    keys = {
        name: add_key(file, name, roles)
        for name, roles in {
            "shop": ["predict"],
            "analyst": ["explain"],
            "prometheus": ["monitor"],
            "owner": ["admin"],
        }.items()
    }
    settings = {
        "log": "none",
        "access": True,
        "keys": str(file),
        "closed_metrics": True,
        "oidc": issuer.url,
        "oidc_audience": AUDIENCE,
        "oidc_roles": ROLES,
        "oidc_client": CLIENT,
        "public_url": f"http://127.0.0.1:{port}",
    }
    own = {"MLKIT_AUDIT_LOG": str(folder / "audit.jsonl"), "FORWARDED_ALLOW_IPS": "127.0.0.1"}
    with running_server(
        make_parcel_package(folder / "parcels"), port=port, environment=own, **settings
    ) as server:
        yield House(server, issuer, folder, keys)
    issuer.close()


# ---------------------------------------- what is right is let in
@pytest.mark.parametrize("kind", ["RS256", "PS256", "ES256", "EdDSA"])
def test_a_token_of_the_issuer_is_let_in(house, kind):
    key = {"ES256": house.issuer.ec, "EdDSA": house.issuer.okp}.get(kind, house.issuer.rsa)
    token = house.issuer.token({"alg": kind, "kid": key.kid}, key)
    assert [house.with_token(token)[0] for _ in range(2)] == [200, 200]


@pytest.mark.parametrize(
    "claims",
    [
        {"aud": ["other", AUDIENCE]},
        {"exp": timedelta(seconds=-30)},
        {"nbf": timedelta(seconds=30)},
        {"iat": "left out"},
        {"groups": "analysts"},
        {"exp": timedelta(seconds=600.5)},
    ],
    ids=str,
)
def test_what_may_differ_may_differ(house, claims):
    assert house.with_token(house.issuer.token(**from_now(claims)))[0] == 200


# ---------------------------------------- forged tokens
def forged(issuer: Issuer) -> dict[str, str]:
    good, public = issuer.good(), issuer.rsa.as_pem(private=False)
    der, modulus = issuer.rsa.as_der(private=False), issuer.rsa.as_dict(private=False)["n"].encode()
    token, whole = issuer.token(), {"alg": "RS256", "kid": "rsa"}
    head, middle, tail = token.split(".")

    def hmac_with(secret: bytes, name: str = "sha256", alg: str = "HS256") -> str:
        begin = f"{part({'alg': alg, 'kid': 'rsa'})}.{part(good)}"
        return f"{begin}.{part(hmac.new(secret, begin.encode(), name).digest())}"

    twice = b'{"alg": "none", "kid": "rsa", "alg": "RS256"}'
    own = ECKey.generate_key("P-256")
    far = f"{issuer.url}/evil-jwks"
    named = {
        name: sign({**whole, **extra}, json.dumps(good).encode(), issuer.other)
        for name, extra in {
            "jku": {"jku": far},
            "x5u": {"x5u": far},
            "x5c": {"x5c": ["MIIB"]},
            "x5t": {"x5t": "AAAA"},
            "kid of another": {},
            "kid path": {"kid": "../../../../dev/null"},
            "kid sql": {"kid": "' OR 1=1 --"},
            "kid null byte": {"kid": "rsa\x00"},
            "kid case": {"kid": "RSA"},
            "kid empty": {"kid": ""},
            "kid address": {"kid": far},
        }.items()
    }
    return {
        "signature of another key": issuer.token(key=issuer.other),
        "signature changed": f"{head}.{middle}.{'A' * len(tail)}",
        "signature cut": f"{head}.{middle}.{tail[:-8]}",
        "signature empty": f"{head}.{middle}.",
        "claims changed": f"{head}.{part({**good, 'groups': ['ml-team']})}.{tail}",
        "header changed": f"{part({**whole, 'typ': 'at+jwt'})}.{middle}.{tail}",
        **{f"alg {alg}": raw({"alg": alg}, good) for alg in ("none", "None", "NONE", "nOnE", "none ", "")},
        "alg none with a signature": raw({"alg": "none", "kid": "rsa"}, good, b"x" * 256),
        "alg null": raw({"alg": None}, good, b"x"),
        "alg as a list": raw({"alg": ["RS256"]}, good, b"x"),
        "alg missing": raw({"kid": "rsa"}, good, b"x" * 256),
        "alg lower case": f"{part({'alg': 'rs256', 'kid': 'rsa'})}.{middle}.{tail}",
        "HS256 with the public key (PEM)": hmac_with(public),
        "HS256 with the public key (DER)": hmac_with(der),
        "HS256 with the modulus": hmac_with(modulus),
        "HS256 with nothing": hmac_with(b""),
        "HS512 with the public key": hmac_with(public, "sha512", "HS512"),
        "RS384, which is not on the list": sign(
            {"alg": "RS384", "kid": "rsa"}, json.dumps(good).encode(), issuer.rsa
        ),
        "ES256 named, signed with RSA": f"{part({'alg': 'ES256', 'kid': 'ec'})}.{middle}.{tail}",
        "ES256 with zeros (r = s = 0)": raw({"alg": "ES256", "kid": "ec"}, good, b"\0" * 64),
        "header with jwk": sign(
            {"alg": "ES256", "jwk": own.as_dict(private=False)}, json.dumps(good).encode(), own
        ),
        **{f"header with {name}": value for name, value in named.items()},
        "crit": f"{part({**whole, 'crit': ['exp']})}.{middle}.{tail}",
        "b64": f"{part({**whole, 'b64': False})}.{middle}.{tail}",
        "typ of another purpose": sign({**whole, "typ": "logout+jwt"}, json.dumps(good).encode(), issuer.rsa),
        "header twice": f"{part(twice)}.{middle}.{tail}",
        "header no object": f"{part([1])}.{middle}.{tail}",
        "header no JSON": f"{part(b'{')}.{middle}.{tail}",
        "header deeply nested": f"{part(b'[' * 1500)}.{middle}.{tail}",
        "claims twice": sign(whole, json.dumps(good)[:-1].encode() + b', "groups": ["ml-team"]}', issuer.rsa),
        "claims no object": sign(whole, b'"all"', issuer.rsa),
        "claims not UTF-8": sign(whole, b'{"sub": "\xff"}', issuer.rsa),
        "padding": f"{head}=.{middle}.{tail}",
        "other alphabet": f"{head}.{middle}.+/{tail[2:]}",
        "too long": issuer.token(more="x" * 9_000),
        "four parts": f"{token}.{tail}",
        "encrypted (five parts)": f"{head}.{middle}.{tail}.{middle}.{tail}",
        "no parts": "..",
    }


FORGED = [  # the names of the above, so that each is a test of its own
    "signature of another key",
    "signature changed",
    "signature cut",
    "signature empty",
    "claims changed",
    "header changed",
    "alg none",
    "alg None",
    "alg NONE",
    "alg nOnE",
    "alg none ",
    "alg ",
    "alg none with a signature",
    "alg null",
    "alg as a list",
    "alg missing",
    "alg lower case",
    "HS256 with the public key (PEM)",
    "HS256 with the public key (DER)",
    "HS256 with the modulus",
    "HS256 with nothing",
    "HS512 with the public key",
    "RS384, which is not on the list",
    "ES256 named, signed with RSA",
    "ES256 with zeros (r = s = 0)",
    "header with jwk",
    "header with jku",
    "header with x5u",
    "header with x5c",
    "header with x5t",
    "header with kid of another",
    "header with kid path",
    "header with kid sql",
    "header with kid null byte",
    "header with kid case",
    "header with kid empty",
    "header with kid address",
    "crit",
    "b64",
    "typ of another purpose",
    "header twice",
    "header no object",
    "header no JSON",
    "header deeply nested",
    "claims twice",
    "claims no object",
    "claims not UTF-8",
    "padding",
    "other alphabet",
    "too long",
    "four parts",
    "encrypted (five parts)",
    "no parts",
]


@pytest.fixture(scope="module")
def forgeries(house) -> dict[str, str]:
    made = forged(house.issuer)
    assert set(made) == set(FORGED)
    return made


@pytest.mark.parametrize("name", FORGED)
def test_a_forged_token_is_refused(house, forgeries, name):
    status, body, headers = house.with_token(forgeries[name])
    assert status == 401 and headers["WWW-Authenticate"] == "Bearer"
    assert "\n" not in told(body) and forgeries[name] not in body


def test_what_a_token_names_is_never_fetched(house, forgeries):
    for name in ("header with jku", "header with x5u", "header with kid address"):
        house.with_token(forgeries[name])
    assert not [path for path in house.issuer.asked if "evil" in path]


# ---------------------------------------- signed, and not good
@pytest.mark.parametrize(
    "claims, reason",
    [
        ({"exp": timedelta(seconds=-120)}, "expired"),
        ({"exp": 1}, "expired"),
        ({"exp": "left out"}, "until when"),
        ({"exp": "never"}, "none"),
        ({"exp": "9000000000"}, "none"),
        ({"exp": True}, "none"),
        ({"exp": None}, "none"),
        ({"exp": [9e9]}, "none"),
        ({"exp": 1e300}, "none"),
        ({"exp": -1}, "none"),
        ({"exp": float("inf")}, "no JWT"),
        ({"exp": float("nan")}, "no JWT"),
        ({"nbf": timedelta(seconds=600)}, "not good yet"),
        ({"nbf": "now"}, "none"),
        ({"iat": timedelta(seconds=600)}, "not good yet"),
        ({"iat": {}}, "none"),
        ({"aud": "other"}, "another server"),
        ({"aud": "left out"}, "another server"),
        ({"aud": []}, "another server"),
        ({"aud": {AUDIENCE: True}}, "another server"),
        ({"aud": [[AUDIENCE]]}, "another server"),
        ({"aud": f"{AUDIENCE} "}, "another server"),
        ({"aud": AUDIENCE.upper()}, "another server"),
        ({"aud": f"x {AUDIENCE}"}, "another server"),
        ({"aud": CLIENT}, "another server"),
        ({"iss": "https://evil.example"}, "another issuer"),
        ({"iss": "left out"}, "another issuer"),
        ({"iss": None}, "another issuer"),
        ({"sub": "left out"}, "whose"),
        ({"sub": 17}, "whose"),
        ({"sub": ""}, "whose"),
    ],
    ids=str,
)
def test_a_token_that_is_not_for_here_and_now_is_refused(house, claims, reason):
    status, body, _ = house.with_token(house.issuer.token(**from_now(claims)))
    assert status == 401 and reason in told(body)


@pytest.mark.parametrize("place", ["/", "/ ", "//", "#", "@evil.example"])
def test_an_issuer_that_is_nearly_the_same_is_another(house, place):
    assert house.with_token(house.issuer.token(iss=house.issuer.url + place))[0] == 401


# ---------------------------------------- more roles than one has
@pytest.mark.parametrize(
    "groups",
    [
        "ML-TEAM",
        "ml-team ",
        " ml-team",
        "ml-team\u200b",
        "ｍl-team",
        "ml-team,admin",
        "admin",
        "*",
        "ml‐team",
        ["ML-TEAM"],
        [["ml-team"]],
        [{"ml-team": True}],
        {"ml-team": True},
        {"0": "ml-team"},
        "analysts ml-team",
        "ml-team\x00",
        1,
        None,
        [],
        "",
    ],
    ids=repr,
)
def test_a_claim_that_is_nearly_the_right_one_gives_no_role(house, groups):
    status, body, _ = house.with_token(house.issuer.token(groups=groups))
    assert status == 403 and "no role" in told(body)


@pytest.mark.parametrize(
    "claims",
    [
        {"Groups": ["ml-team"], "groups": []},
        {"roles": ["admin"], "groups": []},
        {"groups": [], "role": "admin"},
        {"groups": [], "realm": [{"roles": "editor"}]},
        {"groups": [], "realm": "roles"},
    ],
)
def test_a_claim_that_nobody_has_mapped_gives_no_role(house, claims):
    assert house.with_token(house.issuer.token(**claims))[0] == 403


@pytest.mark.parametrize(
    "path, groups, expected",
    [
        ("/predict", ["readers"], 403),
        ("/explain", ["readers"], 403),
        ("/feedback", ["analysts"], 403),
        ("/invocations", ["readers"], 403),
        ("/v2/models/parcels/infer", ["readers"], 403),
        ("/explain", ["ml-team"], 200),
    ],
)
def test_a_role_opens_what_it_is_for(house, path, groups, expected):
    assert house.with_token(house.issuer.token(groups=groups), path)[0] == expected


def test_a_claim_inside_of_others_counts_where_it_was_named(house):
    token = house.issuer.token(groups=[], realm={"roles": ["editor"]})
    assert house.with_token(token)[0] == 403 and house.with_token(token, "/feedback", body={})[0] == 501


# ---------------------------------------- where a token or key stands
def test_only_the_right_header_counts(house):
    token, key = house.issuer.token(), house.keys["shop"]
    SENT.extend((token, key))
    wrong = [
        ("Authorization", f"Basic {key}"),
        ("Authorization", key),
        ("Authorization", f"Token {token}"),
        ("Api-Key", key),
        ("X-API-Key", token),
        ("X-Auth-Token", token),
        ("Cookie", f"mlkit-session={token}"),
        ("Proxy-Authorization", f"Bearer {token}"),
        ("X-Api_Key", key),
        ("Authorization", f"Bearer {key} {key}"),
        ("Authorization", "Bearer"),
        ("X-Forwarded-User", "owner"),
        ("X-Remote-User", "owner"),
        ("X-Client-Cert-CN", "owner"),
    ]
    for header in wrong:
        assert house.ask(headers=[header])[0] == 401, header[0]
    assert (
        house.ask(headers=[("x-api-key", key)])[0]
        == house.ask(headers=[("AUTHORIZATION", f"bEARER {key}")])[0]
        == 200
    )


@pytest.mark.parametrize("name", ["access_token", "token", "api_key", "key", "Authorization", "x-api-key"])
def test_nothing_in_the_address_lets_anybody_in(house, name):
    for word in (house.issuer.token(), house.keys["owner"]):
        SENT.append(word)
        assert house.ask(f"/predict?{name}={word}")[0] == 401


def test_a_header_that_comes_twice_is_refused(house):
    key, token = house.keys["shop"], house.issuer.token()
    pairs = [
        [("Authorization", f"Bearer {key}")] * 2,
        [("X-API-Key", key), ("X-API-Key", "mlk_other")],
        [("Authorization", f"Bearer {token}"), ("Authorization", f"Bearer {house.keys['owner']}")],
        [("Cookie", "a=1"), ("Cookie", "b=2"), ("X-API-Key", key)],
        [("X-Subject", "C0000001"), ("X-Subject", "C0000002"), ("X-API-Key", key)],
    ]
    for headers in pairs:
        status, body, _ = house.ask(headers=headers)
        assert status == 400 and "came twice" in told(body)


@pytest.mark.parametrize(
    "head",
    [
        b"Authorization: Bearer mlk_\x00\r\n",
        b"Authorization: Bearer \xff\xfe\r\n",
        b"Authorization: Bearer a\r\n b\r\n",
        b"X-API-Key : x\r\n",
        b"Authorization: Bearer " + b"a" * 1_000_000 + b"\r\n",
        b"Cookie: " + b"a=b;" * 250_000 + b"\r\n",
        b"Authorization:\x0bBearer x\r\n",
    ],
    ids=lambda head: repr(head[:24]),
)
def test_odd_and_huge_headers_let_nobody_in(house, head):
    body = json.dumps(ROW).encode()
    with socket.create_connection(("127.0.0.1", house.port), 30) as connection:
        begin = b"POST /predict HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: %d\r\n"
        try:
            connection.sendall(begin % len(body) + head + b"Connection: close\r\n\r\n" + body)
            answer = connection.recv(100)
        except ConnectionError:
            answer = b"HTTP/1.1 431"
    assert re.match(rb"HTTP/1.1 (400|401|431)", answer)
    assert house.ask("/health/live", "GET")[0] == 200


# ---------------------------------------- keys
def test_a_key_that_is_not_known_is_refused(house):
    key = house.keys["shop"]
    tries = [
        key[:-1],
        key + "a",
        key.upper(),
        key.swapcase(),
        key[:10],
        "mlk_",
        "",
        "null",
        "undefined",
        "*",
        "' OR 1=1 --",
        hashlib.sha256(key.encode()).hexdigest(),
        list_keys(house.folder / "keys.json")[0].sha256,
    ]
    for each in tries:
        assert house.ask(headers=[("X-API-Key", each)])[0] == 401, each


@pytest.mark.parametrize(
    "name, path, expected",
    [
        ("analyst", "/predict", 403),
        ("shop", "/explain", 403),
        ("shop", "/feedback", 403),
        ("prometheus", "/predict", 403),
        ("shop", "/invocations", 200),
        ("analyst", "/v2/models/parcels/infer", 403),
        ("owner", "/explain", 200),
    ],
)
def test_a_key_opens_what_its_roles_say(house, name, path, expected):
    body = {"dataframe_records": [ROW]} if path == "/invocations" else ROW
    status, answer, _ = house.ask(path, headers=[("X-API-Key", house.keys[name])], body=body)
    assert status == expected and (status == 200 or "lacks the role" in told(answer))


def until(house: House, key: str, expected: int) -> str:
    """Servers see a change of the file within a second."""
    SENT.append(key)
    for _ in range(100):
        status, body, _ = house.ask(headers=[("X-API-Key", key)])
        if status == expected:
            return body
        time.sleep(0.05)
    raise AssertionError(f"{status}, not {expected}")


def test_keys_end_when_they_should(house):
    file = house.folder / "keys.json"
    made = {
        name: add_key(file, name, expires=str(date.today() + timedelta(days=30)))
        for name in ("a", "b", "c", "d")
    }
    for key in made.values():
        until(house, key, 200)
    remove_key(file, "a")
    new, last = rotate_key(file, "b"), rotate_key(file, "c", grace=0)
    stored = json.loads(file.read_text())
    next(each for each in stored["keys"] if each["name"] == "d")["expires"] = "2026-01-31T23:59:59+00:00"
    file.write_text(json.dumps(stored))
    until(house, made["a"], 401)
    assert "has expired (2026-01-31)" in told(until(house, made["d"], 401))
    until(house, made["c"], 401)
    until(house, made["b"], 200)  # in its day of grace
    until(house, new, 200)
    until(house, last, 200)


def test_a_key_has_a_rate_of_its_own(house):
    key = add_key(house.folder / "keys.json", "slow", rate=0.1)
    until(house, key, 200)
    assert [house.ask(headers=[("X-API-Key", key)])[0] for _ in range(3)][-1] == 429
    assert house.ask(headers=[("X-API-Key", house.keys["shop"])])[0] == 200


def test_metrics_are_closed_when_that_is_asked_for(house):
    assert house.ask("/metrics", "GET")[0] == 401
    assert house.ask("/metrics", "GET", [("X-API-Key", house.keys["shop"])])[0] == 403
    assert house.ask("/metrics", "GET", [("X-API-Key", house.keys["prometheus"])])[0] == 200
    assert house.ask("/health/live", "GET")[0] == 200


# ---------------------------------------- ways around the address
@pytest.mark.parametrize(
    "path",
    [
        "//predict",
        "/predict/",
        "/predict/..",
        "/./predict",
        "/%70redict",
        "/predict%00",
        "/predict;a=b",
        "/PREDICT",
        "/health/live/../../predict",
        "/predict%2f",
        "/..%2fpredict",
        "/predict.json",
        "/v2/models/parcels/infer/",
        "/login/../predict",
        "/static/../predict",
    ],
)
def test_another_way_to_write_an_address_is_no_way_around(house, path):
    status, body, _ = house.ask(path)
    assert status in (307, 401, 404, 405) and "prediction" not in body


@pytest.mark.parametrize(
    "method, more",
    [
        ("GET", []),
        ("HEAD", []),
        ("OPTIONS", []),
        ("PUT", []),
        ("DELETE", []),
        ("PATCH", []),
        ("TRACE", []),
        ("post", []),
        ("GET", [("X-HTTP-Method-Override", "POST")]),
        ("GET", [("X-Method-Override", "POST")]),
        ("PUT", [("X-HTTP-Method", "POST")]),
        ("GET", [("X-Original-URL", "/predict")]),
        ("GET", [("X-Rewrite-URL", "/predict")]),
    ],
)
def test_another_method_is_no_way_around(house, method, more):
    status, body, headers = house.ask("/predict", method, more)
    assert (
        status in (400, 401, 405)
        and "prediction" not in body
        and "Access-Control-Allow-Origin" not in headers
    )
    assert house.ask("/model", "HEAD", more)[0] == 401


@pytest.mark.parametrize(
    "headers",
    [
        [("Origin", "https://evil.example")],
        [("Origin", "null")],
        [("Origin", "http://127.0.0.1.evil.example")],
        [("Origin", "http://evil.example:80")],
        [("Host", "evil.example"), ("Origin", "http://evil.example.org")],
    ],
    ids=str,
)
def test_a_page_of_another_site_is_refused_even_with_a_key(house, headers):
    assert house.ask(headers=[*headers, ("X-API-Key", house.keys["shop"])])[0] in (403, 421)


# ---------------------------------------- sessions
def session_headers(house: House, cookie: str, **more: str) -> list[tuple[str, str]]:
    return [("Cookie", cookie), ("Origin", f"http://127.0.0.1:{house.port}"), *more.items()]


def test_a_session_lets_in_with_its_roles_and_ends_at_logout(house):
    cookie = house.log_in()
    own = session_headers(house, cookie)
    assert house.ask(headers=own)[0] == 200 and house.ask("/feedback", headers=own)[0] == 403
    status, body, headers = house.ask("/session", "GET", [("Cookie", cookie)])
    assert (
        json.loads(body) == {"signed_in": True, "roles": ["explain", "predict"]}
        and headers["Cache-Control"] == "no-store"
    )
    status, _, headers = house.ask("/logout", headers=own)
    assert status == 200 and "Max-Age=0" in headers["Set-Cookie"]
    assert house.ask(headers=own)[0] == 401  # the cookie that somebody has kept is worth nothing


def test_the_cookie_is_for_the_browser_alone(house):
    begun, back = house.begin()
    _, _, headers = house.ask(back, "GET", [("Cookie", begun)])
    cookie = next(each for each in headers.get_all("Set-Cookie") if each.startswith("mlkit-session"))
    assert (
        "; HttpOnly" in cookie
        and "; SameSite=Lax" in cookie
        and "; Path=/" in cookie
        and "Domain" not in cookie
    )
    assert headers["Location"] == f"http://127.0.0.1:{house.port}/"


@pytest.mark.parametrize(
    "headers",
    [
        [],
        [("Sec-Fetch-Site", "cross-site")],
        [("Sec-Fetch-Site", "same-site")],
        [("Origin", "https://evil.example")],
        [("Origin", "null")],
        [("Referer", "https://evil.example")],
        [("Content-Type", "text/plain")],
    ],
    ids=str,
)
def test_another_site_cannot_use_a_session(house, headers):
    cookie = house.log_in()
    for path in ("/predict", "/logout"):
        assert house.ask(path, headers=[("Cookie", cookie), *headers])[0] == 403
    assert house.ask(headers=session_headers(house, cookie))[0] == 200  # nobody was logged out


def test_a_cookie_is_not_guessed_and_not_fixed_beforehand(house):
    cookie = house.log_in()
    name, word = cookie.split("=", 1)
    for other in (word[:-1], word.swapcase(), "", "x" * 43, f"{word}'--", f"{word}; {name}=other"):
        assert house.ask(headers=session_headers(house, f"{name}={other}"))[0] == 401
    begun, back = house.begin()
    fixed = f"{name}=chosen-by-an-attacker"
    _, _, headers = house.ask(back, "GET", [("Cookie", f"{begun}; {fixed}")])
    assert cookies(headers)[name] != fixed and house.ask(headers=session_headers(house, fixed))[0] == 401
    assert house.ask(headers=session_headers(house, begun.replace("mlkit-login", name)))[0] == 401


# ---------------------------------------- logins
def test_a_login_is_finished_once_and_where_it_was_begun(house):
    begun, back = house.begin()
    other, _ = house.begin()
    assert house.ask(back, "GET")[0] == 401  # in a browser that did not begin it
    assert house.ask(back, "GET", [("Cookie", other)])[0] == 401  # with the cookie of another
    assert house.ask(back, "GET", [("Cookie", begun)])[0] == 303
    assert house.ask(back, "GET", [("Cookie", begun)])[0] == 401  # again
    again, path = house.begin()
    old = re.sub("code=[^&]+", re.search("code=[^&]+", back)[0], path)
    assert house.ask(old, "GET", [("Cookie", again)])[0] == 401  # a code that was used


@pytest.mark.parametrize(
    "change",
    [
        lambda back: re.sub("state=[^&]+", "state=other", back),
        lambda back: re.sub("&?state=[^&]+", "", back),
        lambda back: re.sub("code=[^&]+", "code=", back),
        lambda back: back + "&state=other",
        lambda back: back + "&code=other",
        lambda back: back + "&error=access_denied",
        lambda back: back + "&iss=https://evil.example",
        lambda back: back + "&a=" * 30,
        lambda back: back + "&x=" + "y" * 5_000,
        lambda back: re.sub("code=[^&]+", "code=" + "%00" * 20, back),
    ],
)
def test_a_login_that_comes_back_changed_is_refused(house, change):
    begun, back = house.begin()
    status, body, headers = house.ask(change(back), "GET", [("Cookie", begun)])
    assert status in (400, 401) and "mlkit-session" not in cookies(headers) and "<script" not in body


@pytest.mark.parametrize(
    "claims",
    [
        {"nonce": "other"},
        {"nonce": "left out"},
        {"nonce": None},
        {"aud": AUDIENCE},
        {"iss": "https://evil.example"},
        {"exp": 1},
        {"azp": "another-program"},
    ],
    ids=str,
)
def test_a_token_that_is_not_of_this_login_opens_no_session(house, claims):
    house.issuer.claims = claims
    begun, back = house.begin()
    status, _, headers = house.ask(back, "GET", [("Cookie", begun)])
    assert status == 401 and "mlkit-session" not in cookies(headers)


def test_a_login_without_a_role_opens_no_session(house):
    house.issuer.claims = {"groups": ["guests"]}
    begun, back = house.begin()
    status, body, headers = house.ask(back, "GET", [("Cookie", begun)])
    assert status == 403 and "no role" in body and "mlkit-session" not in cookies(headers)


@pytest.mark.parametrize(
    "words",
    [
        "next=https://evil.example",
        "redirect_uri=https://evil.example",
        "return_to=//evil.example",
        "state=known",
        "client_id=other",
    ],
)
def test_no_request_says_where_a_login_leads(house, words):
    _, _, headers = house.ask(
        f"/login?{words}", "GET", [("Host", "127.0.0.1"), ("X-Forwarded-Host", "evil.example")]
    )
    assert "evil.example" not in headers["Location"] and "known" not in headers["Location"]
    assert headers["Location"].startswith(f"{house.issuer.url}/authorize?")


# ---------------------------------------- the issuer
def test_made_up_keys_do_not_make_the_server_a_hammer_and_new_ones_come(house):
    before = house.issuer.asked.count("/jwks")
    for number in range(30):
        house.with_token(house.issuer.token({"kid": f"made-up-{number}"}, house.issuer.other))
    assert house.issuer.asked.count("/jwks") - before <= 3


# ---------------------------------------- at the end
def test_refusals_are_counted_and_recorded_and_no_secret_is_anywhere(house):
    _, metrics, _ = house.ask("/metrics", "GET", [("X-API-Key", house.keys["owner"])])
    reasons = set(re.findall(r'mlkit_refused_logins_total\{reason="(\w+)"\}', metrics))
    assert {
        "signature",
        "algorithm",
        "format",
        "issuer",
        "audience",
        "expired",
        "early",
        "claims",
        "key",
        "role",
        "csrf",
        "state",
        "nonce",
        "code",
        "denied",
    } <= reasons
    assert {"expired", "role", "unknown", "missing"} <= set(
        re.findall(r'mlkit_refused_keys_total\{reason="(\w+)"\}', metrics)
    )
    entries = [json.loads(line) for line in (house.folder / "audit.jsonl").read_text().splitlines()]
    assert entries and {each["what"] for each in entries} == {"login refused"}
    assert len(entries) < 25 and {"reason", "issuer", "untold before"} == {*entries[0]["about"]}
    written = house.server.output + metrics + (house.folder / "audit.jsonl").read_text()
    assert "key=login:" in written and "u-17" not in written
    words = {word for sent in SENT for word in sent.split(".") if len(word) > 20}
    assert len(words) > 100 and not [word for word in words if word in written]
