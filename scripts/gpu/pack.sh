#!/usr/bin/env bash
# Cuts files into parts that fit through a small door:  pack.sh FOLDER MEGABYTES FILE...
# They are put together by unpack.sh.
set -euo pipefail
folder=$1 megabytes=$2
shift 2
mkdir -p "$folder"
rm -f "$folder"/part_*
tar --create --dereference "$@" | split --bytes="${megabytes}MB" --numeric-suffixes --suffix-length=3 - "$folder/part_"
(cd "$folder" && sha256sum part_* > SHA256SUMS)
wc --lines < "$folder/SHA256SUMS"
