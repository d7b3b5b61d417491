"""What the service answers where it refuses, and the JSON of what it is sent.

{"statusCode": 400, "error": "Bad Request", "message": "...", "validation": {"keys": [...]}}
"""

from __future__ import annotations

import json
from http import HTTPStatus
from typing import Any, NoReturn

_TITLES = {401: "Unauthorized Error", 404: "Not Found Error"}
_NOT_FOUND = "Resource not found. See https://docs.ionq.com/ for details."


class Refusal(Exception):
    """A request that is answered by an error.

    Attributes:
        status: The status of HTTP.
        message: What is wrong, for people.
        keys: The names of the fields that are wrong.
        headers: Further headers of the answer.
    """

    def __init__(
        self,
        status: int,
        message: str,
        keys: tuple[str, ...] = (),
        headers: dict[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status, self.message, self.keys = status, message, keys
        self.headers = headers or {}

    def body(self) -> dict[str, Any]:
        """The answer, as the service writes it."""
        title = _TITLES.get(self.status) or HTTPStatus(self.status).phrase
        body: dict[str, Any] = {"statusCode": self.status, "error": title, "message": self.message}
        if self.keys:
            body["validation"] = {"source": "payload", "keys": list(self.keys)}
        return body


def bad_request(message: str, *keys: str) -> NoReturn:
    """Refuses a request that is malformed."""
    raise Refusal(400, message, keys)


def not_found(message: str = _NOT_FOUND) -> NoReturn:
    """Refuses a request for what is not there, or belongs to others."""
    raise Refusal(404, message)


def unauthorized() -> NoReturn:
    """Refuses a request without a good key."""
    raise Refusal(
        401, "Invalid key provided. See https://docs.ionq.com/#authentication for details."
    )


def read_object(body: bytes, *, empty: bool = False) -> dict[str, Any]:
    """Reads the JSON object that a request holds.

    Args:
        body: The bytes.
        empty: Whether nothing is as good as an empty object.

    Raises:
        Refusal: It is none; numbers of many digits and NaN are none either.
    """
    if empty and not body.strip():
        return {}
    try:
        # Python itself refuses integers of thousands of digits.
        data = json.loads(body, parse_constant=_no_constant)
    except RecursionError:
        bad_request("Invalid request payload JSON format: nested too deeply")
    except ValueError:  # bytes that are no Unicode raise one too
        bad_request("Invalid request payload JSON format")
    if not isinstance(data, dict):
        bad_request("Invalid request payload: a JSON object is expected")
    return data


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a number of JSON")
