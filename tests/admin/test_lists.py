"""Lists: scoped, narrowed to the client, paged by key, counted cheaply."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.admin.options import IncorrectLookupParameters
from django.contrib.contenttypes.models import ContentType
from django.db import connection, models
from django.test import Client as Browser
from django.test import RequestFactory
from django.test.utils import CaptureQueriesContext

from access.admin import paging
from access.admin.mixins import ReadOnlyAdmin
from access.admin.paging import EstimatedPaginator
from access.admin.site import site
from access.models import Client
from tests.factories import World


class KeysetAdmin(ReadOnlyAdmin):
    client_field = None
    keyset_field = "id"
    list_per_page = 4
    list_display = ["id", "model"]
    list_filter = ["app_label"]


class ByClientAdmin(ReadOnlyAdmin):
    client_field = "id"
    list_display = ["id", "created_at"]


def request_of(world: World, username: str, query: str = "", **session: str) -> Any:
    request = RequestFactory().get(f"/admin/{query}")
    request.user = world.user(username)
    request.session = session
    return request


def rows(world: World, query: str) -> tuple[list[int], Any]:
    admin = KeysetAdmin(ContentType, site)
    change_list = admin.get_changelist_instance(request_of(world, "alice", query))
    return [row.pk for row in change_list.result_list], change_list


def test_pages_by_key_show_every_row_once_newest_first(world: World) -> None:
    seen, query, pages = [], "", []
    while query is not None:
        page, change_list = rows(world, query)
        pages.append(page)
        seen += page
        query = change_list.older_url
    assert seen == sorted(ContentType.objects.values_list("pk", flat=True), reverse=True)
    assert len(pages) > 2
    newer, change_list = rows(world, change_list.newer_url)
    assert newer == pages[-2]
    assert rows(world, change_list.older_url)[0] == pages[-1]


def test_the_first_page_has_nothing_newer(world: World) -> None:
    assert rows(world, "")[1].newer_url is None


def test_a_filter_starts_from_the_first_page_again(world: World) -> None:
    _, change_list = rows(world, rows(world, "")[1].older_url)
    assert "before" not in change_list.get_query_string({"app_label": "access"})


@pytest.mark.parametrize(
    "query", ["?before=x", "?after=", "?before=1%00", "?app_label=%00", "?no_such_field=1"]
)
def test_what_names_no_page_is_refused(world: World, query: str) -> None:
    with pytest.raises(IncorrectLookupParameters):
        admin = KeysetAdmin(ContentType, site)
        if not admin.lookup_allowed(query[1:].split("=")[0], "1"):
            raise IncorrectLookupParameters
        rows(world, query)


def test_columns_that_no_filter_offers_can_not_be_guessed_at(world: World) -> None:
    admin = KeysetAdmin(ContentType, site)
    assert admin.lookup_allowed("app_label", "access")
    assert not admin.lookup_allowed("model", "user")
    assert not admin.lookup_allowed("permission__codename", "add_user")


def test_a_number_beyond_the_column_ends_the_list(world: World) -> None:
    assert len(rows(world, f"?before={10**30}")[0]) == 4
    assert rows(world, f"?after={10**30}")[0] == []


def test_a_page_costs_no_full_count(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(paging, "COUNT_LIMIT", 5)
    with CaptureQueriesContext(
        connection,
    ) as captured:
        rows(world, "?app_label=access")
    counting = [q["sql"] for q in captured if "COUNT(" in q["sql"].upper()]
    assert counting
    assert all("LIMIT" in sql for sql in counting)


def test_counts_are_exact_up_to_the_limit(world: World) -> None:
    paginator = EstimatedPaginator(ContentType.objects.order_by("pk"), 4)
    assert paginator.count == ContentType.objects.count()
    assert paginator.count_words == str(ContentType.objects.count())
    assert not paginator.is_cut


def test_a_filtered_count_beyond_the_limit_is_cut(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(paging, "COUNT_LIMIT", 5)
    paginator = EstimatedPaginator(ContentType.objects.filter(pk__gt=0).order_by("pk"), 4)
    assert paginator.count == 6
    assert paginator.count_words == "more than 5"
    assert paginator.num_pages == 2
    assert paginator.is_cut


class Catalogue(models.Model):
    """A table that PostgreSQL has analysed in every fresh database."""

    oid = models.IntegerField(primary_key=True)

    class Meta:
        app_label = "access"
        db_table = "pg_proc"
        managed = False

    def __str__(self) -> str:
        return str(self.oid)


def test_an_unfiltered_count_beyond_the_limit_is_the_planners_estimate(world: World) -> None:
    paginator = EstimatedPaginator(Catalogue.objects.order_by("pk"), 50)
    exact = Catalogue.objects.count()
    assert exact > 2_000
    assert abs(paginator.count - exact) < exact / 4
    assert paginator.count_words.startswith("about ")
    assert paginator.num_pages == 20


@pytest.mark.parametrize(
    ("username", "expected"),
    [
        ("alice", ["clinic-001", "clinic-002"]),
        ("audrey", ["clinic-001"]),
        ("ben", ["clinic-002"]),
        ("root", []),
        ("nobody", []),
    ],
)
def test_a_list_holds_what_the_grants_cover(
    world: World, username: str, expected: list[str]
) -> None:
    admin = ByClientAdmin(Client, site)
    request = request_of(world, username)
    assert sorted(admin.get_queryset(request).values_list("pk", flat=True)) == expected
    assert admin.has_view_permission(request) == bool(expected)
    assert [admin.has_view_permission(request, world.client(c)) for c in expected] == [
        True for _ in expected
    ]
    assert not admin.has_add_permission(request)
    assert not admin.has_change_permission(request)
    assert not admin.has_delete_permission(request)


class OwnAdmin(ByClientAdmin):
    def own_rows(self, request: Any) -> models.Q:
        return models.Q(name__startswith="Clinic")


def test_a_role_that_sees_only_its_own_sees_that(world: World) -> None:
    request = request_of(world, "omar")
    assert not ByClientAdmin(Client, site).get_queryset(request).exists()
    own = OwnAdmin(Client, site)
    assert [client.pk for client in own.get_queryset(request)] == ["clinic-001"]
    assert own.is_own(request, world.client())
    assert not ByClientAdmin(Client, site).is_own(request, world.client())


def test_a_platform_record_needs_a_grant_for_all_clients(world: World) -> None:
    admin = KeysetAdmin(ContentType, site)
    assert admin.has_view_permission(request_of(world, "olivia"))
    assert not admin.has_view_permission(request_of(world, "audrey"))
    assert not admin.get_queryset(request_of(world, "audrey")).exists()


@pytest.mark.parametrize(
    ("username", "chosen", "expected"),
    [
        ("alice", "clinic-002", ["clinic-002"]),
        ("alice", "", ["clinic-001", "clinic-002"]),
        # What is in the session never widens what the grants cover.
        ("audrey", "clinic-002", ["clinic-001"]),
    ],
)
def test_a_list_is_narrowed_to_the_chosen_client(
    world: World, username: str, chosen: str, expected: list[str]
) -> None:
    admin = ByClientAdmin(Client, site)
    request = request_of(world, username, strongroom_client=chosen)
    change_list = admin.get_changelist_instance(request)
    assert sorted(row.pk for row in change_list.result_list) == expected


def test_times_are_shown_as_everywhere_else(world: World) -> None:
    admin = ByClientAdmin(Client, site)
    column = admin.get_list_display(request_of(world, "alice"))[1]
    shown = column(world.client())
    assert shown.startswith("<time datetime=")
    assert "UTC" in shown


def test_every_offered_list_answers_with_its_sentence_or_rows(world: World) -> None:
    browser = Browser()
    browser.force_login(world.user("alice"))
    for model, admin in site._registry.items():
        name = f"/admin/{model._meta.app_label}/{model._meta.model_name}/"
        response = browser.get(name)
        assert response.status_code == 200, name
        assert admin.empty_sentence or "<table" in response.content.decode(), name
