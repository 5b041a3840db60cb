"""An OpenID Connect issuer on loopback, over real HTTP, that signs whatever a test asks for."""

import base64
import hashlib
import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

from joserfc import jws
from joserfc.jwk import ECKey, OKPKey, RSAKey

AUDIENCE, CLIENT = "churn", "page"


class Issuer:
    """Its keys, what it was asked, and what it lets a browser have."""

    def __init__(self) -> None:
        self.rsa = RSAKey.generate_key(2048, {"kid": "rsa"})
        self.ec = ECKey.generate_key("P-256", {"kid": "ec"})
        self.okp = OKPKey.generate_key("Ed25519", {"kid": "okp"})
        self.other = RSAKey.generate_key(2048, {"kid": "rsa"})  # somebody else's, with the same name
        self.asked: list[str] = []
        self.codes: dict[str, dict[str, str]] = {}  # code -> what the browser was sent with
        self.claims: dict[str, Any] = {}  # of the next tokens for browsers
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), self.handler())
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def jwks(self) -> list[dict]:
        return [key.as_dict(private=False) for key in (self.rsa, self.ec, self.okp)]

    def document(self) -> dict[str, str]:
        places = {"jwks_uri": "jwks", "authorization_endpoint": "authorize", "token_endpoint": "token"}
        return {"issuer": self.url, **{name: f"{self.url}/{place}" for name, place in places.items()}}

    def good(self, **more: Any) -> dict[str, Any]:
        now = int(time.time())
        claims = {
            "iss": self.url,
            "aud": AUDIENCE,
            "sub": "u-17",
            "iat": now,
            "exp": now + 600,
            "groups": ["analysts"],
        }
        return {name: value for name, value in {**claims, **more}.items() if value != "left out"}

    def token(self, header: dict | None = None, key: Any = None, **claims: Any) -> str:
        header = {"alg": "RS256", "kid": "rsa", **(header or {})}
        words = json.dumps(self.good(**claims)).encode()
        return sign(header, words, key or self.rsa)

    def handler(self) -> type[BaseHTTPRequestHandler]:
        issuer = self

        class Handler(BaseHTTPRequestHandler):
            def log_message(self, *words: Any) -> None:
                pass

            def answer(self, value: Any, status: int = 200) -> None:
                body = json.dumps(value).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def do_GET(self) -> None:
                path = urlsplit(self.path).path
                issuer.asked.append(path)
                if path == "/jwks":
                    self.answer({"keys": issuer.jwks()})
                elif path.endswith("openid-configuration"):
                    self.answer(issuer.document())
                else:
                    self.answer({}, 404)

            def do_POST(self) -> None:
                issuer.asked.append(self.path)
                form = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
                sent = issuer.codes.pop(form.get("code", [""])[0], None)
                verifier = form.get("code_verifier", [""])[0].encode()
                challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier).digest()).rstrip(b"=").decode()
                if (
                    not sent
                    or sent["code_challenge"] != challenge
                    or sent["redirect_uri"] != form["redirect_uri"][0]
                ):
                    self.answer({"error": "invalid_grant"}, 400)
                    return
                claims = {"aud": CLIENT, "nonce": sent["nonce"], **issuer.claims}
                self.answer({"id_token": issuer.token(**claims), "access_token": "x", "token_type": "Bearer"})

        return Handler

    def let_in(self, place: str) -> str:
        """What a person does who logs in at the address that the browser was sent to: where it then comes back to."""
        sent = {name: values[0] for name, values in parse_qs(urlsplit(place).query).items()}
        assert place.startswith(f"{self.url}/authorize?") and sent["code_challenge_method"] == "S256"
        assert (
            sent["response_type"] == "code"
            and sent["client_id"] == CLIENT
            and "openid" in sent["scope"].split()
        )
        code = f"code-{len(self.codes)}-{time.monotonic_ns()}"
        self.codes[code] = sent
        return f"{sent['redirect_uri']}?{urlencode({'code': code, 'state': sent['state']})}"

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()


def sign(header: dict, words: bytes, key: Any) -> str:
    return jws.serialize_compact(header, words, key, algorithms=[header["alg"]])


def part(value: Any) -> str:
    """A part of a token, as text."""
    text = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(text).rstrip(b"=").decode()


def raw(header: Any, claims: Any, signature: bytes = b"") -> str:
    """A token whose signature is what one likes."""
    return f"{part(header)}.{part(claims)}.{part(signature) if signature else ''}"
