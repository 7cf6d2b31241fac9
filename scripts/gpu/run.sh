#!/usr/bin/env bash
# One step of the Tiny-ImageNet run, on a machine with an accelerator:  run.sh STEP [ARGUMENT]
# See README.md beside this for the order. What is made lies in $WORK; what shall come back from the
# machine is copied to $OUT. TOY=1 runs everything at a size for two processor cores.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
WORK=${WORK:-/tmp/clarion}
OUT=${OUT:-$WORK/out}
SIZE=${SIZE:-32}
PARTS=${PARTS:-.gpu}
export PYTHONPATH=$here/../../src:$WORK/site${PYTHONPATH:+:$PYTHONPATH} PYTHONUNBUFFERED=1
mkdir -p "$WORK" "$OUT"

if [ -n "${TOY:-}" ]; then
    sizes=(--network.base-channels 8 --network.blocks-per-level 1 --network.head-width 8
        --no-compile --precision float32 --batch-size 16 --report-every 5
        --validate-every 20 --checkpoint-every 20 --validation-examples 32)
    speed_steps=10 images=64 batch=32
else
    sizes=() speed_steps=300 images=50000 batch=1000
fi

clarion() { python3 -m clarion.cli.main "$@"; }

case $1 in
receive) # parts that came along with this call
    mkdir -p "$WORK/parts"
    cp "$PARTS"/* "$WORK/parts/"
    ;;
prepare) # all parts are here: packages, pictures
    "$here/unpack.sh" "$WORK/parts" "$WORK"
    if compgen -G "$WORK/wheels/*.whl" > /dev/null; then
        python3 -m pip install --quiet --no-index --no-deps --upgrade --target "$WORK/site" "$WORK"/wheels/*.whl
    fi
    for split in train val; do
        python3 "$here/arrays.py" "$WORK/tiny-imagenet/$split"-*.parquet --size "$SIZE" --out "$WORK/$split.npz"
    done
    ;;
speed) # examples a second: how many steps fit
    rm -rf "$WORK/speed"
    clarion train tiny_imagenet --data "$WORK/train.npz" --out "$WORK/speed" --num-steps "$speed_steps" \
        "${sizes[@]}" | tee "$OUT/speed.log"
    ;;
train) # for at most so many seconds; the first time with the number of steps as well
    if [ -d "$WORK/run" ]; then what=(--resume "$WORK/run"); else
        what=(tiny_imagenet --data "$WORK/train.npz" --out "$WORK/run" --num-steps "$3" "${sizes[@]}"); fi
    timeout --signal INT "$2" python3 -m clarion.cli.main train "${what[@]}" | tee "$OUT/train.log" || true
    cp "$WORK/run/config.json" "$WORK/run/log.jsonl" "$OUT/"
    ;;
sample) # pictures of every class alike: NAME and what else `clarion sample` takes
    name=$2
    shift 2
    labels=$(python3 -c "print(','.join(str(i % 200) for i in range($images)))")
    clarion sample "$WORK/run" --n "$images" --condition "label=$labels" --batch-size "$batch" \
        --out "$WORK/$name.npz" "$@" | tee "$OUT/$name.log"
    ;;
evaluate) # of what `sample NAME` drew, the card; and what else `clarion evaluate images` takes
    name=$2
    shift 2
    if [ -f "$WORK/default_1.pt" ]; then export CLARION_INCEPTION=$WORK/default_1.pt; fi
    CLARION_CACHE=$WORK/cache clarion evaluate images "$WORK/$name.npz" --reference "$WORK/train.npz" \
        --out "$OUT/$name.json" "$@" | tee "$OUT/$name-card.log"
    ;;
home) # part number K of the model, four files of 15 MB each; K = 0 packs them first
    if [ "$2" = 0 ]; then
        python3 -c "
import sys, torch, clarion
clarion.load(sys.argv[1]).save(sys.argv[2], dtype=torch.bfloat16)" "$WORK/run" "$WORK/model"
        (cd "$WORK" && "$here/pack.sh" home 15 model)
    fi
    cp "$WORK/home/SHA256SUMS" "$OUT/"
    for number in 0 1 2 3; do
        part=$(printf "$WORK/home/part_%03d" $(($2 * 4 + number)))
        if [ -f "$part" ]; then cp "$part" "$OUT/"; fi
    done
    ;;
*)
    echo "Unknown step $1: receive, prepare, speed, train, sample, evaluate or home" >&2
    exit 1
    ;;
esac
