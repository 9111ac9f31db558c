"""Addresses of this room: approvals below ``/api/``, jobs below ``/ops/``."""

from django.urls import path

from ops.api import approvals, jobs, keys, legal_holds

api_urlpatterns = [
    path("approvals", approvals.ApprovalListView.as_view(), name="approvals"),
    path("approvals/<str:approval_id>", approvals.ApprovalView.as_view(), name="approval"),
    path(
        "approvals/<str:approval_id>/approve",
        approvals.ApproveView.as_view(),
        name="approval-approve",
    ),
    path(
        "approvals/<str:approval_id>/reject",
        approvals.RejectView.as_view(),
        name="approval-reject",
    ),
    path(
        "approvals/<str:approval_id>/withdraw",
        approvals.WithdrawView.as_view(),
        name="approval-withdraw",
    ),
    path("approvals/<str:approval_id>/use", approvals.UseView.as_view(), name="approval-use"),
    path("keys", keys.KeysView.as_view(), name="keys"),
    path("legal-holds", legal_holds.LegalHoldsView.as_view(), name="legal-holds"),
]

ops_urlpatterns = [
    path("jobs", jobs.JobsView.as_view(), name="jobs"),
    path("jobs/sla", jobs.SlaView.as_view(), name="jobs-sla"),
    path("jobs/runs/<uuid:run_id>", jobs.RunView.as_view(), name="run"),
    path("jobs/<uuid:job_id>/run", jobs.RunJobView.as_view(), name="job-run"),
    path("jobs/<uuid:job_id>/runs", jobs.JobRunsView.as_view(), name="job-runs"),
    path("jobs/<uuid:job_id>/enable", jobs.EnableView.as_view(), name="job-enable"),
    path("jobs/<uuid:job_id>/disable", jobs.DisableView.as_view(), name="job-disable"),
]
