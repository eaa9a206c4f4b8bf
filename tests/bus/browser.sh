# SPDX-License-Identifier: LGPL-2.1-or-later
#
# For tests of pages, sourced after lib.sh: how a browser shows them.

# browse SCHEME FILE OPTION...: 1 is light, 0 dark
browse() {
	local scheme=$1 file=$2; shift 2
	timeout 300 chromium --headless --no-sandbox --disable-gpu --disable-dev-shm-usage --disable-quic --no-first-run \
		--disable-background-networking --disable-component-update --disable-sync --disable-breakpad \
		--blink-settings=preferredColorScheme="$scheme" --window-size=1000,1400 --hide-scrollbars \
		--user-data-dir="$T/browser" --enable-logging=stderr "$@" "file://$file" 2>>"$T/browser.log"
}
