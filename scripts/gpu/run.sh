#!/usr/bin/env bash
# One step of the Tiny-ImageNet run, on a machine with an accelerator:  run.sh STEP [ARGUMENT...]
# README.md beside this has the order. What is made lies in $WORK, all of a model in $WORK/NAME; what
# shall come back from the machine is copied to $OUT. TOY=1 runs everything at a size for one
# processor core. N says how many pictures are drawn.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
step=$1
WORK=${WORK:-/tmp/clarion}
OUT=${OUT:-$WORK/out}
PARTS=${PARTS:-.gpu}
export PYTHONPATH=$here/../../src:$WORK/site${PYTHONPATH:+:$PYTHONPATH} PYTHONUNBUFFERED=1
mkdir -p "$WORK" "$OUT"
WORK=$(cd "$WORK" && pwd) OUT=$(cd "$OUT" && pwd)

size=32 megabytes=15 speed_steps=300 num_drawn=50000 num_tuned=10000
pictures=() training=() drawing=() compiling=(--compile)
measuring=(--weights "$WORK/default_1.pt" --batch-size 256)
if [ -n "${TOY:-}" ]; then
    size=8 megabytes=1 speed_steps=10 num_drawn=64 num_tuned=24
    pictures=(--first 40) drawing=(--slice 24) compiling=() measuring=(--extractor pixels)
    training=(--network.base-channels 8 --network.blocks-per-level 1 --network.head-width 8
        --no-compile --precision float32 --batch-size 16 --report-every 1
        --validate-every 4 --checkpoint-every 2 --validation-examples 16)
fi

clarion() { python3 -m clarion.cli.main "$@"; }

settings() { # of a model by its NAME; ddpm has the method of `clarion train ddpm`, and all else of clarion
    name=$1 folder=$WORK/$1
    case $name in
    clarion)
        method=() sampling=(--num-steps 18)
        rules=(none cfg:1.5@0.2-0.6 auto:early:1.5 auto:early:2)
        ;;
    ddpm)
        method=(--process vp_linear --prediction-type noise --loss.levels time_uniform
            --loss.weighting noise --condition-dropout 0.1)
        sampling=(--sampler ddim --grid time_uniform --num-steps 50)
        rules=(none cfg:1.5 cfg:2)
        ;;
    *)
        echo "Unknown model $name: clarion or ddpm" >&2
        exit 1
        ;;
    esac
}

file() { # of the pictures drawn by RULE, N of them, with SEED; without its ending
    echo "$folder/drawn/seed$3-$2-${1//[^[:alnum:].-]/_}"
}

draw() { # RULE N SEED OPTION...; a rule finds the early model as `early`
    (cd "$folder" && python3 "$here/draw.py" model --guidance "$1" --n "$2" --seed "$3" \
        "${sampling[@]}" "${drawing[@]}" "${@:4}" \
        --out "$(file "${@:1:3}").npz") | tee -a "$OUT/$name-drawn.log"
}

measure() { # RULE N SEED OPTION...: the card of what was drawn
    local drawn
    drawn=$(file "${@:1:3}")
    CLARION_CACHE=$WORK/cache clarion evaluate images "$drawn.npz" --reference "$WORK/train.npz" \
        --out "$OUT/$name-$(basename "$drawn").json" "${measuring[@]}" "${@:4}"
}

