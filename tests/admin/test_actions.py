"""Acts from an object's page: who may, what GET and POST do, and how a refusal looks."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib.messages import get_messages
from django.test import Client as Browser

from sealing import errors
from tests.admin import sample_urls
from tests.factories import World

pytestmark = pytest.mark.urls("tests.admin.sample_urls")

PAGE = "/admin/access/client/clinic-001/change/"
ACT = "/admin/access/client/clinic-001/seal-up/"
GIVEN = {"note": "read it", "password": "a secret of mine"}


@pytest.fixture(autouse=True)
def sample() -> Iterator[None]:
    for state in (sample_urls.calls, sample_urls.answer, sample_urls.hindrances):
        state.clear()
    yield


def browser(world: World, username: str, **options: Any) -> Browser:
    client = Browser(**options)
    client.force_login(world.user(username))
    return client


def test_get_tells_what_will_happen_and_does_nothing(world: World) -> None:
    response = browser(world, "olivia").get(ACT)
    page = response.content.decode()
    assert response.status_code == 200
    assert '<button type="submit" class="button primary">Seal up clinic-001</button>' in page
    assert "The client is sealed up." in page
    assert "It stays so." in page
    assert "ab" * 32 in page
    assert "no-store" in response["Cache-Control"]
    assert sample_urls.calls == []


def test_post_does_it_once_says_so_and_goes_back_to_the_object(world: World) -> None:
    response = browser(world, "olivia").post(ACT, GIVEN)
    assert response.status_code == 302
    assert response["Location"] == PAGE
    said = [str(message) for message in get_messages(response.wsgi_request)]
    assert said == ["Sealed up by Olivia Officer."]
    (call,) = sample_urls.calls
    assert call["user"] == "olivia"
    assert call["obj"].pk == "clinic-001"
    assert call["note"] == "read it"
    assert call["password"] == "a secret of mine"


def test_post_without_a_csrf_token_does_nothing(world: World) -> None:
    response = browser(world, "olivia", enforce_csrf_checks=True).post(ACT, GIVEN)
    assert response.status_code == 403
    assert "The form has expired" in response.content.decode()
    assert sample_urls.calls == []


@pytest.mark.parametrize("method", ["put", "patch", "delete"])
def test_other_methods_are_refused(world: World, method: str) -> None:
    assert getattr(browser(world, "olivia"), method)(ACT).status_code == 405
    assert sample_urls.calls == []


@pytest.mark.parametrize("method", ["get", "post"])
@pytest.mark.parametrize("username", ["audrey", "alice"])
def test_without_the_role_it_is_403_with_the_reason(
    world: World, username: str, method: str
) -> None:
    response = getattr(browser(world, username), method)(ACT, GIVEN)
    assert response.status_code == 403
    assert "needs a role that your account does not hold for clinic-001" in (
        response.content.decode()
    )
    assert sample_urls.calls == []


@pytest.mark.parametrize("method", ["get", "post"])
@pytest.mark.parametrize("address", [ACT, PAGE])
def test_another_clients_object_is_404(world: World, method: str, address: str) -> None:
    response = getattr(browser(world, "ben"), method)(address, GIVEN)
    # Django looks the object up before it asks about POST to a page that has no form.
    assert response.status_code == (403 if (method, address) == ("post", PAGE) else 404)
    assert "Clinic-001" not in response.content.decode()
    assert sample_urls.calls == []


def test_an_officer_of_one_client_acts_on_that_one(world: World) -> None:
    address = "/admin/access/client/clinic-002/seal-up/"
    assert browser(world, "ben").post(address, GIVEN).status_code == 302
    assert sample_urls.calls[0]["obj"].pk == "clinic-002"


@pytest.mark.parametrize("username", ["root", "nobody"])
def test_without_grants_there_is_nothing_to_act_on(world: World, username: str) -> None:
    response = browser(world, username).post(ACT, GIVEN)
    assert response.status_code == 403
    assert "Your account has no grants" in response.content.decode()
    assert sample_urls.calls == []


def test_buttons_are_shown_to_those_who_may(world: World) -> None:
    assert f'href="{ACT}"' in browser(world, "olivia").get(PAGE).content.decode()
    auditors = browser(world, "audrey").get(PAGE).content.decode()
    assert f'href="{ACT}"' not in auditors
    assert 'href="/admin/access/client/clinic-001/check/"' in auditors


def test_what_hinders_it_hides_the_button_and_the_form(world: World) -> None:
    sample_urls.hindrances.append("It is sealed up already.")
    olivia = browser(world, "olivia")
    assert f'href="{ACT}"' not in olivia.get(PAGE).content.decode()
    response = olivia.get(ACT)
    page = response.content.decode()
    assert response.status_code == 409
    assert "It is sealed up already." in page
    assert 'name="password"' not in page


def test_an_incomplete_form_is_400_and_calls_nothing(world: World) -> None:
    response = browser(world, "olivia").post(ACT, {"note": "read it"})
    assert response.status_code == 400
    assert "One answer is missing or not valid." in response.content.decode()
    assert sample_urls.calls == []


@pytest.mark.parametrize(
    ("kind", "status"),
    [
        (errors.Invalid, 400),
        (errors.Forbidden, 403),
        (errors.NotFound, 404),
        (errors.Conflict, 409),
        (errors.IntegrityFailure, 409),
        (errors.TooLarge, 413),
        (errors.Unavailable, 503),
    ],
)
def test_a_services_refusal_is_told_on_the_page(
    world: World, kind: type[errors.StrongroomError], status: int
) -> None:
    sample_urls.answer.append(kind("Somebody else has to do it.", code="because"))
    response = browser(world, "olivia").post(ACT, GIVEN)
    page = response.content.decode()
    assert response.status_code == status
    assert "Somebody else has to do it." in page
    assert "<code>because</code>" in page
    assert response["X-Request-Id"] in page
    assert "read it" in page
    assert "a secret of mine" not in page


def test_a_refusal_that_names_a_field_stands_beside_it(world: World) -> None:
    sample_urls.answer.append(errors.Invalid("Too short a note.", field="note"))
    page = browser(world, "olivia").post(ACT, GIVEN).content.decode()
    assert '<p class="field-error" id="id_note_error">Too short a note.</p>' in page


def test_the_answer_may_be_a_verdict_with_what_was_not_checked(world: World) -> None:
    page = browser(world, "audrey").post("/admin/access/client/clinic-001/check/").content.decode()
    assert "COULD NOT CHECK" in page
    assert "The digest is right." in page
    assert "The weather." in page


def test_an_act_of_a_list_has_no_object(world: World) -> None:
    olivia = browser(world, "olivia")
    address = "/admin/access/client/open-all/"
    assert f'href="{address}"' in olivia.get("/admin/access/client/").content.decode()
    assert olivia.post(address)["Location"] == "/admin/access/client/"
    assert sample_urls.calls[0]["obj"] is None


def test_an_act_of_a_list_is_refused_without_the_role(world: World) -> None:
    assert browser(world, "audrey").post("/admin/access/client/open-all/").status_code == 403
    assert sample_urls.calls == []


@pytest.mark.parametrize("address", ["add/", "clinic-001/delete/", "clinic-001/history/"])
def test_records_have_no_page_to_add_delete_or_rewrite_them(world: World, address: str) -> None:
    assert browser(world, "alice").get(f"/admin/access/client/{address}").status_code == 404


def test_a_record_is_not_saved_from_its_page(world: World) -> None:
    before = world.client().name
    assert browser(world, "alice").post(PAGE, {"name": "Another"}).status_code == 403
    assert world.client().name == before


def test_an_id_that_postgresql_cannot_hold_names_nothing(world: World) -> None:
    for part in ("seal-up", "change"):
        address = f"/admin/access/client/x%00y/{part}/"
        assert browser(world, "olivia").get(address).status_code == 404
