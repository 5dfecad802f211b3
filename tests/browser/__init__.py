"""Pages in a real browser: headless Chromium by Playwright."""

#: A browser that asks for nothing but our pages.
QUIET = (
    "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync"
)