case $step in
receive) # WHAT: parts of it, which came along with this call
    mkdir -p "$WORK/parts/$2"
    cp "$PARTS"/* "$WORK/parts/$2/"
    ;;
restore) # WHAT: all its parts are here
    "$here/unpack.sh" "$WORK/parts/$2" "$WORK"
    ;;
prepare) # the pictures, and packages, of which all parts are here
    "$here/unpack.sh" "$WORK/parts/data" "$WORK"
    if compgen -G "$WORK/wheels/*.whl" > /dev/null; then
        python3 -m pip install --quiet --no-index --no-deps --upgrade --target "$WORK/site" "$WORK"/wheels/*.whl
    fi
    python3 "$here/arrays.py" "$WORK"/tiny-imagenet/train-*.parquet --size "$size" "${pictures[@]}" \
        --out "$WORK/train.npz"
    ;;
speed) # examples a second: how many steps fit
    rm -rf "$WORK/speed"
    clarion train tiny_imagenet --data "$WORK/train.npz" --out "$WORK/speed" --num-steps "$speed_steps" \
        "${training[@]}" 2>&1 | tee "$OUT/speed.log"
    ;;
train) # NAME SECONDS [STEPS [OPTION...]]: for so long at most; what was begun goes on
    settings "$2"
    if compgen -G "$folder/run/steps/[0-9]*" > /dev/null; then
        what=(--resume "$folder/run" --data "$WORK/train.npz")
    else
        rm -rf "$folder/run" "$folder/early"
        what=(tiny_imagenet --data "$WORK/train.npz" --out "$folder/run" --num-steps "${4:?STEPS are missing}"
            "${method[@]}" "${training[@]}")
    fi
    # In the foreground the signal comes once, and to the training alone: a second one would break off
    # the saving. The status is that of the training, 0 also where it was stopped and has saved.
    timeout --foreground --preserve-status --signal INT "$3" \
        python3 -m clarion.cli.main train "${what[@]}" "${@:5}" 2>&1 | tee "$OUT/$name-train.log"
    cp "$folder/run/config.json" "$folder/run/log.jsonl" "$OUT/"
    rm -rf "$folder/drawn"
    python3 - "$folder" << 'END' # averaged weights: the newest, and for autoguidance the first
import sys
from pathlib import Path
import clarion, torch
from clarion.run.folder import checkpoints
folder = Path(sys.argv[1])
clarion.load(folder / "run").save(folder / "model", dtype=torch.bfloat16)
if not (folder / "early").exists():
    first = int(checkpoints(folder / "run")[0].name)
    clarion.load(folder / "run", step=first).save(folder / "early", dtype=torch.bfloat16)
END
    ;;
tune) # NAME [RULE...]: each rule on pictures of their own
    settings "$2"
    if [ $# -gt 2 ]; then rules=("${@:3}"); fi
    for rule in "${rules[@]}"; do
        draw "$rule" "${N:-$num_tuned}" 1
        measure "$rule" "${N:-$num_tuned}" 1 --metrics fid kid
    done | tee "$OUT/$name-tune.log"
    ;;
sample) # NAME RULE
    settings "$2"
    draw "$3" "${N:-$num_drawn}" 0 "${compiling[@]}"
    ;;
evaluate) # NAME RULE [OPTION...]: the card of what `sample NAME RULE` drew
    settings "$2"
    measure "$3" "${N:-$num_drawn}" 0 "${@:4}" | tee "$OUT/$name-card.log"
    ;;
home | save) # NAME K: four parts from number 4 K on; home: the models; save: what training goes on from
    settings "$2"
    if [ "$3" = 0 ]; then
        cd "$WORK"
        if [ "$step" = home ]; then what=("$name/model" "$name/early"); else
            checkpoints=("$name"/run/steps/[0-9]*)
            what=("$name/early" "$name"/run/*.json* "$name/run/README.md" "${checkpoints[-1]}"); fi
        "$here/pack.sh" "$folder/$step" "$megabytes" "${what[@]}" # says how many parts there are
    fi
    cp "$folder/$step/SHA256SUMS" "$OUT/"
    for number in 0 1 2 3; do
        part=$(printf "%s/part_%03d" "$folder/$step" $(($3 * 4 + number)))
        if [ -f "$part" ]; then cp "$part" "$OUT/"; fi
    done
    ;;
*)
    echo "Unknown step $step: receive, restore, prepare, speed, train, tune, sample, evaluate, home or save" >&2
    exit 1
    ;;
esac
