"""What docs/howto/scope.md names: a scope by tenant and user."""

from django.http import HttpRequest


def tenant_and_user(request: HttpRequest) -> str:
    """Return the host's first label and the user's key."""
    return f"{request.get_host().partition('.')[0]}:{request.user.pk}"
