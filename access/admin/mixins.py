"""What model admins of records are made of: read-only, scoped, cheap for millions of rows."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

from django.contrib.admin import ModelAdmin
from django.contrib.admin.utils import unquote
from django.core.exceptions import FieldDoesNotExist
from django.db.models import DateTimeField, Model, Q, QuerySet
from django.forms import Media
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import URLPattern, path

from access import policy
from access.admin import components, desk
from access.admin.actions import ObjectActionsMixin
from access.admin.acts import Decision, Done, ObjectAction, ResultPage
from access.admin.paging import EstimatedPaginator, ScopedChangeList
from access.denials import mark_denied
from access.roles import Action

__all__ = [
    "Decision",
    "Done",
    "EstimatedPaginator",
    "ObjectAction",
    "ObjectActionsMixin",
    "ReadOnlyAdmin",
    "ResultPage",
]


class ReadOnlyAdmin(ModelAdmin):  # type: ignore[type-arg]
    """A record that is looked at and never edited here; `access.policy` says by whom.

    Attributes:
        view_action: who may look at it.
        client_field: the column with the client's id; None for what belongs to no client, which
            then needs a grant for all clients (or `visible_to` says otherwise).
        keyset_field: a unique, growing column; the list is then newest first and paged by key.
        empty_sentence: what will be here, for an empty list.
    """

    view_action: Action = Action.VIEW
    client_field: str | None = "client_id"
    keyset_field: str | None = None
    empty_sentence = ""

    actions: Any = None
    list_per_page = 50
    list_max_show_all = 0
    show_full_result_count = False
    paginator = EstimatedPaginator
    view_on_site = False
    date_hierarchy = None

    @property
    def media(self) -> Media:
        """None: read-only pages need none of Django's scripts."""
        return Media()

    # --- permissions: the policy's, never Django's ------------------------------------------

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Nobody: services make records."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Nobody: records are not edited."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Nobody: records are not deleted."""
        return False

    def has_view_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Whether the policy lets the account look at ``obj``, or at any such object."""
        if obj is not None:
            return self.visible_to(request, self._all()).filter(pk=obj.pk).exists()
        if self.client_field is None:
            return policy.can(request.user, self.view_action, None)
        return bool(desk.scope_of(request, self.view_action))

    def has_module_permission(self, request: HttpRequest) -> bool:
        """As `has_view_permission`."""
        return self.has_view_permission(request)

    # --- scope ------------------------------------------------------------------------------

    def _all(self) -> QuerySet[Any]:
        rows: QuerySet[Any] = self.model._default_manager.get_queryset()
        return rows

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """The rows that the account may see, ordered as Django would."""
        ordering = self.get_ordering(request)
        queryset = self.visible_to(request, self._all())
        return queryset.order_by(*ordering) if ordering else queryset

    def visible_to(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Narrows ``queryset`` to what the account may see."""
        if self.client_field is None:
            allowed = policy.can(request.user, self.view_action, None)
            return queryset if allowed else queryset.none()
        return policy.visible(
            queryset,
            request.user,
            field=self.client_field,
            action=self.view_action,
            own=self.own_rows(request),
        )

    def own_rows(self, request: HttpRequest) -> Q | None:
        """Which rows are the account's own, for roles that see nothing else; for overriding."""
        return None

    def is_own(self, request: HttpRequest, obj: Model) -> bool:
        """Whether ``obj`` is the account's own."""
        own = self.own_rows(request)
        return own is not None and self._all().filter(own, pk=obj.pk).exists()

    def for_current_client(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Narrows a list to the client chosen in the header; objects are not narrowed by it."""
        chosen = desk.current_client(request)
        if chosen is None or self.client_field is None:
            return queryset
        return queryset.filter(**{self.client_field: chosen})

    def client_of(self, obj: Any) -> str | None:
        """The id of the client that ``obj`` belongs to; None for the platform itself."""
        if self.client_field is None:
            return None
        found = obj
        for name in self.client_field.split("__"):
            found = getattr(found, name, None)
        return None if found is None else str(found)

    def get_object(
        self, request: HttpRequest, object_id: str, from_field: str | None = None
    ) -> Any | None:
        """The object, if it is in scope; ids that PostgreSQL can't hold name nothing."""
        if "\x00" in object_id:
            return None
        return super().get_object(request, object_id, from_field)

    def object_or_404(self, request: HttpRequest, object_id: str) -> Any:
        """The object in scope.

        Args:
            request: the request.
            object_id: the key as it stands in the address.

        Raises:
            Http404: it doesn't exist, or belongs to a client out of the account's reach.
        """
        obj = self.get_object(request, unquote(object_id))
        if obj is None:
            mark_denied(request, "not_found")
            raise Http404
        return obj

    def _get_obj_does_not_exist_redirect(
        self, request: HttpRequest, opts: Any, object_id: str
    ) -> HttpResponse:
        # Django redirects with a message; another client's object is a plain 404 here.
        mark_denied(request, "not_found")
        raise Http404

    # --- addresses and pages ----------------------------------------------------------------

    def get_urls(self) -> list[URLPattern]:
        """The list and the object; there is nothing to add, delete or to keep a history of."""
        view = self.admin_site.admin_view
        name = f"{self.opts.app_label}_{self.opts.model_name}"
        return [
            path("", view(self.changelist_view), name=f"{name}_changelist"),
            path("<path:object_id>/change/", view(self.change_view), name=f"{name}_change"),
        ]

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ScopedChangeList]:
        """The change list that knows about clients and keys."""
        return ScopedChangeList

    def get_sortable_by(self, request: HttpRequest) -> Any:
        """No column, where the list is paged by key."""
        return () if self.keyset_field else super().get_sortable_by(request)

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest | None = None) -> bool:
        """Only what `list_filter` offers: no guessing at columns through the address."""
        for offered in self.list_filter:
            if callable(offered):
                if lookup == getattr(offered, "parameter_name", None):
                    return True
                continue
            name = offered[0] if isinstance(offered, (list, tuple)) else offered
            if lookup == name or lookup.startswith(f"{name}__"):
                return True
        return False

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """The list, with a sentence for when it is empty."""
        context = {"empty_sentence": self.empty_sentence, "admin": self, **(extra_context or {})}
        return super().changelist_view(request, context)

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        """The object's page, named after the object."""
        obj = kwargs.get("obj")
        named = {"title": str(obj), "subtitle": None, "kind": self.opts.verbose_name}
        context.update({**named, **self.page_context(request, obj)})
        return super().render_change_form(request, context, *args, **kwargs)

    def page_context(self, request: HttpRequest, obj: Any) -> dict[str, Any]:
        """What the object's page shows beside its fields; for overriding."""
        return {}

    # --- times ------------------------------------------------------------------------------

    def get_list_display(self, request: HttpRequest) -> Any:
        """The columns; times are shown as everywhere else."""
        return [self._shown(name) for name in super().get_list_display(request)]

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        """The fields; times are shown as everywhere else."""
        return [
            (name, {**options, "fields": [self._shown(f) for f in options["fields"]]})
            for name, options in super().get_fieldsets(request, obj)
        ]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """The read-only fields; times are shown as everywhere else."""
        return [self._shown(name) for name in super().get_readonly_fields(request, obj)]

    def _shown(self, name: Any) -> Any:
        if isinstance(name, (list, tuple)):
            return tuple(self._shown(part) for part in name)
        if not isinstance(name, str) or hasattr(self, name):
            return name
        try:
            field = self.opts.get_field(name)
        except FieldDoesNotExist:
            return name
        if not isinstance(field, DateTimeField):
            return name
        return _time_column(name, str(field.verbose_name))


@cache
def _time_column(name: str, label: str) -> Callable[[Any], Any]:
    def column(obj: Any) -> Any:
        return components.when(getattr(obj, name))

    column.__name__ = name
    column.short_description = label  # type: ignore[attr-defined]
    column.admin_order_field = name  # type: ignore[attr-defined]
    return column
