"""API keys of service accounts."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from access import apikeys
from access.models import ApiKey, User
from tests.factories import World


@pytest.fixture
def made(world: World) -> tuple[ApiKey, str]:
    return apikeys.create(user=world.user("svc-clinic-001"), label="feed", created_by=None)


def test_key_opens_its_account(world: World, made: tuple[ApiKey, str]) -> None:
    assert apikeys.account_of(made[1]) == world.user("svc-clinic-001")


def test_only_a_hash_is_kept(made: tuple[ApiKey, str]) -> None:
    key, raw = made
    secret = raw.rpartition("_")[2]
    row = ApiKey.objects.filter(pk=key.pk).values().get()
    assert not any(secret in str(value) for value in row.values())
    assert raw.startswith(f"srk_{key.prefix}_")
    assert len(secret) == 43


def test_keys_differ(world: World, made: tuple[ApiKey, str]) -> None:
    other = apikeys.create(user=world.user("svc-clinic-001"), label="feed", created_by=None)[1]
    assert other != made[1]


def test_every_character_counts(made: tuple[ApiKey, str]) -> None:
    raw = made[1]
    for place in range(len(raw)):
        other = "a" if raw[place] != "a" else "b"
        assert apikeys.account_of(raw[:place] + other + raw[place + 1 :]) is None


@pytest.mark.parametrize("change", ["{} ", " {}", "{}a", "{}\n", "{}\x00", "{}é"])
def test_nothing_beside_it(made: tuple[ApiKey, str], change: str) -> None:
    assert apikeys.account_of(change.format(made[1])) is None


@pytest.mark.parametrize("raw", ["", "srk_", "srk__", "srk_a_b", "srk_\x00_", "srk_" + "a" * 9000])
def test_rubbish(world: World, raw: str) -> None:
    assert apikeys.account_of(raw) is None


def test_secret_of_another_key(world: World, made: tuple[ApiKey, str]) -> None:
    other = apikeys.create(user=world.user("svc-clinic-002"), label="feed", created_by=None)[1]
    mixed = made[1].rpartition("_")[0] + "_" + other.rpartition("_")[2]
    assert apikeys.account_of(mixed) is None


def test_revoked(made: tuple[ApiKey, str]) -> None:
    ApiKey.objects.filter(pk=made[0].pk).update(revoked_at=timezone.now())
    assert apikeys.account_of(made[1]) is None


def test_closed_account(made: tuple[ApiKey, str]) -> None:
    User.objects.filter(username="svc-clinic-001").update(is_active=False)
    assert apikeys.account_of(made[1]) is None


def test_never_opens_a_persons_account(world: World) -> None:
    raw = apikeys.create(user=world.user("alice"), label="feed", created_by=None)[1]
    assert apikeys.account_of(raw) is None


def test_use_is_noted_roughly(made: tuple[ApiKey, str]) -> None:
    key, raw = made
    assert key.last_used_at is None
    apikeys.account_of(raw)
    key.refresh_from_db()
    first = key.last_used_at
    assert first is not None
    apikeys.account_of(raw)
    key.refresh_from_db()
    assert key.last_used_at == first
    ApiKey.objects.filter(pk=key.pk).update(last_used_at=first - timedelta(hours=1))
    apikeys.account_of(raw)
    key.refresh_from_db()
    assert key.last_used_at is not None
    assert key.last_used_at >= first


def test_refused_use_is_not_noted(made: tuple[ApiKey, str]) -> None:
    key, raw = made
    apikeys.account_of(raw[:-1] + ("a" if raw[-1] != "a" else "b"))
    key.refresh_from_db()
    assert key.last_used_at is None
