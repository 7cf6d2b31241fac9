#!/usr/bin/env bash
# Puts together what pack.sh has cut:  unpack.sh FOLDER DESTINATION
# Says which parts are missing or damaged, and then unpacks nothing.
set -euo pipefail
(cd "$1" && sha256sum --check --quiet SHA256SUMS)
mkdir -p "$2"
cat "$1"/part_* | tar --extract --directory "$2"
