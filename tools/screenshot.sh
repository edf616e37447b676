#!/bin/sh
# Take the README's picture of a page from the built book, with Chromium.
cd "$(dirname "$0")/.." || exit 1
for browser in chromium chromium-browser google-chrome; do
    command -v "$browser" >/dev/null && break
done
command -v "$browser" >/dev/null || {
    echo 'Chromium is missing: apt-get install chromium' >&2
    exit 1
}
profile=$(mktemp -d)
"$browser" --headless --no-sandbox --disable-gpu --hide-scrollbars \
    --disable-background-networking --disable-sync --no-first-run \
    --user-data-dir="$profile" --window-size=1280,1000 \
    --virtual-time-budget=4000 --screenshot="$PWD/.github/screenshot.png" \
    "file://$PWD/_build/html/chapters/7-2-convolutions-for-images.html" \
    2>/dev/null
rm -rf "$profile"
