"""What every test run tells at its head."""

from services import import_mysql, url


def pytest_report_header() -> str | None:
    """Say once which driver stands for MySQL, since a fallback is a weaker proof."""
    if url("mysql") is None:
        return None
    driver = import_mysql()
    return f"mysql driver: {driver}" + ("" if driver == "mysqlclient" else ", as mysqlclient is not installed")
