"""Where the user is logged in: a list, and the end of one of them or of all, at once and for good."""

from django.contrib import messages
from django.contrib.auth import logout
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_POST

from django_dist.sessions import revoke, revoke_all, sessions_for


@require_GET
@never_cache
@login_required
def devices(request: HttpRequest) -> HttpResponse:
    """Show the user's sessions, this one first."""
    found = sessions_for(request.user, request)
    return render(request, "store/devices.html", {"sessions": sorted(found, key=lambda one: not one.is_current)})


@require_POST
@login_required
def log_out_one(request: HttpRequest) -> HttpResponse:
    """End one session; only of this user's, whatever id the browser sends."""
    ended = revoke(request.POST.get("id", ""), user=request.user)
    messages.info(request, "That device is logged out." if ended else "That device was logged out already.")
    return redirect("devices")


@require_POST
@login_required
def log_out_others(request: HttpRequest) -> HttpResponse:
    """End all sessions but this one."""
    messages.info(request, f"Logged out on {revoke_all(request.user, except_session=request)} other devices.")
    return redirect("devices")


@require_POST
@login_required
def log_out_everywhere(request: HttpRequest) -> HttpResponse:
    """End all sessions, this one too."""
    revoke_all(request.user)
    logout(request)
    return redirect("login")
