#!/bin/sh
# The Debian packages that the tests need beside Python: installs the missing ones as root, else names them and fails.
set -eu

# package:command, where having the command is enough, wherever it came from
needed="chromium:chromium git:git mosquitto:mosquitto procps:pgrep"

PATH="$PATH:/usr/sbin:/sbin"
missing=""
for pair in $needed; do
    command -v "${pair#*:}" >/dev/null 2>&1 || missing="$missing ${pair%%:*}"
done
python3 -c "import ensurepip, venv" 2>/dev/null || missing="$missing python3-venv"
[ -n "$missing" ] || exit 0

if [ "$(id -u)" -ne 0 ]; then
    echo "These Debian packages are missing:$missing" >&2
    echo "Install them:  sudo apt install$missing" >&2
    exit 1
fi
echo "Installing Debian packages:$missing"
export DEBIAN_FRONTEND=noninteractive
apt-get update -qq
# shellcheck disable=SC2086
apt-get install -y -qq --no-install-recommends $missing
