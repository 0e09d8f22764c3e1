# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A bucket as this collection uses it: boto3's calls, with what S3 refuses in sentences.

An object is never deleted, and never written without the SHA-256 that the server must find. A key that may only write
can hide an object behind a delete marker, or cover it with a new version: all versions of an object are looked at.
"""

from __future__ import annotations

import base64
import collections.abc as c
import contextlib
import dataclasses
import datetime
import email.utils
import functools
import typing as t
import uuid

from .._errors import AccessManagerError, MissingLibraryError
from .._text import printable

try:
    import boto3
    from botocore.config import Config
    from botocore.exceptions import (
        BotoCoreError,
        ClientError,
        CredentialRetrievalError,
        InvalidRegionError,
        NoCredentialsError,
        ParamValidationError,
        PartialCredentialsError,
        ProfileNotFound,
        SSOError,
        TokenRetrievalError,
    )
    from botocore.parsers import ResponseParserError
except ImportError:
    boto3 = None

MOST_OBJECTS = 1_000_000
"""How many versions of objects of one host are looked at."""

_CONNECT_TIMEOUT, _READ_TIMEOUT, _ATTEMPTS = 10, 60, 3
_GONE = frozenset({"404", "NoSuchKey", "NoSuchVersion", "NotFound"})
_DENIED = frozenset({"403", "AccessDenied", "AllAccessDisabled"})
_TAKEN = frozenset({"412", "PreconditionFailed", "409", "ConditionalRequestConflict"})

_OF_ALL = frozenset(
    {
        "NoSuchBucket",
        "InvalidAccessKeyId",
        "SignatureDoesNotMatch",
        "ExpiredToken",
        "ExpiredTokenException",
        "TokenRefreshRequired",
        "RequestTimeTooSkewed",
        "SlowDown",
    }
)
"""What a server refuses whatever the object is, as it does with a status of _SERVER_FAILS or more."""

_SERVER_FAILS = 500

_REASONS = {
    **dict.fromkeys(
        ("NoSuchBucket", "404", "NotFound"), "there is no such bucket: create it with object lock, or correct its name"
    ),
    **dict.fromkeys(_DENIED, "the key of these credentials may not do this: see the rights in docs/copies.md"),
    "InvalidAccessKeyId": "the server does not know the access key: correct it",
    "SignatureDoesNotMatch": "the secret key does not fit the access key: correct it",
    **dict.fromkeys(
        ("ExpiredToken", "ExpiredTokenException", "TokenRefreshRequired"), "the credentials have expired: renew them"
    ),
    "RequestTimeTooSkewed": "the clocks of this controller and of the server differ: correct the clock (timedatectl)",
    **dict.fromkeys(
        ("301", "PermanentRedirect", "AuthorizationHeaderMalformed", "IllegalLocationConstraintException"),
        "the bucket lies in another region: correct region",
    ),
    **dict.fromkeys(
        ("BadDigest", "InvalidDigest", "XAmzContentChecksumMismatch", "XAmzContentSHA256Mismatch"),
        "what arrived is not what the manifest says: the file was damaged on the controller or on the way",
    ),
    "EntityTooLarge": "the file is larger than the server takes in one request",
    "InvalidRequest": "the bucket does not take this request; a bucket for copies needs object lock",
}
"""Why S3 refuses, by the code of its answer."""


class RefusedError(AccessManagerError):
    """The server answered, and refused: for one object, that says nothing of the others."""


class ObjectTakenError(RefusedError):
    """An object of that name is there already."""


class DeniedError(RefusedError):
    """The credentials do not allow what was asked."""


class NoObjectError(RefusedError):
    """There is no such object, or no such version of it."""


@dataclasses.dataclass(frozen=True)
class Version:
    """A version of an object. C(size): in bytes. C(latest): whether it is what a reader gets who names no version."""

    key: str
    id: str
    size: int
    latest: bool
    written: datetime.datetime


@dataclasses.dataclass(frozen=True)
class Lock:
    """The default retention of a bucket. C(mode): COMPLIANCE, GOVERNANCE, or empty where there is none."""

    mode: str = ""
    days: int = 0


@dataclasses.dataclass(frozen=True)
class Bucket:
    """A bucket of S3. C(endpoint): the URL of a server that is not Amazon's. C(owner): the account that must own it.

    Credentials that are not given are those that boto3 finds: the environment, a profile, or the machine's role.
    """

    name: str
    endpoint: str | None = None
    region: str | None = None
    profile: str | None = None
    access_key: str | None = None
    secret_key: str | None = None
    session_token: str | None = None
    ca_file: str | None = None
    owner: str | None = None

    @classmethod
    def of(cls, options: c.Mapping[str, t.Any]) -> Bucket:
        """The bucket that the options of a destination, or of a source, name."""
        names = {field.name for field in dataclasses.fields(cls)} - {"name"}
        return cls(options["bucket"], **{name: options.get(name) for name in names})

    def lock(self) -> Lock | None:
        """The retention that the bucket gives to each object; None when it has no object lock.

        Raises DeniedError when the key may not ask.
        """
        try:
            answer = self._call("get_object_lock_configuration")
        except NoObjectError:
            return None
        configuration = answer.get("ObjectLockConfiguration", {})
        if configuration.get("ObjectLockEnabled") != "Enabled":
            return None
        rule = configuration.get("Rule", {}).get("DefaultRetention", {})
        with self._sentences("get_object_lock_configuration", ""):
            return Lock(str(rule.get("Mode", "")), int(rule.get("Days", 0)) + 365 * int(rule.get("Years", 0)))

    def skew(self) -> datetime.timedelta:
        """How far this controller's clock is ahead of the server's, as any answer of it says, a refusal too."""
        client = self._client
        with self._sentences("head_bucket", ""):
            try:
                answer = client.head_bucket(Bucket=self.name)
            except ClientError as exc:
                answer = exc.response
            there = email.utils.parsedate_to_datetime(answer["ResponseMetadata"]["HTTPHeaders"]["date"])
            return datetime.datetime.now(datetime.UTC) - there

    def may_delete(self, prefix: str) -> bool | None:
        """Whether the key could delete what is not locked: asked with a version that does not exist, so nothing is
        deleted. None when the server does not say.
        """
        try:
            self._call("delete_object", Key=f"{prefix}{uuid.uuid4()}", VersionId="null")
        except DeniedError:
            return False
        except NoObjectError:
            return True
        except AccessManagerError:
            return None
        return True

    def put(
        self,
        key: str,
        body: t.BinaryIO,
        size: int,
        sha256: str,
        *,
        replace: bool = False,
        until: datetime.datetime | None = None,
    ) -> None:
        """Writes an object of these bytes, in one request that the server takes whole or not at all.

        C(replace): as a new version of one that is there; else ObjectTakenError is raised. C(until): locked until then.
        """
        options: dict[str, t.Any] = {} if replace else {"IfNoneMatch": "*"}
        if until:
            options |= {"ObjectLockMode": "COMPLIANCE", "ObjectLockRetainUntilDate": until}
        checksum = base64.b64encode(bytes.fromhex(sha256)).decode()
        self._call("put_object", Key=key, Body=body, ContentLength=size, ChecksumSHA256=checksum, **options)

    def versions(self, prefix: str) -> c.Iterator[Version]:
        """All versions of the objects whose keys begin so, without delete markers, as the server lists them."""
        markers: dict[str, str] = {}
        for _page in range(MOST_OBJECTS // 1000):
            page = self._call("list_object_versions", Prefix=prefix, **markers)
            with self._sentences("list_object_versions", prefix):
                found = [_version(entry) for entry in page.get("Versions", [])]
                more = page.get("IsTruncated")
                markers = (
                    {"KeyMarker": page["NextKeyMarker"], "VersionIdMarker": page["NextVersionIdMarker"]} if more else {}
                )
            yield from (version for version in found if version.key.startswith(prefix))
            if not more:
                return
        raise AccessManagerError(
            f"The bucket '{self.name}' has more than {MOST_OBJECTS} versions of objects below '{prefix}'."
        )

    def first_key(self, prefix: str) -> str | None:
        """The first key that begins so; None when there is none."""
        return next((version.key for version in self.versions(prefix)), None)

    def sha256(self, version: Version) -> str | None:
        """What the server says that a version's SHA-256 is, in hexadecimal digits; None when it has none."""
        answer = self._call("head_object", Key=version.key, VersionId=version.id, ChecksumMode="ENABLED")
        encoded = answer.get("ChecksumSHA256")
        with contextlib.suppress(ValueError):
            return base64.b64decode(encoded, validate=True).hex() if encoded else None
        return None

    def read(self, version: Version, target: t.BinaryIO) -> None:
        """Writes the bytes of a version into a file, no more than it is listed with."""
        left = version.size
        with self._sentences("get_object", version.key):
            body = self._call("get_object", Key=version.key, VersionId=version.id)["Body"]
            with contextlib.closing(body):
                while left and (chunk := body.read(min(left, 1024 * 1024))):
                    target.write(chunk)
                    left -= len(chunk)
        if left:
            raise AccessManagerError(
                f"'{version.key}' ended {left} bytes early: the connection to the bucket was lost."
            )

    # ---- calls ----

    @functools.cached_property
    def _client(self) -> t.Any:
        if boto3 is None:
            raise MissingLibraryError("boto3")
        config = Config(
            signature_version="s3v4",
            connect_timeout=_CONNECT_TIMEOUT,
            read_timeout=_READ_TIMEOUT,
            retries={"mode": "standard", "max_attempts": _ATTEMPTS},
            s3={"addressing_style": "path" if self.endpoint else "auto"},
        )
        with self._sentences("connect", ""):
            session = boto3.session.Session(
                aws_access_key_id=self.access_key,
                aws_secret_access_key=self.secret_key,
                aws_session_token=self.session_token,
                region_name=self.region,
                profile_name=self.profile,
            )
            return session.client("s3", endpoint_url=self.endpoint, verify=self.ca_file, config=config)

    def _call(self, operation: str, **arguments: t.Any) -> dict[str, t.Any]:
        owner = {"ExpectedBucketOwner": self.owner} if self.owner else {}
        client = self._client
        with self._sentences(operation, str(arguments.get("Key", ""))):
            answer: dict[str, t.Any] = getattr(client, operation)(Bucket=self.name, **arguments, **owner)
        return answer

    @contextlib.contextmanager
    def _sentences(self, operation: str, key: str) -> c.Iterator[None]:
        try:
            yield
        except ClientError as exc:
            raise self._error(str(exc.response.get("Error", {}).get("Code", "")), operation, key, exc) from None
        except (CredentialRetrievalError, SSOError, TokenRetrievalError) as exc:
            raise AccessManagerError(
                f"The credentials for the bucket '{self.name}' cannot be fetched, or have expired: {exc}. Renew them."
            ) from None
        except (ParamValidationError, InvalidRegionError) as exc:
            raise AccessManagerError(
                f"The bucket '{printable(self.name)}' cannot be asked ({operation}): correct bucket, prefix or region. "
                f"{exc!s:.200}"
            ) from None
        except (NoCredentialsError, PartialCredentialsError, ProfileNotFound) as exc:
            raise AccessManagerError(
                f"There are no credentials for the bucket '{self.name}': {exc}. Give access_key and secret_key, a "
                "profile, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY in the environment."
            ) from None
        except RecursionError:  # boto3 asks again where a bucket lies for as long as the server redirects it
            raise AccessManagerError(
                f"The bucket '{self.name}' lies in another region, which the server does not name: correct region."
            ) from None
        except (ResponseParserError, KeyError, TypeError, ValueError) as exc:
            raise AccessManagerError(
                f"What answers for the bucket '{self.name}' ({self.endpoint or 'Amazon S3'}) is no S3 ({operation}: "
                f"{exc!r:.200}): correct endpoint."
            ) from None
        except BotoCoreError as exc:
            raise AccessManagerError(
                f"The server of the bucket '{self.name}' ({self.endpoint or 'Amazon S3'}) does not answer: {exc}. Try "
                "again later, or correct endpoint."
            ) from None

    def _error(self, code: str, operation: str, key: str, exc: ClientError) -> AccessManagerError:
        what = f"'{printable(key)}' in the bucket '{self.name}'" if key else f"The bucket '{self.name}'"
        sentence = f"{what} cannot be used ({operation}): {_REASONS.get(code, exc)}."
        if code in _TAKEN:
            return ObjectTakenError(sentence)
        if code in _DENIED:
            return DeniedError(sentence)
        if code in _OF_ALL or _status_of(exc) >= _SERVER_FAILS:
            return AccessManagerError(sentence)
        if code == "ObjectLockConfigurationNotFoundError" or (key and code in _GONE):
            return NoObjectError(sentence)
        return RefusedError(sentence)


def _status_of(exc: ClientError) -> int:
    """The HTTP status of an answer; 0 when it has none."""
    status = exc.response.get("ResponseMetadata", {}).get("HTTPStatusCode")
    return status if isinstance(status, int) else 0


def _version(entry: c.Mapping[str, t.Any]) -> Version:
    """A version as a listing has it. Raises KeyError, TypeError or ValueError when something is missing or wrong."""
    size = int(entry["Size"])
    if size < 0:
        raise ValueError("a negative size")
    written: datetime.datetime = entry["LastModified"]
    return Version(str(entry["Key"]), str(entry["VersionId"]), size, bool(entry["IsLatest"]), written)
