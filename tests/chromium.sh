#!/bin/sh
# The browser tests drive Debian's Chromium: install it where that is allowed, else say what to install.
set -eu
for name in "${CHROMIUM:-chromium}" chromium chromium-browser google-chrome; do
    command -v "$name" >/dev/null 2>&1 && exit 0
done
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
    echo "Installing Chromium for the browser tests ..."
    export DEBIAN_FRONTEND=noninteractive
    apt-get update -qq >/dev/null && apt-get install -y -qq --no-install-recommends chromium fonts-noto-cjk >/dev/null && exit 0
fi
echo "The browser tests need Chromium: install the package 'chromium' (Debian) or set CHROMIUM to a browser of that family. They are skipped."
